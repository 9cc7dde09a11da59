"""What the notebooks show beside the subject."""

import io
import re
from datetime import datetime, timezone

import pytest
from PIL import Image

from helpers.notebook import show_source, upload_button


def uploaded(name, content):
    moment = datetime(2020, 1, 1, tzinfo=timezone.utc)
    return {"name": name, "content": memoryview(content), "type": "", "size": len(content),
            "last_modified": moment}  # fmt: skip


@pytest.fixture
def button():
    described = []
    box = upload_button(lambda photo: described.append(photo) or "described")
    return box.children[0], described


def test_describes_each_uploaded_photograph(button):
    upload, described = button
    png = io.BytesIO()
    Image.new("L", (5, 7), 200).save(png, "PNG")
    upload.set_trait("value", tuple(uploaded(f"{k}.png", png.getvalue()) for k in range(2)))
    assert [(photo.size, photo.mode) for photo in described] == [((5, 7), "RGB")] * 2


def test_names_an_upload_that_is_no_picture(button, capsys):
    upload, described = button
    upload.set_trait("value", (uploaded("notes.txt", b"not a picture"),))
    assert not described
    assert "notes.txt" in capsys.readouterr().out


def test_shows_sources_as_html():
    html = show_source(show_source).data
    assert "def show_source(*functions):" in re.sub("<[^>]*>", "", html)
