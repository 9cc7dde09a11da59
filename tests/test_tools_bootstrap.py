"""The cell with which a notebook that was opened alone fetches the course, and what it installs."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tools import bootstrap
from tools.badges import TAG
from tools.badges import bootstrap as cell

ROOT = Path(__file__).parents[1]
PRINT = "\nimport helpers\nprint(helpers.__file__)"


def run(code, folder, **environment):
    """Run code in a process that finds nothing of ours but what the code itself finds."""
    known = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=known | environment,
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Give the file:// address of a repository with the course's helpers, tagged."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path_factory.mktemp("origin")
    for part in ("helpers", "tools"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__py*"))
    shutil.copy(ROOT / "requirements.txt", folder)
    name = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    later = ["commit", "--quiet", "--allow-empty", "-m", "Later"]
    first = ["commit", "--quiet", "-m", "First"]
    for command in (["init", "--quiet"], ["add", "."], [*name, *first], ["tag", TAG], name + later):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return f"file://{folder}"


@pytest.mark.parametrize("address", [None, "https://example.invalid/x"])
@pytest.mark.parametrize("folder", ["notebooks", "."])
def test_within_the_course_the_cell_only_finds_it(address, folder):
    done = run(cell(address) + PRINT, ROOT / folder)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.strip() == str(ROOT / "helpers" / "__init__.py")


def test_alone_the_cell_fetches_its_version_of_the_course(repository, tmp_path):
    for _ in range(2):  # the second time as after a restart of the kernel
        done = run(cell(repository) + PRINT, tmp_path)
        assert (done.returncode, done.stderr) == (0, "")  # nor git's advice on detached heads
        assert done.stdout.strip() == str(tmp_path / "course" / "helpers" / "__init__.py")
    log = ["git", "-C", str(tmp_path / "course"), "log", "--format=%s"]
    assert subprocess.run(log, capture_output=True, text=True).stdout == "First\n"


def test_alone_and_without_an_address_the_cell_says_what_to_do(tmp_path):
    done = run(cell(None), tmp_path)
    assert done.returncode != 0
    expected = "ModuleNotFoundError: helpers: open the notebook in the folder of the whole course"
    assert done.stderr.splitlines()[-1] == expected


def test_a_version_that_is_not_there_is_named(repository, tmp_path):
    done = run(cell(repository, "v99.0"), tmp_path)
    assert done.returncode != 0 and "v99.0 not found" in done.stderr
    assert not (tmp_path / "course").exists()


# What is installed


def write_wheel(folder, name, version, requires=()):
    """Write a package with one empty module, as pip takes it."""
    info = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata = "\n".join(lines + [f"Requires-Dist: {each}" for each in requires])
    wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{name}.py": "", f"{info}/METADATA": metadata + "\n", f"{info}/WHEEL": wheel}
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for file, content in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(file, content)


def test_what_is_missing_is_installed_and_torch_stays(tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    write_wheel(wheels, "torch", "2.12")
    write_wheel(wheels, "torch", "2.14")
    write_wheel(wheels, "needstorch", "0.1", ["torch"])
    write_wheel(wheels, "demandstorch", "0.1", ["torch>=2.14"])
    venv.create(tmp_path / "fresh", with_pip=True)
    python = tmp_path / "fresh" / "bin" / "python"
    environment = {
        "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "HOME": str(tmp_path), "PATH": os.environ["PATH"],
    }  # fmt: skip

    def call(*command):
        return subprocess.run(
            [python, *command], env=environment, capture_output=True, text=True
        )  # fmt: skip

    def install(*requirements):
        folder = tmp_path / "course"
        (folder / "tools").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tools" / "bootstrap.py", folder / "tools")
        text = "# A comment.\n\n" + "\n".join(requirements) + "\n"
        (folder / "requirements.txt").write_text(text)
        return call(folder / "tools" / "bootstrap.py")

    assert call("-m", "pip", "install", "torch==2.12").returncode == 0
    done = install("torch>=2.11", "needstorch>=0.1", "jupyter>=1.1")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "installing needstorch>=0.1\n"
    versions = "from importlib.metadata import version as v; print(v('torch'), v('needstorch'))"
    assert call("-c", versions).stdout == "2.12 0.1\n"
    done = install("torch>=2.11", "needstorch>=0.1")  # nothing is missing now
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = install("torch>=2.12.1", "needstorch>=0.1")
    assert done.stdout == "torch 2.12 is older than 2.12.1, which the course is tried with\n"
    done = install("torch>=2.11", "demandstorch>=0.1")  # what would need another torch is refused
    assert done.returncode != 0 and call("-c", versions).stdout == "2.12 0.1\n"


def test_the_requirements_are_read():
    missing, present = bootstrap.sort_requirements()
    assert missing == []
    assert {"torch", "torchvision", "numpy", "timm", "safetensors"} <= present.keys()
    assert not present.keys() & {"jupyter", "ruff", "pytest"}
    listed = (ROOT / "requirements.txt").read_text()
    assert all(f"\n{name}>=" in listed for name in [*present, *bootstrap.NOT_NEEDED])
