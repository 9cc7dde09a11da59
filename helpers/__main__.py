"""The command line: python -m helpers caption | train | finetune | guide | evaluate | ..."""

import argparse
import sys

from helpers.commands import caption, data, download, evaluate, finetune, guide, train
from helpers.settings import TrainingError

HEAVY = ("caption", "train", "finetune", "guide", "evaluate")  # commands that encode pictures


def main(arguments=None):
    """Run a command. Returns: the exit code, 0, or 2 after a message for a user's mistake."""
    options = _parser().parse_args(arguments)
    try:
        _check_device(getattr(options, "device", "cpu"))
        if options.name in HEAVY:
            from helpers.layers import prepare_process

            prepare_process()
        options.command(options)
    except (ValueError, OSError, TrainingError) as error:
        print(f"{options.name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{options.name}: interrupted", file=sys.stderr)
        return 130
    return 0


def _check_device(name):
    if name == "cpu":
        return
    import torch

    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter without CUDA in the build
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {name}: torch cannot use it here ({reason})") from error


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m helpers", description="Image captioning from scratch.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for command in (caption, train, finetune, guide, evaluate, data, download):
        command.add_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
