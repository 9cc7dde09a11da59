"""What the notebooks show beside the subject."""

import io

import ipywidgets
import pytest
from bs4 import BeautifulSoup  # nbconvert's
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import HTML, display
from PIL import Image
from traitlets.config import Config

from helpers.notebook import _uploaded, show_source, slider, upload_button


def upload(button, **files):
    """Send what a browser sends when files were chosen: dict from name to content."""
    views = {name: memoryview(content) for name, content in files.items()}
    about = [{"name": name, "type": "", "size": len(view)} for name, view in views.items()]
    if ipywidgets.__version__ < "8":  # Colab's
        about = [each | {"lastModified": 0} for each in about]
        button.set_state({"metadata": about, "data": [*views.values()], "_counter": len(views)})
    else:
        about = [each | {"last_modified": 0, "content": views[each["name"]]} for each in about]
        button.set_state({"value": about})


@pytest.fixture
def button():
    described = []
    box = upload_button(lambda photo: described.append(photo) or "described")
    return box.children[0], described


def test_describes_each_uploaded_photograph(button):
    box, described = button
    png = io.BytesIO()
    Image.new("L", (5, 7), 200).save(png, "PNG")
    upload(box, **{"1.png": png.getvalue(), "2.png": png.getvalue()})
    assert [(photo.size, photo.mode) for photo in described] == [((5, 7), "RGB")] * 2


def test_names_an_upload_that_is_no_picture(button, capsys):
    box, described = button
    upload(box, **{"notes.txt": b"not a picture"})
    assert not described
    assert "notes.txt" in capsys.readouterr().out


def test_takes_what_ipywidgets_7_uploads():
    file = {"metadata": {"name": "a.png", "size": 3}, "content": b"abc"}
    assert _uploaded({"a.png": file}) == [("a.png", b"abc")]


def double(function):
    return function


@double
def solution(x):
    """Return twice `x`, where x < 3.

    Inputs: x: a number
    """
    doubled = 2 * x  # <b>
    return doubled


def test_shows_a_solution_folded_with_its_docstring_as_text():
    page = BeautifulSoup(show_source(solution, show_source).data, "html.parser")
    first, second = page.select("details:not([open])")
    assert first.summary.text == "Solution: solution" and second.summary.code.text == "show_source"
    assert first.div.text.startswith("Return twice x, where x < 3.\n\nInputs:")
    assert first.pre.text.rstrip() == (
        "def solution(x):\n    doubled = 2 * x  # <b>\n    return doubled"
    )


def test_shows_code_that_is_no_solution_open():
    page = BeautifulSoup(show_source(solution, folded=False).data, "html.parser")
    assert page.select_one("details[open]").summary.text == "solution"


@pytest.fixture
def shell():
    """IPython, without which nothing that is shown can be captured."""
    yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()


@pytest.mark.usefixtures("shell")
def test_a_slider_draws_its_first_values_and_tells_errors(monkeypatch):
    boxes = []
    monkeypatch.setattr("helpers.notebook.display", boxes.append)

    def draw(r, k):
        display(HTML(f"<b>{1 / r:g} {k:g}</b>"))

    slider(draw, r=(0, 1.5, 0.1, 0.5), k=(1, 5, 1, 2))
    (r, _, shown) = boxes[0].children
    assert (r.description, shown.value) == ("r", "<b>2 2</b>")
    r.value = 1
    assert shown.value == "<b>1 2</b>"
    r.value = 0
    assert shown.value == "ZeroDivisionError: float division by zero"
    r.value = 0.5
    assert shown.value == "<b>2 2</b>"
    with pytest.raises(ZeroDivisionError):
        slider(lambda r: 1 / r, r=(0, 1, 0.1, 0))
