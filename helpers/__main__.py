"""The command line: python -m helpers caption | train | finetune | evaluate | ..."""

import argparse
import contextlib
import inspect
import io
import os
import sys

from helpers.commands import caption, data, download, evaluate, finetune, train
from helpers.commands.options import add_options
from helpers.settings import RANGES, TrainingError, check_range


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message):
        self.exit(2, f"{self.prog.split()[-1]}: {message}\n")


def main(arguments=None):
    """Run a command. Returns: the exit code: 0, or 2 after a message for a user's mistake."""
    options = _parser().parse_args(arguments)
    try:
        for name, value in vars(options).items():
            if name in RANGES:
                check_range(name, value, f"--{name.replace('_', '-')}")
        _check_device(getattr(options, "device", "cpu"))
        code = options.command(options)
        sys.stdout.flush()
        return code or 0
    except BrokenPipeError:  # whoever reads has enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        code, problem = 130, "interrupted"
    except (ValueError, OSError, TrainingError) as error:
        code, problem = 2, str(error)
    except (MemoryError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        known = ("out of memory", "can't allocate memory", "not enough memory")
        if not isinstance(error, MemoryError) and not any(each in reason for each in known):
            raise
        remedy = "try a smaller --batch-size, model or picture"
        code, problem = 2, f"out of memory ({reason:.150}); {remedy}"
    print(f"{options.name}: {problem}", file=sys.stderr)
    return code


def _check_device(name):
    if name == "cpu":
        return
    import torch

    try:
        torch.zeros(1, device=name).item()  # "meta" has no numbers
    except Exception as error:  # each device that is not there has its own kind
        reason = str(error).split("\n")[0]
        raise ValueError(f"--device {name}: torch cannot use it here ({reason:.150})") from error


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Tells defaults, and keeps the lines of docstrings."""


def _parser():
    parser = _Parser(prog="python -m helpers", description="Image captioning from scratch.")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for module in (caption, train, finetune, evaluate, data, download):
        line = str(module.__doc__).removeprefix("python -m helpers ").rstrip(".")
        name, summary = line.split(": ")
        command = commands.add_parser(
            name, help=summary, description=inspect.getdoc(module.run), formatter_class=_Help,
            epilog=getattr(module, "BELOW", None),
        )  # fmt: skip
        add_options(command, module.OPTIONS)
        command.set_defaults(command=module.run, **getattr(module, "DEFAULTS", {}))
    return parser


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a letter is no error
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)  # in a leisurely exit torch's CUDA libraries read 100 MB of their own files
