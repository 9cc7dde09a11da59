"""Where an encoder sees a word."""

import numpy as np
import pytest
import torch

from helpers.encoder import WordFinder, load_word_finder
from helpers.files import DataError, write_json


def a_finder():
    torch.manual_seed(0)
    finder = WordFinder(["dog", "grass", "sky"], 3)
    with torch.no_grad():
        finder.words.weight.copy_(torch.eye(3))  # a channel for each word
        finder.mean.fill_(1.0)
        finder.std.fill_(2.0)
    return finder


def test_a_map_is_highest_where_the_word_scores_most():
    positions = torch.ones(4, 3)
    positions[2, 0] = 5.0  # a dog at the third position
    positions[:2, 2] = 3.0
    maps = a_finder().maps(positions, ["sky", "dog", "sofa"])
    assert maps.shape == (3, 4)
    np.testing.assert_allclose(maps.sum(1), 1, rtol=1e-6)
    assert maps[1].argmax() == 2
    np.testing.assert_allclose(maps[1, 2] / maps[1, 0], np.exp(2), rtol=1e-5)  # (5 - 1) / 2
    np.testing.assert_allclose(maps[0, :2] / maps[0, 2:], np.e, rtol=1e-5)
    np.testing.assert_allclose(maps[2], 0.25)  # a word that was not learned


def test_it_is_what_was_saved(tmp_path):
    assert load_word_finder(tmp_path) is None
    finder, positions = a_finder(), torch.rand(2, 4, 3)
    finder.save(tmp_path)
    loaded = load_word_finder(tmp_path)
    assert loaded.rows == {"dog": 0, "grass": 1, "sky": 2}
    torch.testing.assert_close(loaded(positions), finder(positions), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "words.safetensors").write_bytes(b"no"), "words.safetensors: refused"),
        (lambda f: (f / "words.json").unlink(), "words.json: cannot be read"),
        (lambda f: write_json(f / "words.json", {"words": [1, 2, 3]}), "holds no list of words"),
        (lambda f: write_json(f / "words.json", ["dog"]), "holds no list of words"),
        (lambda f: write_json(f / "words.json", {"words": ["dog"]}), "of another network"),
    ],
)
def test_names_what_is_broken(tmp_path, damage, message):
    a_finder().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        load_word_finder(tmp_path)
