"""What the notebooks need besides the subject: sources of functions, rendered."""

import inspect

from IPython.display import Markdown


def show_source(*functions):
    """Show the source of functions as it stands in `helpers`, highlighted.

    A fenced code block: JupyterLab, Colab and nbconvert colour it for their own theme.

    Inputs: functions or classes
    Returns: IPython Markdown, for the end of a cell
    """
    sources = "\n\n".join(inspect.getsource(function) for function in functions)
    return Markdown(f"```python\n{sources.rstrip()}\n```")
