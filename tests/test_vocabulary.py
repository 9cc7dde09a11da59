import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from helpers import vocabulary
from helpers.coco import load_captions
from helpers.files import DataError
from helpers.vocabulary import (
    END,
    NULL,
    START,
    UNK,
    Vocabulary,
    pad_captions,
    shift_captions,
    tokenize,
)

CAPTIONS = ["A dog runs .", "The dog's ball", "A dog and a cat", "a cat"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A child in a pink dress .", "a child in a pink dress"),
        ("The dog's ball isn't red!", "the dog 's ball is n't red"),
        ("A dog runs. It jumps.", "a dog runs it jumps"),
        ('a T-shirt, 3 (red) cans; "Coke"', "a t-shirt 3 red cans coke"),
        ("near Mr. Smith at 3:30 p.m.", "near mr smith at 3:30 p.m"),
        ("the girl\u2019s caf\u00e9 \u2014 \u201copen\u201d\u2026", "the girl 's caf\u00e9 open"),
        ("cafe\u0301", "caf\u00e9"),
        (
            "\u732b \u0438 \u0441\u043e\u0431\u0430\u043a\u0430",
            "\u732b \u0438 \u0441\u043e\u0431\u0430\u043a\u0430",
        ),
        (
            "\u4e00\u53ea\u9ed1\u72d7\uff0cT\u6064\u3002",
            "\u4e00 \u53ea \u9ed1 \u72d7 t \u6064",
        ),
        ("\u72ac\u304c\u8d70\u308b", "\u72ac \u304c \u8d70 \u308b"),
        ("\u0e19\u0e49\u0e33\u0e17\u0e35\u0e48", "\u0e19\u0e49\u0e4d \u0e32 \u0e17\u0e35\u0e48"),
        (" \t\n", ""),
        ("... -- !", ""),
    ],
)
def test_tokenize(text, words):
    assert tokenize(text) == words.split()


def test_letters_of_a_script_without_spaces_are_joined_again():
    caption = "\u4e00\u53ea\u9ed1\u72d7 t-shirt 2\u4e2a"
    vocabulary = Vocabulary.build([caption])
    text = vocabulary.decode(vocabulary.encode(caption))
    assert text == "\u4e00\u53ea\u9ed1\u72d7 t-shirt 2 \u4e2a"
    assert tokenize(text) == tokenize(caption)


def test_tokenize_refuses_what_is_not_text():
    with pytest.raises(TypeError, match="text: expected a str, got list"):
        tokenize(["a dog"])


def test_tokens_are_those_of_nltk_for_one_sentence():
    from nltk.tokenize import NLTKWordTokenizer

    text = "a man's dog can't jump over the well-known fence, but the cat cannot wait"
    expected = [word for word in NLTKWordTokenizer().tokenize(text) if word != ","]
    assert tokenize(text) == expected


def test_importing_the_module_does_not_import_nltk():
    code = "import sys, helpers.vocabulary; sys.exit('nltk' in sys.modules)"
    root = vocabulary.__file__.rsplit("helpers", 1)[0]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_the_special_words_have_the_first_four_ids():
    assert (NULL, START, END, UNK) == (0, 1, 2, 3)
    assert Vocabulary([]).idx_to_word == ["<NULL>", "<START>", "<END>", "<UNK>"]


def test_words_are_ordered_by_count_then_alphabetically():
    words = Vocabulary.build(CAPTIONS).idx_to_word[4:]
    assert words == ["a", "dog", "cat", "'s", "and", "ball", "runs", "the"]
    assert Vocabulary.build(reversed(CAPTIONS)).idx_to_word[4:] == words


@pytest.mark.parametrize(("min_count", "words"), [(2, ["a", "dog", "cat"]), (5, []), (4, ["a"])])
def test_rare_words_are_left_out_and_encode_to_unk(min_count, words):
    built = Vocabulary.build(CAPTIONS, min_count)
    assert built.idx_to_word[4:] == words
    assert built.encode("ball") == [START, UNK, END]


def test_encode_and_decode():
    built = Vocabulary(["a", "dog", "'s", "ball"])
    assert built.encode("A dog's ball?") == [START, 4, 5, 6, 7, END]
    assert built.decode([START, 4, 5, 6, 7, END]) == "a dog's ball"
    assert built.words([START, 4, 5, 6, 7, END]) == ["a", "dog", "'s", "ball"]
    assert built.encode("") == [START, END]
    assert built.decode([NULL, START, 4, NULL, UNK, END, 5, 5]) == "a <UNK>"
    assert built.decode([4, 5]) == "a dog"
    assert built.decode([]) == ""


def test_decode_takes_arrays_and_tensors():
    built = Vocabulary(["a", "dog"])
    assert built.decode(np.array([4, 5, END])) == built.decode(torch.tensor([4, 5, END])) == "a dog"


@pytest.mark.parametrize("bad", [-1, 6])
def test_ids_outside_the_vocabulary_are_refused(bad):
    with pytest.raises(ValueError, match=rf"ids: expected ids in \[0, 6\), got {bad}"):
        Vocabulary(["a", "dog"]).decode([START, bad])


def test_max_length_counts_start_and_end():
    built = Vocabulary(["a", "b", "c"])
    assert built.encode("a b c", max_length=5) == [START, 4, 5, 6, END]
    assert built.encode("a b c", max_length=4) == [START, 4, 5, END]
    assert built.encode("a b c", max_length=2) == [START, END]
    with pytest.raises(ValueError, match="max_length: expected at least 2"):
        built.encode("a", max_length=1)


@pytest.mark.parametrize(
    ("words", "error", "reason"),
    [
        (["a", "a"], ValueError, "'a' stands twice"),
        (["<END>"], ValueError, "'<END>' stands twice"),
        ([""], ValueError, "empty or holds a space"),
        (["a b"], ValueError, "empty or holds a space"),
        ([None], TypeError, "expected str, got None for id 4"),
    ],
)
def test_bad_words_are_refused(words, error, reason):
    with pytest.raises(error, match=reason):
        Vocabulary(words)


def test_bad_arguments_of_build_are_refused():
    with pytest.raises(ValueError, match="min_count: expected at least 1, got 0"):
        Vocabulary.build(CAPTIONS, min_count=0)
    with pytest.raises(TypeError, match="captions: expected several captions, got one str"):
        Vocabulary.build("a dog")
    with pytest.raises(TypeError, match="text: expected a str, got list"):
        Vocabulary.build([CAPTIONS])


def test_save_and_load(tmp_path):
    built = Vocabulary.build([*CAPTIONS, "caf\u00e9"])
    built.save(tmp_path / "vocab.json")
    assert Vocabulary.load(tmp_path / "vocab.json") == built
    content = json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8"))
    assert content == {"idx_to_word": built.idx_to_word}
    assert Vocabulary.load(tmp_path / "vocab.json") != Vocabulary(["a"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "'idx_to_word' is None, not a vocabulary; expected <NULL>"),
        ('{"words": []}', "not a vocabulary"),
        ('{"idx_to_word": "abc"}', "not a vocabulary"),
        ('{"idx_to_word": ["<pad>", "<start>"]}', "expected <NULL>, <START>, <END>, <UNK>"),
        ('{"idx_to_word": ["<NULL>", "<START>", "<END>", "<UNK>", "a", "a"]}', "stands twice"),
        ('{"idx_to_word": ["<NULL>", "<START>", "<END>", "<UNK>", 5]}', "expected str, got 5"),
        ('{"idx_to_word": [["<NULL>"], "<START>", "<END>", "<UNK>"]}', "expected <NULL>"),
    ],
)
def test_a_bad_vocabulary_file_is_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "vocab.json"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"vocab\.json: .*{reason}"):
        Vocabulary.load(path)


def test_pad_captions():
    padded = pad_captions([[1, 5, 2], [1, 2], [1, 7, 8, 2]])
    assert padded.dtype == np.int64
    assert padded.tolist() == [[1, 5, 2, 0], [1, 2, 0, 0], [1, 7, 8, 2]]
    assert pad_captions([]).shape == (0, 0)


@pytest.mark.parametrize("array", [np.array, torch.tensor])
def test_shift_captions(array):
    inputs, targets, mask = shift_captions(array([[1, 5, 6, 2], [1, 7, 2, 0]]))
    assert inputs.tolist() == [[1, 5, 6], [1, 7, 2]]
    assert targets.tolist() == [[5, 6, 2], [7, 2, 0]]
    assert mask.tolist() == [[True, True, True], [True, True, False]]
    assert type(mask) is type(inputs) and str(mask.dtype).endswith("bool")


def test_each_target_is_the_next_input_and_each_word_is_learned_once():
    generator = np.random.default_rng(0)
    captions = pad_captions([generator.integers(1, 50, n).tolist() for n in (1, 9, 4, 12)])
    inputs, targets, mask = shift_captions(captions)
    assert (inputs[:, 1:] == targets[:, :-1]).all()
    assert mask.sum() == (captions[:, 1:] != NULL).sum()
    assert inputs.shape == targets.shape == mask.shape == (4, 11)


@pytest.mark.parametrize("shape", [(3,), (2, 1), (2, 3, 4)])
def test_captions_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"captions: expected shape \(N, T\)"):
        shift_captions(np.ones(shape, dtype=np.int64))


def test_real_captions_come_back_word_for_word(shared):
    for source, split in (("flickr8k", "val"), ("coco_mini", "train")):
        captions = [
            text for texts in load_captions(shared / source, split).captions for text in texts
        ]
        built = Vocabulary.build(captions)
        for caption in captions:
            ids = built.encode(caption)
            assert UNK not in ids
            assert built.words(ids) == tokenize(caption) == tokenize(built.decode(ids))
