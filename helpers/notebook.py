"""What the notebooks need besides the subject: solutions, sliders, a button for photographs."""

import ast
import html
import inspect
import io
import re
import textwrap

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
    source = textwrap.dedent(inspect.getsource(function))
    lines: list[str | None] = [*source.splitlines()]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                span = slice(decorator.lineno - 1, decorator.end_lineno)
                lines[span] = [None] * len(lines[span])
            if ast.get_docstring(node) is not None:
                span = slice(node.body[0].lineno - 1, node.body[0].end_lineno)
                lines[span] = [None] * len(lines[span])
    return "\n".join(line for line in lines if line is not None)


def slider(draw, **ranges):
    """Show a figure below sliders, one for each argument of the function that draws it.

    Inputs:
        draw: function that shows figures with `plots.show`, called with one number for each name
            in ranges
        ranges: name of an argument -> (lowest, highest, step, first value)
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
    """Make a button that uploads photographs and shows what a function makes of each.

    Works in JupyterLab and in Colab. A file that is no picture is answered with the reason.

    Inputs: describe: function of a PIL image, RGB, that shows or returns what it makes of it
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
    if isinstance(value, dict):
        return [(name, file["content"]) for name, file in value.items()]
    return [(file["name"], file["content"]) for file in value]
