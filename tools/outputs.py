"""`make outputs`: tidy what execution stored in notebooks.

Text that was printed in pieces becomes one, sliders keep no output (it holds only for the kernel
that drew it), and no metadata stay but the kernel's name and the language's.
"""

import sys

import nbformat
from nbconvert.preprocessors import ClearMetadataPreprocessor, CoalesceStreamsPreprocessor

KEPT = {"kernelspec", "language_info"}


def tidy(notebook):
    """Tidy a notebook (NotebookNode) in place, and return it."""
    CoalesceStreamsPreprocessor().preprocess(notebook, {})
    clear = ClearMetadataPreprocessor(clear_cell_metadata=False, preserve_nb_metadata_mask=KEPT)
    clear.preprocess(notebook, {})
    for cell in notebook.cells:
        if "slider" in cell.metadata.get("tags", []):
            cell.outputs = []
    return notebook


def main(paths):
    """Tidy notebook files in place."""
    for path in paths:
        nbformat.write(tidy(nbformat.read(path, 4)), path)


if __name__ == "__main__":
    main(sys.argv[1:])
