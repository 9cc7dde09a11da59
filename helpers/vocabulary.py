"""Words to ids and back: tokens, the vocabulary, and captions as padded arrays of ids."""

import functools
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from helpers.files import DataError, read_json, write_json

NULL, START, END, UNK = range(4)
SPECIAL_WORDS = ("<NULL>", "<START>", "<END>", "<UNK>")

# Scripts that put no space between words (Thai to Lao, Burmese, Khmer, Japanese, Chinese) are read
# letter by letter, each with its vowel signs and accents.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_SIGNS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"
    "\u102b-\u103e\u1056-\u1059\u17b4-\u17d3\u3099\u309a\u30fc"
)
_LETTERS = re.compile(f"[{_UNSPACED}][{_SIGNS}]*")
_GAPS = re.compile(f"(?<=[{_UNSPACED}]) (?=[{_UNSPACED}])")
_STRAIGHT_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
# The endings that the tokeniser splits off and that a reader wants back on their word.
_ENDINGS = re.compile(r" (n't|'(?:s|m|d|re|ve|ll))(?= |$)")


@functools.lru_cache(maxsize=1 << 16)
def _tokenize_chunk(chunk: str) -> tuple[str, ...]:
    """Split one whitespace-free piece of lower-case text; drop tokens that are punctuation."""
    # Imported here since nltk takes most of a second, and captioning a photo never tokenises.
    from nltk.tokenize import NLTKWordTokenizer

    if chunk == "<unk>":  # captions that come as ids have it where nobody knows the word
        return ("<UNK>",)
    tokens = NLTKWordTokenizer().tokenize(chunk)
    return tuple(token for token in tokens if any(map(str.isalnum, token)))


def tokenize(text: str) -> list[str]:
    """Split a caption into lower-case words, as NLTK's word tokeniser (Penn Treebank) does.

    A token without a letter or digit is dropped; <UNK> stays as it is. Typographic quotes and
    composed letters are brought to one form first. Scripts without spaces, such as Chinese, come
    letter by letter. Pieces between spaces are tokenised one by one: this takes no sentence
    splitter (a data download) to see the full stop inside "A dog runs. It jumps.".

    Raises: TypeError for what is not a str
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")
    text = unicodedata.normalize("NFKC", text).lower().translate(_STRAIGHT_QUOTES)
    text = _LETTERS.sub(r" \g<0> ", text)
    return [token for chunk in text.split() for token in _tokenize_chunk(chunk)]


class Vocabulary:
    """Map V words to the ids 0..V-1 and back; ids 0..3 are <NULL>, <START>, <END>, <UNK>."""

    def __init__(self, words: Iterable[str]) -> None:
        """Take distinct words without spaces in the order of their ids, from id 4 on.

        Raises: TypeError or ValueError naming the word that cannot stand in a vocabulary
        """
        self.idx_to_word = [*SPECIAL_WORDS, *words]
        self.word_to_idx: dict[str, int] = {}
        for index, word in enumerate(self.idx_to_word):
            if not isinstance(word, str):
                raise TypeError(f"words: expected str, got {word!r} for id {index}")
            if word.split() != [word]:
                raise ValueError(f"words: {word!r} for id {index} is empty or holds a space")
            if self.word_to_idx.setdefault(word, index) != index:
                raise ValueError(f"words: {word!r} stands twice, for id {index} again")

    @classmethod
    def build(cls, captions: Iterable[str], min_count: int = 1) -> "Vocabulary":
        """Collect the words of captions, frequent ones first, equals alphabetically.

        Inputs: min_count: rarer words are left out, and encode to <UNK>
        Raises: TypeError for a str in place of captions; ValueError for a count below 1
        """
        if isinstance(captions, str):
            raise TypeError("captions: expected several captions, got one str")
        if min_count < 1:
            raise ValueError(f"min_count: expected at least 1, got {min_count}")
        counts = Counter(word for caption in captions for word in tokenize(caption))
        del counts["<UNK>"]
        frequent = [word for word, count in counts.items() if count >= min_count]
        return cls(sorted(frequent, key=lambda word: (-counts[word], word)))

    def __len__(self) -> int:
        return len(self.idx_to_word)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.idx_to_word == other.idx_to_word

    def __repr__(self) -> str:
        return f"Vocabulary of {len(self):,} words"

    def encode(self, text: str, max_length: int | None = None) -> list[int]:
        """Turn a caption into ids: START, one id per word, <UNK> for an unknown one, END.

        Inputs: max_length: the most ids to return; words that do not fit are left out, <END> stays
        Raises: ValueError for a length below 2
        """
        ids = [self.word_to_idx.get(word, UNK) for word in tokenize(text)]
        if max_length is not None:
            if max_length < 2:
                raise ValueError(f"max_length: expected at least 2 for the ends, got {max_length}")
            ids = ids[: max_length - 2]
        return [START, *ids, END]

    def words(self, ids: Iterable) -> list[str]:
        """Return the words of ids (T,) up to <END>, without <NULL> and <START>.

        Raises: ValueError for an id outside the vocabulary
        """
        words = []
        for index in map(int, ids):
            if not 0 <= index < len(self):
                raise ValueError(f"ids: expected ids in [0, {len(self)}), got {index}")
            if index == END:
                break
            if index not in (NULL, START):
                words.append(self.idx_to_word[index])
        return words

    def decode(self, ids: Iterable) -> str:
        """Turn ids (T,) into text: the words of `words(ids)`, with "'s", "n't" and such joined on.

        Letters of scripts without spaces are joined too. The text tokenises to the same words.
        """
        return _GAPS.sub("", _ENDINGS.sub(r"\1", " ".join(self.words(ids))))

    def save(self, path: str | os.PathLike) -> None:
        """Write the vocabulary as JSON, `{"idx_to_word": [...]}`, whole or not at all."""
        write_json(path, {"idx_to_word": self.idx_to_word})

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Vocabulary":
        """Read what `save` wrote. Raises: DataError naming the file that holds no vocabulary."""
        content = read_json(path)
        words = content.get("idx_to_word") if isinstance(content, dict) else None
        return cls.from_list(words, f"{path}: 'idx_to_word'")

    @classmethod
    def from_list(cls, words: Any, where: str) -> "Vocabulary":
        """Take the list of all words that a file has. Raises: DataError naming `where` it is."""
        special = SPECIAL_WORDS
        if not isinstance(words, list) or tuple(words[: len(special)]) != special:
            problem = f"is {words!r:.60}, not a vocabulary; expected {', '.join(special)} and words"
            raise DataError(f"{where} {problem}")
        try:
            return cls(words[len(special) :])
        except (TypeError, ValueError) as error:
            raise DataError(f"{where}: {error}; fetch or build it again") from error


def pad_captions(captions: Sequence[Sequence[int]]) -> np.ndarray:
    """Lay N lists of ids into one int64 array (N, T), the shorter ones filled up with <NULL>."""
    length = max(map(len, captions), default=0)
    padded = np.full((len(captions), length), NULL, dtype=np.int64)  # (N, T)
    for row, caption in zip(padded, captions, strict=True):
        row[: len(caption)] = caption
    return padded


def shift_captions(captions: Any) -> tuple[Any, Any, Any]:
    """Split captions into what the model reads and what it is to say next, one step later.

    Inputs: captions: integer array or tensor (N, T + 1): <START>, words, <END>, then <NULL>
    Returns: inputs (N, T), all but the last id; targets (N, T), all but the first, targets[:, t]
        follows inputs[:, t]; mask, bool (N, T), False where the target is <NULL>
    Raises: ValueError for captions of another shape
    """
    if captions.ndim != 2 or captions.shape[1] < 2:
        shape = tuple(captions.shape)
        raise ValueError(f"captions: expected shape (N, T) with T at least 2, got {shape}")
    inputs, targets = captions[:, :-1], captions[:, 1:]
    return inputs, targets, targets != NULL
