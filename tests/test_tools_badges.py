"""`make badges`: the repository's address, from one place to where it is needed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers.files import DataError
from tools import badges

ROOT = Path(__file__).parents[1]
LINK = "https://colab.research.google.com/github/ada/course/blob/v0.1.0/notebooks/01_vanilla_rnn"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Give a copy of what `make badges` changes, without an address."""
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    text = (tmp_path / "pyproject.toml").read_text()
    text = re.sub(r'\[project\.urls\]\nRepository = ".*"\n\n', "", text)
    (tmp_path / "pyproject.toml").write_text(text)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    monkeypatch.setattr(badges, "ROOT", tmp_path)
    monkeypatch.setattr(badges.read_address, "__defaults__", (tmp_path,))
    monkeypatch.setattr(badges.write_address, "__defaults__", (tmp_path,))
    monkeypatch.setattr(badges.apply, "__defaults__", (tmp_path,))
    monkeypatch.setattr(badges, "TAG", "v0.1.0")
    badges.apply()
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def setup_cell(path):
    cells = nbformat.read(path, 4).cells
    return next(c.source for c in cells if c.cell_type == "code" and "sys.path" in c.source)


def test_without_an_address_there_is_no_badge(project):
    readme = (project / "README.md").read_text()
    assert "colab.research" not in readme
    for path in (project / "notebooks").glob("*.ipynb"):
        assert "colab.research" not in path.read_text()
        assert setup_cell(path).startswith(badges.bootstrap(None) + "\n")


def test_with_an_address_every_notebook_has_one_badge_and_can_fetch_the_course(project, capsys):
    assert badges.main(["ada/course"]) == 0
    assert badges.read_address() == "https://github.com/ada/course"
    assert "tag it so" in capsys.readouterr().out
    readme = (project / "README.md").read_text()
    paths = sorted((project / "notebooks").glob("*.ipynb"))
    for path in paths:
        link = f"({LINK.replace('01_vanilla_rnn', path.stem)}.ipynb)"
        first = nbformat.read(path, 4).cells[0].source
        assert first.startswith("# ") and first.count("[![Open in Colab]") == 1
        assert first.count(link) == 1 and readme.count(link) == 1
        assert badges.bootstrap("https://github.com/ada/course") in setup_cell(path)
        nbformat.validate(nbformat.read(path, 4))
    assert readme.count("[![Open in Colab]") == len(paths)


def test_a_second_time_nothing_changes_and_another_address_replaces_the_first(project):
    badges.main(["ada/course"])
    once = contents(project)
    badges.main([])
    assert contents(project) == once
    badges.main(["grace/other.name"])
    assert badges.read_address() == "https://github.com/grace/other.name"
    assert not any(b"ada/course" in content for content in contents(project).values())
    badges.main(["ada/course"])
    assert contents(project) == once


def test_nothing_but_the_first_markdown_and_the_set_up_cell_changes(project):
    before = {p.name: nbformat.read(p, 4).cells for p in (project / "notebooks").glob("*.ipynb")}
    badges.main(["ada/course"])
    for name, cells in before.items():
        after = nbformat.read(project / "notebooks" / name, 4).cells
        changed = [k for k, (a, b) in enumerate(zip(cells, after, strict=True)) if a != b]
        assert len(changed) == 2 and changed[0] == 0
        setup = after[changed[1]]
        assert setup.source.endswith(cells[changed[1]].source.split("\n\n", 2)[2])
        assert setup.outputs == cells[changed[1]].outputs


def test_the_address_is_toml(project):
    tomllib = pytest.importorskip("tomllib")  # of Python 3.11 on
    badges.main(["ada/course"])
    content = tomllib.loads((project / "pyproject.toml").read_text())
    assert content["project"]["urls"] == {"Repository": "https://github.com/ada/course"}
    assert content["project"]["name"] and content["tool"]["ruff"]


def test_a_set_up_cell_passes_the_linter(project):
    # so that the linter sees that `helpers` is the project's own
    (project / "helpers").symlink_to(ROOT / "helpers")
    (project / "data").symlink_to(ROOT / "data")
    for arguments in ([], ["ada/course"]):
        badges.main(arguments)
        for command in (["check"], ["format", "--check"]):
            subprocess.run(
                [sys.executable, "-m", "ruff", *command, project / "notebooks"],
                check=True,
                capture_output=True,
            )


@pytest.mark.parametrize("name", ["course", "https://github.com/ada/course", "a b/c", "a/b/c", "/"])
def test_a_name_that_is_no_repository_is_refused(project, name, capsys):
    before = contents(project)
    assert badges.main([name]) == 2
    assert "not of the form owner/name" in capsys.readouterr().err
    assert contents(project) == before


def test_a_notebook_without_a_place_for_it_is_named(project, capsys):
    path = project / "notebooks" / "06_new.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# New")])
    nbformat.write(notebook, path)
    assert badges.main([]) == 2
    assert "notebooks/06_new.ipynb: no code cell with sys.path.insert" in capsys.readouterr().err
    with pytest.raises(DataError):
        badges.prepare(notebook, None, "x")


def test_the_projects_notebooks_agree_with_its_address():
    """As soon as one of them has the cell of today, all must have it."""
    address = badges.read_address(ROOT)
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not any("find_spec" in setup_cell(path) for path in paths):
        pytest.skip("`make badges` has not been applied yet")
    for path in paths:
        notebook = nbformat.read(path, 4)
        before = nbformat.writes(notebook)
        badges.prepare(notebook, address, f"notebooks/{path.name}")
        assert nbformat.writes(notebook) == before, f"{path.name}: run make badges"
