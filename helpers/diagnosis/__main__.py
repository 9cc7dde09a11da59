"""`python -m helpers.diagnosis [kernel ...]`: check the kernels in `helpers/kernels`."""

import argparse
import sys

from helpers import kernels
from helpers.diagnosis import checkable, judge


def main(arguments=None):
    """Check kernels, all by default. Returns: the exit code, 1 when one is not right yet."""
    parser = argparse.ArgumentParser(prog="python -m helpers.diagnosis", description=__doc__)
    parser.add_argument("kernels", nargs="*", metavar="kernel", help="its name; all by default")
    code = 0
    for name in parser.parse_args(arguments).kernels or checkable():
        if name not in checkable():
            parser.error(f"no kernel is called {name!r}; there are: {', '.join(checkable())}")
        forward = getattr(kernels, name.replace("_backward", "_forward"))
        verdict = judge(name, getattr(kernels, name), forward)
        print(verdict)
        code = code if verdict.state == "right" else 1
    return code


if __name__ == "__main__":
    sys.exit(main())
