"""What `make outputs` leaves in a notebook."""

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools import outputs


def test_pieces_are_joined_and_sliders_keep_their_number_alone(tmp_path):
    pieces = [new_output("stream", text="one "), new_output("stream", text="two")]
    slider = new_code_cell(
        "slider()", execution_count=2, outputs=pieces[:1], metadata={"tags": ["slider"]}
    )
    notebook = new_notebook(
        cells=[new_code_cell("print()", execution_count=1, outputs=pieces), slider],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}, "widgets": {}},
    )
    nbformat.write(notebook, tmp_path / "some.ipynb")
    outputs.main([tmp_path / "some.ipynb"])
    tidied = nbformat.read(tmp_path / "some.ipynb", 4)
    first, second = tidied.cells
    assert [output.text for output in first.outputs] == ["one two"]
    assert second.outputs == [] and second.execution_count == 2
    assert second.metadata.tags == ["slider"]
    assert set(tidied.metadata) == {"kernelspec"}
