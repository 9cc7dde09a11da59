"""The README's pictures are what the notebooks drew."""

import pytest

from tools.readme_pictures import ROOT, SOURCES, figure


@pytest.mark.parametrize("name", SOURCES)
def test_each_is_a_figure_of_a_notebook(name):
    kind, content = figure(*SOURCES[name])
    assert (ROOT / "docs" / f"{name}.{kind}").read_bytes() == content
    assert f"(docs/{name}.{kind})" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_cell_without_a_figure_is_named():
    with pytest.raises(LookupError, match="03_lstm.ipynb: cell setup has no figure"):
        figure("03_lstm", "setup")


def test_docs_holds_no_other_picture():
    names = {f"{name}.{figure(*source)[0]}" for name, source in SOURCES.items()}
    pictures = {path.name for path in (ROOT / "docs").iterdir() if path.suffix != ".md"}
    assert pictures == names
