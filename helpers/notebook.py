"""What the notebooks need besides the subject: sources of functions, rendered."""

import inspect
import textwrap

from IPython.display import HTML
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

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
