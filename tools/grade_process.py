"""The grader's end of the process that runs a submission: kernels that can be called from here."""

import contextlib
import functools
import inspect
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import torch

from tools import grade_worker
from tools.submission import file_of

CALL_SECONDS, START_SECONDS, ALL_SECONDS = 10, 60, 200
MEGABYTES = 1024  # beside what Python, NumPy and torch take


@functools.cache
def isolation():
    """Return the start of a command that takes more away, where this system lets us; else ()."""
    start = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--ipc", "--pid"]
    start += ["--fork", "--kill-child", "--mount-proc"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        script = "mount -t tmpfs none /tmp && mount -o remount,bind,ro /"
        done = subprocess.run([*start, "sh", "-c", script], capture_output=True, timeout=20)
        return tuple(start) if done.returncode == 0 else ()
    return ()


class Ended(Exception):
    """The process of a submission did not answer."""


class Child:
    """A process that runs the kernels of one submission, started when it is needed.

    Inputs: folder: its own, with helpers/kernels; hidden: folders that it shall not see
    """

    def __init__(self, folder, hidden=()):
        self.folder, self.hidden, self.process = folder, hidden, None
        self.arrays, self.count, self.ends = {}, 0, time.monotonic() + ALL_SECONDS

    def start(self):
        there, write = os.pipe()
        read, back = os.pipe()
        worker = shutil.copy(grade_worker.__file__, self.folder / "worker.py")
        command = [sys.executable, "-I", "-B", worker, self.folder, 2 * ALL_SECONDS, MEGABYTES]
        command = [str(each) for each in (*command, there, back)]
        if isolation():
            steps = [f"mount -t tmpfs none {shlex.quote(str(each))}" for each in self.hidden]
            steps += ["mount -o remount,bind,ro /", 'exec "$@"']
            command = [*isolation(), "sh", "-c", " && ".join(steps), "sh", *command]
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={"HOME": str(self.folder), "PATH": os.defpath, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(there, back),
            start_new_session=True,
        )
        os.close(there), os.close(back)
        self.read, self.write = read, os.fdopen(write, "wb")
        self.answer(START_SECONDS)

    def stop(self):
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            with contextlib.suppress(OSError):
                self.write.close()
            os.close(self.read)
            self.process = None

    def ask(self, message, arrays=()):
        """Send a message. Returns: the answer's dict, and its arrays. Raises: Ended"""
        if time.monotonic() > self.ends:
            raise Ended(f"all {ALL_SECONDS} seconds are used up")
        if self.process is None:
            self.start()
        try:
            grade_worker.send(self.write, message, arrays)
        except OSError:
            self.stop()
            raise Ended("the process is gone") from None
        reply, arrays = self.answer(CALL_SECONDS)
        at = reply["at"]
        for key, new in zip(reply["changed"], arrays[at:], strict=True):
            old = self.arrays.get(key)
            if old is not None and old.shape == new.shape and old.dtype == new.dtype:
                old[...] = new
        return reply["answer"], arrays[:at]

    def answer(self, seconds):
        until = min(time.monotonic() + seconds, self.ends)

        def read(size):
            data = bytearray()
            while len(data) < size:
                left = until - time.monotonic()
                if left <= 0 or not select.select([self.read], [], [], left)[0]:
                    spent = time.monotonic() > self.ends
                    limit = f"all {ALL_SECONDS} seconds are used up" if spent else f"{seconds} s"
                    raise Ended(f"stopped: it ran longer than it may ({limit})")
                more = os.read(self.read, min(size - len(data), 2**20))
                if not more:
                    raise Ended("it ended the process that runs it, or used too much memory")
                data += more
            return bytes(data)

        try:
            return grade_worker.receive(read)
        except Ended:
            self.stop()
            raise
        except Exception:
            self.stop()
            raise Ended("it wrote into the grader's pipe") from None

    def watch(self, key, array):
        self.arrays[key] = array
        while len(self.arrays) > grade_worker.REMEMBERED:
            del self.arrays[next(iter(self.arrays))]


class Cache:
    """What a kernel keeps for its backward pass: in the other process, but for its arrays."""

    __slots__ = ("__dict__", "child", "key")  # the checks look at what __dict__ holds

    def __init__(self, child, key, arrays):
        self.child, self.key, self.arrays = child, key, arrays

    def __deepcopy__(self, memo):
        answer, arrays = self.child.ask({"copy": {"cache": self.key}})
        return _understood(self.child, answer, arrays)


class Remote:
    """A student's kernel, as a function: its process computes what it returns.

    Inputs: child: the process; name: of the kernel; node: its definition, or None
    """

    def __init__(self, child, name, node):
        self.child, self.__name__, self.uses, self.failed = child, name, {}, None
        if node is not None:
            kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
            arguments, first = node.args.args, len(node.args.args) - len(node.args.defaults)
            with contextlib.suppress(ValueError):
                self.__signature__ = inspect.Signature(
                    [
                        inspect.Parameter(a.arg, kind, default=None if k >= first else empty)
                        for k, a in enumerate(arguments)
                    ]
                )

    def __call__(self, *arguments):
        if self.failed:
            raise Ended(self.failed)
        arrays = []
        told = [self._told(value, arrays) for value in arguments]
        message = {"module": file_of(self.__name__)[:-3], "name": self.__name__, "arguments": told}
        try:
            answer, arrays = self.child.ask(message, arrays)
        except Ended as ended:
            self.failed = str(ended)
            raise
        if "error" in answer:
            name = re.sub(r"\W", "", str(answer["error"]))[:40] or "Exception"
            text = str(answer["text"])[:500]
            if name == "NotImplementedError":
                raise NotImplementedError(text)
            raise type(name, (Exception,), {})(text)
        return _understood(self.child, answer, arrays)

    def _told(self, value, arrays):
        """Describe an argument for JSON; its arrays are added to a list."""
        if isinstance(value, Cache):
            return {"cache": value.key}
        if isinstance(value, tuple | list):
            return {"several": [self._told(each, arrays) for each in value]}
        if not isinstance(value, np.ndarray | np.generic | torch.Tensor):
            return {"plain": value}
        tensor = isinstance(value, torch.Tensor)
        array = value.detach().numpy() if tensor else np.asarray(value)
        self.child.count += 1
        key = f"p{self.child.count}"
        self.child.watch(key, array)
        arrays.append(array)
        return {"array": len(arrays) - 1, "key": key, "tensor": tensor}


def _understood(child, told, arrays):
    """Return the value that a description from the other process means."""
    if "several" in told:
        return tuple(_understood(child, each, arrays) for each in told["several"])
    if "cache" in told:
        inside = [_understood(child, each, arrays) for each in told["inside"]]
        return Cache(child, told["cache"], inside)
    if "array" not in told:
        plain = told["plain"]
        return float(plain) if isinstance(plain, str) else plain
    array = arrays[told["array"]]
    child.watch(told["key"], array)
    if told.get("tensor"):
        return torch.from_numpy(array)
    return array[()] if told["scalar"] else array
