"""The pages and settings at the project's top agree with the code and with each other."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import helpers
from tools.bootstrap import numbers

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "data/README.md",
    "docs/instructors.md",
    "tools/benchmarks/README.md",
]
every_page = pytest.mark.parametrize("page", PAGES)


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_stands_in_one_place():
    tomllib = pytest.importorskip("tomllib")  # of Python 3.11 on
    content = tomllib.loads(read("pyproject.toml"))
    assert "version" not in content["project"] and "version" in content["project"]["dynamic"]
    assert content["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "helpers.__version__"}
    assert re.findall(r"^## ([\d.]+)", read("CHANGELOG.md"), re.MULTILINE)[0] == helpers.__version__


def test_every_dependency_is_pinned():
    def names(file):
        lines = re.findall(r"^[\w.-]+", read(file), re.MULTILINE)
        return {re.sub(r"[_.]", "-", line).lower() for line in lines}

    assert names("requirements.txt") <= names("constraints.txt")


def test_the_ranges_hold_colabs_versions():
    colab = dict(re.findall(r"^([\w-]+)==([\d.]+)", read("constraints-colab.txt"), re.MULTILINE))
    lowest = dict(re.findall(r"^([\w-]+)>=([\d.]+)", read("requirements.txt"), re.MULTILINE))
    assert {"torch", "numpy", "ipywidgets"} <= colab.keys()
    for name in colab.keys() & lowest.keys():
        assert numbers(colab[name]) >= numbers(lowest[name]), name


@every_page
def test_links_and_paths_exist(page):
    text = read(page)
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    paths = re.findall(r"`((?:helpers|tests|notebooks|tools|data/scenes|docs)/[\w/.]+)`", text)
    for link in links:
        assert (ROOT / page).parent.joinpath(link).exists(), link
    for path in paths:
        assert (ROOT / path).exists(), path


@every_page
def test_every_make_target_exists(page):
    targets = re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE)
    named = re.findall(r"(?:`|^)make ([a-z]+)", read(page), re.MULTILINE)
    assert set(named) <= set(targets)


@pytest.mark.parametrize("entry", re.findall(r"entry: (.*)", read(".pre-commit-config.yaml")))
def test_hooks_of_pre_commit_pass(entry):
    # here it may be another environment than the one of `make`
    command = shlex.split(entry.replace(".venv/bin/python", sys.executable))
    files = ["helpers/__init__.py"] if "ruff" in command else []
    result = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_types_are_checked_where_nothing_is_annotated():
    code = "from helpers.files import write_json\ndef f(x):\n    write_json(x)\n"
    command = [sys.executable, "-m", "mypy", "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert 'error: Missing positional argument "content"' in result.stdout
    assert result.stdout.endswith("Found 1 error in 1 file (checked 1 source file)\n")


@pytest.mark.parametrize("path", sorted(ROOT.glob("helpers/**/*.py")), ids=lambda path: path.stem)
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
