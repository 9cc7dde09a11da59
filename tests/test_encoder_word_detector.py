"""Which words an encoder sees, and where."""

import numpy as np
import pytest
import torch

from helpers.encoder import WordDetector, load_word_detector
from helpers.files import DataError, write_json


def a_detector():
    torch.manual_seed(0)
    detector = WordDetector(["dog", "grass", "sky"], 3, torch.tensor([0.5, 0.25, 0.01]))
    with torch.no_grad():
        detector.words.weight.copy_(torch.eye(3))  # a channel for each word
        detector.mean.fill_(1.0)
        detector.std.fill_(2.0)
    return detector


def test_a_map_is_highest_where_the_word_scores_most():
    positions = torch.ones(4, 3)
    positions[2, 0] = 5.0  # a dog at the third position
    positions[:2, 2] = 3.0
    maps = a_detector().maps(positions, ["sky", "dog", "sofa"])
    assert maps.shape == (3, 4)
    np.testing.assert_allclose(maps.sum(1), 1, rtol=1e-6)
    assert maps[1].argmax() == 2
    np.testing.assert_allclose(maps[1, 2] / maps[1, 0], np.exp(2), rtol=1e-5)  # (5 - 1) / 2
    np.testing.assert_allclose(maps[0, :2] / maps[0, 2:], np.e, rtol=1e-5)
    np.testing.assert_allclose(maps[2], 0.25)  # a word that was not learned


def test_the_information_is_what_the_picture_adds_to_a_words_frequency():
    positions = torch.ones(1, 4, 3)
    detector = a_detector()
    with torch.no_grad():
        detector.words.bias.copy_(detector.frequency.logit())
    # channels at their mean: each word is as probable as it is anyway
    torch.testing.assert_close(detector.information(positions), torch.zeros(1, 3))
    positions[0, 2, 2] = 41.0  # a sky at one position: score 20 higher there, certain
    information = detector.information(positions)[0]
    torch.testing.assert_close(information[:2], torch.zeros(2))
    assert information[2].item() == pytest.approx(np.log(100), abs=1e-3)


def test_it_is_what_was_saved(tmp_path):
    assert load_word_detector(tmp_path) is None
    detector, positions = a_detector(), torch.rand(2, 4, 3)
    detector.save(tmp_path)
    loaded = load_word_detector(tmp_path)
    assert loaded.rows == {"dog": 0, "grass": 1, "sky": 2}
    torch.testing.assert_close(loaded(positions), detector(positions), rtol=1e-2, atol=1e-2)


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
    a_detector().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        load_word_detector(tmp_path)
