"""Notebooks as web pages that fetch nothing: formulas are MathML, which browsers draw."""

import re
from pathlib import Path

from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets import default

_FUNCTION = re.compile("(?<!<msu[bp]>)(<mi>(?:ln|log|tanh)</mi>)(?=<m(?:i|n|sub|frac)>)")


def _mathml(formula, display="inline"):
    """Return a formula as MathML, with a thin space between a function's name and its argument."""
    return _FUNCTION.sub(r'\1<mspace width="0.17em"/>', convert(formula, display=display))


class _Renderer(IPythonRenderer):
    def inline_math(self, body):
        return _mathml(body)

    def block_math(self, body):
        return _mathml(body, "block")


class OfflineHTMLExporter(HTMLExporter):
    """Write a notebook as one page, with the template in tools/site_template/.

    `nbconvert --to tools.offline.OfflineHTMLExporter` finds it.
    """

    @default("template_name")
    def _template_name_default(self):
        return "site_template"

    @default("extra_template_basedirs")
    def _extra_template_basedirs_default(self):
        return [str(Path(__file__).parent)]

    @pass_context
    def markdown2html(self, _, source):
        """Return the HTML of a Markdown cell."""
        return MarkdownWithMath(renderer=_Renderer(escape=False)).render(source)
