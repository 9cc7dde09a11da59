"""Pages that need no network."""

import re

import nbformat
from bs4 import BeautifulSoup  # nbconvert's

from tools.offline import OfflineHTMLExporter


def page(*markdown):
    cells = [nbformat.v4.new_markdown_cell(source) for source in markdown]
    return OfflineHTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=cells))[0]


def test_formulas_are_mathml():
    html = page("Take $W_x < 3$ and\n\n$$1 - \\tanh^2 a$$\n\n| a |\n|---|\n| $\\tanh a$ |")
    inline, block, table = BeautifulSoup(html, "html.parser").select("math")
    assert inline.text == "Wx<3" and inline.msub and inline["display"] == "inline"
    assert block["display"] == "block" and len(block.msup.find_all()) == 2
    assert table.find_parent("td") and table.text == "tanha" and table.mspace


def test_a_widget_says_where_it_works():
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox()"}
    shown = nbformat.v4.new_output("display_data", data)
    cell = nbformat.v4.new_code_cell("slider()", outputs=[shown])
    html, _ = OfflineHTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    (output,) = BeautifulSoup(html, "html.parser").select(".jp-OutputArea-output")
    assert output.text.strip() == "Open the notebook in Jupyter to use this."


def test_nothing_is_fetched():
    html = page("# A title", "$x$")
    assert not re.search(r'(src|href)="(https?:)?//|url\((https?:)?//|@import', html)
