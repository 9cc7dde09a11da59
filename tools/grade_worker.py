"""The process that runs a student's kernels for `tools.grade`: arrays in, arrays out.

It knows nothing of what is right, and what it may do is cut down before the first line of a
student's code runs. The grader talks to it through two pipes: a message is JSON, followed by the
arrays' bytes, so that reading one never runs code.
"""

import contextlib
import copy
import importlib
import json
import os
import struct
import sys

import numpy as np

LARGEST = 64 * 2**20  # bytes of a message
REMEMBERED = 300  # objects and arrays that both sides can still name
READABLE = (sys.prefix, sys.base_prefix, "/usr", "/lib", "/dev/null", "/dev/urandom", "/proc/self")
HARMLESS = (
    "compile",
    "exec",
    "marshal.",
    "code.__new__",
    "builtins.id",
    "sys._getframe",
    "array.",
    "object.__getattr__",
)
GONE = ("ctypes", "subprocess", "_posixsubprocess", "socket", "_socket", "multiprocessing")


def send(stream, message, arrays=()):
    """Write a message: a dict for JSON, and arrays."""
    head = [[array.dtype.str, array.shape] for array in arrays]
    text = json.dumps([message, head]).encode()
    body = b"".join([text, *(np.ascontiguousarray(array).tobytes() for array in arrays)])
    if len(body) > LARGEST:
        raise ValueError(f"{len(body) / 2**20:.0f} MB came back: far too much")
    stream.write(struct.pack("<QQ", len(text), len(body)) + body)
    stream.flush()


def receive(read):
    """Read a message with read(n), which returns n bytes. Returns: the dict and the arrays"""
    text, size = struct.unpack("<QQ", read(16))
    if not text <= size <= LARGEST:
        raise ValueError("the message is too long")
    body = read(size)
    message, head = json.loads(body[:text])
    arrays, start = [], text
    for name, shape in head:
        dtype = np.dtype(name)
        if dtype.kind not in "biuf" or any(n < 0 for n in shape):
            raise ValueError(f"an array of {dtype}")
        end = start + dtype.itemsize * int(np.prod(shape, dtype=object))
        arrays.append(np.frombuffer(body[start:end], dtype).reshape(shape).copy())
        start = end
    return message, arrays


class Objects:
    """What crossed: arrays by number, with what they held then; and caches, which stay here."""

    def __init__(self):
        self.arrays, self.caches, self.count = {}, {}, 0

    def keep(self, key, value, where):
        where[key] = value
        while len(where) > REMEMBERED:
            del where[next(iter(where))]

    def watch(self, key, array):
        self.keep(key, (array, array.copy()), self.arrays)

    def changed(self):
        """Return the numbers of the arrays that were written to since, and the arrays."""
        found = {
            key: array
            for key, (array, before) in self.arrays.items()
            if array.tobytes() != before.tobytes()
        }
        for key, array in found.items():
            self.watch(key, array)
        return list(found), list(found.values())

    def told(self, value, arrays, top=True):
        """Describe a result for JSON; its arrays are added to a list."""
        import torch

        if isinstance(value, torch.Tensor) and value.layout == torch.strided:
            with torch.no_grad():
                told = self.told(value.detach().cpu().numpy(), arrays, top)
            return told | {"tensor": True} if "array" in told else told
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
            self.count += 1
            told = {"array": len(arrays), "key": self.count}
            told["scalar"] = isinstance(value, np.generic)
            arrays.append(np.array(value) if told["scalar"] else value)
            self.watch(self.count, arrays[-1])
            return told
        if value is None or type(value) in (bool, int, float):
            return {"plain": value if type(value) is not float else repr(value)}
        if top and type(value) in (tuple, list):
            return {"several": [self.told(each, arrays, False) for each in value]}
        return self.opaque(value, arrays)

    def opaque(self, value, arrays):
        """Keep what no other process can hold, such as a cache; tell which arrays are in it."""
        self.count += 1
        key = self.count
        self.keep(key, value, self.caches)
        inside = [self.told(array, arrays) for array in _arrays_in(value)[:100]]
        return {"cache": key, "kind": type(value).__name__, "inside": inside}

    def meant(self, told, arrays):
        """Return the value that a description from the grader means."""
        if "cache" in told:
            if told["cache"] not in self.caches:
                raise RuntimeError("the cache is gone, with the process that made it")
            return self.caches[told["cache"]]
        if "several" in told:
            return tuple(self.meant(each, arrays) for each in told["several"])
        if "array" not in told:
            return told["plain"]
        array = arrays[told["array"]]
        self.watch(told["key"], array)
        if told.get("tensor"):
            import torch

            return torch.from_numpy(array)
        return array


def _arrays_in(value, depth=6):
    if isinstance(value, np.ndarray):
        return [value]
    if type(value).__name__ == "Tensor":
        return [value.detach().numpy()]
    if depth == 0 or isinstance(value, (str, bytes, int, float, type, type(sys))):
        return []
    if isinstance(value, dict):
        value = list(value.values())
    elif not isinstance(value, (tuple, list)):
        value = list(vars(value).values()) if hasattr(value, "__dict__") else []
    return [array for each in value for array in _arrays_in(each, depth - 1)]


def limit(seconds, megabytes):
    """Take away files, processes, threads and endless memory and time from this process."""
    import resource

    def at_most(name, amount):
        if hasattr(resource, name):
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
            with contextlib.suppress(ValueError, OSError):  # macOS has none of address space
                resource.setrlimit(kind, (amount, amount))

    used = 0
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    at_most("RLIMIT_AS", used + megabytes * 2**20)
    at_most("RLIMIT_CPU", seconds)
    for name in ("RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_NPROC"):
        at_most(name, 0)


def guard(folder):
    """Refuse, from now on, all that a kernel has no need of; this cannot be undone from Python."""
    import torch

    readable = tuple(os.path.realpath(path) for path in (*READABLE, folder))

    def hook(event, arguments, refuse=PermissionError, real=os.path.realpath, text=str):
        if event == "open" or event in ("os.listdir", "os.scandir"):
            path = arguments[0]
            writes = event == "open" and arguments[2] & 3
            if not writes and isinstance(path, (text, bytes)):
                path = real(path if isinstance(path, text) else path.decode())
                if any(path == each or path.startswith(each + "/") for each in readable):
                    return
            raise refuse(f"the grader: a kernel opens no files ({arguments[0]!r})"[:200])
        if event == "import":
            if arguments[0].partition(".")[0] not in GONE:
                return
        elif event.startswith(HARMLESS):
            return
        elif event == "object.__setattr__" and arguments[1] not in ("__code__", "__defaults__"):
            return  # a data class sets its docstring
        raise refuse(f"the grader: a kernel has no need of {event} {arguments!r}"[:200])

    def refused(*_, **__):
        raise PermissionError("the grader: autograd and torch.nn have no place in a kernel")

    torch.autograd.backward = torch.autograd.grad = torch.Tensor.backward = refused
    torch.nn.Module.__call__ = refused
    for name in ("grad", "vjp", "jvp", "jacrev", "jacfwd", "grad_and_value", "linearize"):
        setattr(torch.func, name, refused)
    for name in ("subprocess", "_posixsubprocess"):  # which no hook sees
        module = importlib.import_module(name)
        for each in ("_fork_exec", "fork_exec"):
            if hasattr(module, each):
                setattr(module, each, refused)
    sys.addaudithook(hook)


def _problem(error, folder):
    """Tell an exception and the line of the student's that it comes from, briefly."""
    text, line, trace = f"{error}"[:300], "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(os.path.join(folder, "helpers")):
            line = f"in line {trace.tb_lineno} of {os.path.basename(file)}"
        trace = trace.tb_next
    return {"error": type(error).__name__, "text": f"{text}\n  {line}".rstrip()}


def main(folder, seconds, megabytes, read_from, write_to):
    """Answer calls until the grader hangs up."""
    import torch
    from array_api_compat import array_namespace

    array_namespace(np.zeros(1)), array_namespace(torch.zeros(1))  # imports more
    torch.set_num_threads(1)
    stream_in, stream_out = os.fdopen(int(read_from), "rb"), os.fdopen(int(write_to), "wb")
    folder = os.path.realpath(folder)
    sys.path.insert(0, folder)
    limit(int(seconds), int(megabytes))
    guard(folder)
    objects = Objects()
    send(stream_out, {"ready": True})
    while True:
        try:
            message, arrays = receive(stream_in.read)
        except struct.error:
            return
        back = []
        try:
            if "copy" in message:
                answer = objects.opaque(copy.deepcopy(objects.meant(message["copy"], [])), back)
            else:
                module = importlib.import_module(f"helpers.kernels.{message['module']}")
                kernel = getattr(module, message["name"])
                given = [objects.meant(each, arrays) for each in message["arguments"]]
                answer = objects.told(kernel(*given), back)
        except BaseException as error:
            answer, back = _problem(error, folder), []
        keys, changed = objects.changed()
        reply = {"answer": answer, "changed": keys, "at": len(back)}
        try:
            send(stream_out, reply, [*back, *changed])
        except (ValueError, TypeError) as error:
            send(stream_out, {"answer": _problem(error, folder), "changed": [], "at": 0})


if __name__ == "__main__":
    main(*sys.argv[1:])
