"""The published vocabulary's pickle: read by its letter, and nothing in it runs."""

import hashlib
import pickle

import pytest
from old_files import Payload, pickled_vocabulary

from helpers.files import DataError
from helpers.pretrained.legacy_vocabulary import read_legacy_vocabulary

WORDS = ["<pad>", "<start>", "<end>", "<unk>", "a", "cat", "n't", ".", "café"]


def hostile_pickles(marker):
    """Return pickles that make `marker` when they are loaded with pickle.load."""
    inside = pickled_vocabulary(WORDS, protocol=2, word2idx={"<pad>": Payload(marker)})
    path = str(marker).encode()
    return {
        "reduce, protocol 0": pickle.dumps(Payload(marker), 0),
        "reduce, protocol 4": pickle.dumps(Payload(marker), 4),
        "inside a vocabulary": inside,
        "INST": b"(S'" + path + b"'\niposix\nmkdir\n.",
        "OBJ": b"(cposix\nmkdir\nS'" + path + b"'\no.",
        "before a vocabulary": b"cposix\nmkdir\n(S'" + path + b"'\ntR0" + pickled_vocabulary(WORDS),
        "eval": b'c__builtin__\neval\n(S\'__import__("os").mkdir("' + path + b"\")'\ntR.",
    }


@pytest.mark.parametrize("kind", hostile_pickles("x"))
def test_runs_nothing(tmp_path, monkeypatch, kind):
    marker, file = tmp_path / "ran", tmp_path / "vocab.pkl"
    content = hostile_pickles(marker)[kind]
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"vocab\.pkl: refused.*asked for"):
        read_legacy_vocabulary(file)
    assert not marker.exists()
    # the pickles are live: loaded the usual way, each one acts
    monkeypatch.setattr("__main__.Vocabulary", type("Vocabulary", (), {}), raising=False)
    pickle.loads(content)
    assert marker.exists()


@pytest.mark.parametrize("module", ["__main__", "build_vocab", "vocabulary"])
@pytest.mark.parametrize(
    ("protocol", "python2"), [(0, True), (0, False), (2, False), (3, False), (4, False)]
)
def test_reads_each_form(tmp_path, module, protocol, python2):
    words = WORDS[:-1] if python2 else WORDS
    file = tmp_path / "vocab.pkl"
    file.write_bytes(pickled_vocabulary(words, module, protocol, python2))
    assert read_legacy_vocabulary(file).idx_to_word[4:] == words[4:]


@pytest.mark.parametrize("module", ["vocab", "utils.vocab", "data_loader"])
@pytest.mark.parametrize("name", ["Vocabulary", "Vocab"])
def test_reads_the_class_of_any_module(tmp_path, module, name):
    content = pickled_vocabulary(WORDS, "module_of_then", 0).replace(b"Vocabulary", name.encode())
    file = tmp_path / "vocab.pkl"
    file.write_bytes(content.replace(b"module_of_then", module.encode()))
    assert read_legacy_vocabulary(file).idx_to_word[4:] == WORDS[4:]


@pytest.mark.parametrize("both", [True, False])
def test_reads_a_plain_dict(tmp_path, both):
    numbers = {word: k for k, word in enumerate(WORDS)}
    content = {"word2idx": numbers, "idx2word": dict(enumerate(WORDS))} if both else numbers
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps(content))
    assert read_legacy_vocabulary(tmp_path / "vocab.pkl").idx_to_word[4:] == WORDS[4:]


def test_the_real_file(shared):
    file = shared / "legacy" / "vocab.pkl"
    vocabulary = read_legacy_vocabulary(file)
    assert len(vocabulary) == 9956
    assert vocabulary.idx_to_word[4:7] == ["woods", "hanging", "woody"]
    text = file.read_text()
    for word, index in list(vocabulary.word_to_idx.items())[4::997]:
        assert f"I{index}\nS'{word}'\n" in text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps(WORDS),
        pickled_vocabulary(WORDS)[:-20],
        pickled_vocabulary(WORDS).replace(b"Vocabulary", b"Dictionary"),
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memo of 2 ** 31 entries
        b"c__main__\nVocabulary\n.",  # the class itself
        b"ccopy_reg\n_reconstructor\n(c__builtin__\nobject\nc__builtin__\nobject\nNtR.",
        pickle.dumps(hashlib.sha256(b"").digest()),
    ],
)
def test_refuses_what_is_not_a_vocabulary(tmp_path, content):
    file = tmp_path / "vocab.pkl"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"vocab\.pkl: .*get the published vocab\.pkl"):
        read_legacy_vocabulary(file)


@pytest.mark.parametrize(
    "changes",
    [
        {"idx": 8},
        {"idx": "9"},
        {"idx2word": dict(enumerate(reversed(WORDS)))},
        {"word2idx": dict.fromkeys(WORDS, 0)},
        {"word2idx": WORDS},
        {"idx2word": dict(enumerate([*WORDS[:-1], 5]))},
        {"idx2word": dict(enumerate(["a", *WORDS[1:4], "<pad>", *WORDS[5:]]))},
    ],
)
def test_refuses_a_vocabulary_that_contradicts_itself(tmp_path, changes):
    file = tmp_path / "vocab.pkl"
    file.write_bytes(pickled_vocabulary(WORDS, **changes))
    with pytest.raises(DataError, match="belong to each other"):
        read_legacy_vocabulary(file)


def test_refuses_special_words_elsewhere(tmp_path):
    file = tmp_path / "vocab.pkl"
    file.write_bytes(pickled_vocabulary([*WORDS[4:], *WORDS[:4]]))
    with pytest.raises(DataError, match="<pad>, <start>, <end>, <unk> first"):
        read_legacy_vocabulary(file)


def test_names_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"vocab\.pkl: cannot be read"):
        read_legacy_vocabulary(tmp_path / "vocab.pkl")
