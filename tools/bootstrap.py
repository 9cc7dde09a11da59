"""What a notebook needs to run where it was opened alone, as in Colab.

Its first code cell fetches the rest of the course, and then runs this file, which installs what
is missing. Nothing but Python's own modules is imported here.
"""

import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements.txt"
# A notebook that is open has its Jupyter already, and it needs no tests.
NOT_NEEDED = ("jupyter", "pytest", "hypothesis", "nbval", "ruff", "mypy")


def sort_requirements(requirements=REQUIREMENTS):
    """Find out what is installed of a list of requirements.

    Inputs:
        requirements: path of a requirements file
    Returns a tuple of:
        missing: list of str, requirements of which no version is installed
        present: dict from name to installed version
    """
    missing, present = [], {}
    for line in Path(requirements).read_text(encoding="utf-8").splitlines():
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        if not name or name in NOT_NEEDED:
            continue
        try:
            present[name] = version(name)
        except PackageNotFoundError:
            missing.append(line)
    return missing, present


def numbers(version):
    """Return a version's numbers, to compare it with another: [2, 11, 0] for 2.11.0+cu128."""
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]


def install_missing(requirements=REQUIREMENTS):
    """Install with pip what is missing, and leave what is there at its version.

    So Colab keeps its torch and torchvision, which are built for its GPU. What is older than
    listed is named.

    Inputs:
        requirements: path of a requirements file
    Raises: subprocess.CalledProcessError when pip could not; it has said why
    """
    missing, present = sort_requirements(requirements)
    for name, lowest in re.findall(r"^([\w-]+)>=([\d.]+)", requirements.read_text(), re.MULTILINE):
        if name in present and numbers(present[name]) < numbers(lowest):
            print(f"{name} {present[name]} is older than {lowest}, which the course is tried with")
    if not missing:
        return
    print("installing", *missing, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "constraints.txt"
        pins.write_text("".join(f"{name}=={present[name]}\n" for name in present))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-c", str(pins), *missing], check=True)


if __name__ == "__main__":
    install_missing()
