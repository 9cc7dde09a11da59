"""How a notebook gets along with kernels that are not written yet: one line, and it goes on."""

import base64
import zlib

from IPython import get_ipython

from helpers import kernels
from helpers.diagnosis import judge

SEED = 0  # of the inputs that kernels are checked on
_missing: list[str] = []


def checked(name):
    """Check a kernel of `helpers.kernels`, say what came of it, and return it."""
    kernel, forward = (getattr(kernels, n) for n in (name, name.replace("_backward", "_forward")))
    verdict = judge(name, kernel, forward, SEED)
    print(verdict)
    if verdict.state != "right":  # cells that build on it say so, and the notebook goes on
        _missing.append(name)
    return kernel


def run(packed):
    """Run code that would give a kernel away if it stood here."""
    get_ipython().ex(zlib.decompress(base64.b85decode("".join(packed.split()))).decode())


def _told(shell, kind, error, trace, tb_offset=None):
    if isinstance(error, NotImplementedError) and "yours to write" in str(error):
        _missing.append(str(error).partition(":")[0])
        print(error)
    elif _missing:
        names = ", ".join(dict.fromkeys(_missing))
        print(f"waits for {names} ({kind.__name__}: {error})")
    else:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
    return []


def _go_on(result):
    if _missing and result.error_in_exec is not None:
        result.error_in_exec = None  # so that "Run all cells" does not stop here


if get_ipython() is not None:
    get_ipython().set_custom_exc((Exception,), _told)
    get_ipython().events.register("post_run_cell", _go_on)
