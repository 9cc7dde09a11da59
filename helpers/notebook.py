"""What the notebooks need besides the subject: sources of functions, a button for photographs."""

import inspect
import io
import textwrap

import ipywidgets as widgets
from IPython.display import HTML, display
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
_PRE = "font: 12px/1.4 var(--jp-code-font-family, monospace); white-space: pre; overflow-x: auto"


def show_source(*functions):
    """Show the source of functions as it stands in `helpers`, highlighted.

    Inputs: functions or classes
    Returns: IPython HTML, for the end of a cell
    """
    sources = "\n\n".join(textwrap.dedent(inspect.getsource(f)) for f in functions)
    code = highlight(sources, PythonLexer(), HtmlFormatter(nowrap=True))
    return HTML(f'<style>{_STYLE}</style><pre class="source" style="{_PRE}">{code}</pre>')


def upload_button(describe):
    """Make a button that uploads photographs and shows what a function makes of each.

    Works in JupyterLab and in Colab. A file that is no picture is answered with the reason.

    Inputs: describe: function of a PIL image, RGB, that returns something to display
    Returns: ipywidgets box, for the end of a cell
    """
    button = widgets.FileUpload(accept="image/*", multiple=True, description="Photograph")
    shown = widgets.Output()

    def answer(change):
        with shown:
            shown.clear_output()
            for file in change["new"]:
                try:
                    display(describe(open_image(io.BytesIO(file["content"]), file["name"])))
                except ImageError as error:
                    print(error)

    button.observe(answer, "value")
    return widgets.VBox([button, shown])
