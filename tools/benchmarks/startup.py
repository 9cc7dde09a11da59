"""From the shell to one caption: what a whole process takes, beside `import torch` alone."""

import json
import os
import subprocess
import sys

from helpers.photographs import photograph_path
from helpers.settings import ROOT

COMMANDS = {"import torch": ["-c", "import torch"], "caption": ["-m", "helpers", "caption"]}
# A small process starts the one that is weighed, since a peak begins with the parent's.
LAUNCHER = """
import json, os, sys
child = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ,
                       file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(child, 0)
print(json.dumps([status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""


def measure(repetitions=3):
    """Run each command some times, in turns. Yields: text, a line for each"""
    photo, seen = str(photograph_path("chelsea.png")), {name: [] for name in COMMANDS}
    for _ in range(repetitions):
        for name, command in COMMANDS.items():
            seen[name].append(run([*command, photo] if name == "caption" else command))
    base = min(seconds for seconds, _ in seen["import torch"])
    for name, each in seen.items():
        seconds, megabytes = (min(values) for values in zip(*each, strict=True))
        yield f"`{name}`: {seconds:.2f} s of CPU time ({seconds / base:.2f}), {megabytes:.0f} MB"


def run(command):
    """Run Python with some arguments. Returns: seconds of CPU time, peak memory in MB

    Raises: RuntimeError for an exit code that is not 0.
    """
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *command], env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    status, seconds, peak = json.loads(done.stdout)
    if status:
        raise RuntimeError(f"python {' '.join(command)}: exit code {status}: {done.stderr}")
    return seconds, peak / (2**20 if sys.platform == "darwin" else 2**10)
