"""What the notebooks need besides the subject: solutions, sliders, a button for photographs."""

import ast
import html
import inspect
import io
import re
import textwrap
from typing import Any

import ipywidgets as widgets
from IPython.display import HTML, display
from IPython.utils.capture import capture_output
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from helpers.images import ImageError, open_image

# JupyterLab's own colours, which follow its theme; elsewhere some that suit light and dark.
_COLOURS = {
    "k kn kc ow": "keyword-color, #2e8b57",
    "nf nc": "def-color, #4a86e8",
    "s1 s2 sd sa si": "string-color, #c0504d",
    "mi mf": "number-color, #2e8b57",
    "c1": "comment-color, #7f8c8d",
    "o": "operator-color, #a05ad5",
}
_STYLE = "".join(
    f"{', '.join(f'.source .{name}' for name in names.split())} "
    f"{{color: var(--jp-mirror-editor-{colour})}}"
    for names, colour in _COLOURS.items()
)
_PRE = "font: 13px/1.4 var(--jp-code-font-family, monospace); white-space: pre; overflow-x: auto"


def show_source(*functions, folded=True):
    """Show functions of `helpers`: the docstring as text, then the code alone, highlighted.

    Inputs: functions: functions or classes; folded: as solutions, each behind its name
    Returns: IPython HTML, for the end of a cell
    """
    return HTML(f"<style>{_STYLE}</style>" + "".join(_source(f, folded) for f in functions))


def _source(function, folded):
    name = html.escape(function.__qualname__)
    summary = f"Solution: <code>{name}</code>" if folded else f"<code>{name}</code>"
    text = html.escape(inspect.getdoc(function) or "")
    text = re.sub("`([^`]+)`", r"<code>\1</code>", text)
    code = highlight(_code(function), PythonLexer(), HtmlFormatter(nowrap=True))
    return (
        f"<details{'' if folded else ' open'}><summary>{summary}</summary>"
        f'<div style="white-space: pre-wrap; margin: 8px 0">{text}</div>'
        f'<pre class="source" style="{_PRE}">{code}</pre></details>'
    )


def _code(function):
    """Return the source of a function or class without decorators and docstrings."""
    source, hidden = textwrap.dedent(inspect.getsource(function)), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            docstring = node.body[: ast.get_docstring(node) is not None]
            parts: list[Any] = [*node.decorator_list, *docstring]
            for part in parts:
                hidden.update(range(part.lineno, part.end_lineno + 1))
    lines = enumerate(source.splitlines(), start=1)
    return "\n".join(line for number, line in lines if number not in hidden)


def slider(draw, **ranges):
    """Show a figure below sliders, one for each argument of the function that draws it.

    Inputs: draw: function of one number for each name, shows figures with `plots.show`; ranges:
        name of an argument -> (lowest, highest, step, first value)
    Raises: what draw raises for the first values; what it raises later stands in the figure's place
    """
    shown = widgets.HTML()  # with an Output widget, nbclient can wait for ever
    sliders = {
        name: widgets.FloatSlider(
            value=first, min=low, max=high, step=step, description=name, continuous_update=False
        )
        for name, (low, high, step, first) in ranges.items()
    }

    def update():
        with capture_output() as captured:
            draw(**{name: each.value for name, each in sliders.items()})
        shown.value = "".join(output.data["text/html"] for output in captured.outputs)

    def moved(_):
        try:
            update()
        except Exception as error:
            shown.value = html.escape(f"{type(error).__name__}: {error}")

    update()
    for each in sliders.values():
        each.observe(moved, "value")
    display(widgets.VBox([*sliders.values(), shown]))


def upload_button(describe):
    """Make a button that uploads photographs, in JupyterLab or Colab.

    Inputs: describe: function of a PIL image, RGB, that shows or returns what it makes of it; for
        a file that is no picture the reason is shown
    """
    button = widgets.FileUpload(accept="image/*", multiple=True, description="Photograph")
    shown = widgets.Output()

    def answer(change):
        with shown:
            shown.clear_output()
            for name, content in _uploaded(change["new"]):
                try:
                    if (made := describe(open_image(io.BytesIO(content), name))) is not None:
                        display(made)
                except ImageError as error:
                    print(error)

    button.observe(answer, "value")
    return widgets.VBox([button, shown])


def _uploaded(value):
    """Return (name, content) of each file. ipywidgets 7, which Colab has, gives a dict by name."""
    files = value.items() if isinstance(value, dict) else ((file["name"], file) for file in value)
    return [(name, file["content"]) for name, file in files]
