"""The vocabulary of the published captioner: a pickle, read so that nothing in it can run."""

import io
import pickle
from pathlib import Path

from helpers.files import DataError
from helpers.vocabulary import SPECIAL_WORDS, Vocabulary

LARGEST = 100_000_000  # bytes; the published file has 360,187
_SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")  # ids 0 to 3, as our own special words
_CLASSES = ("Vocabulary", "Vocab")  # in whichever module they stood when they were pickled


class _Reader(pickle._Unpickler):
    """Unpickle an instance of the class `Vocabulary`, and refuse whatever names anything else.

    The class that is built is an empty one made for the occasion. This is the Python version of
    the unpickler: the one in C lets 20 bytes (a large index into its memo) take all the memory.
    """

    def __init__(self, content):
        super().__init__(io.BytesIO(content))
        self.record = type("Vocabulary", (), {})

    def find_class(self, module, name):
        """Look up a global: the only way from a pickle to code."""
        if name in _CLASSES:
            return self.record
        # Python 2 writes an instance as copy_reg._reconstructor(Vocabulary, object, None)
        if name == "_reconstructor" and module in ("copy_reg", "copyreg"):
            return lambda cls, *_: cls()
        if name == "object" and module in ("__builtin__", "builtins"):
            return object
        raise pickle.UnpicklingError(f"{module}.{name} is asked for")


def read_legacy_vocabulary(path):
    """Read vocab.pkl, a pickle of `Vocabulary` with word2idx, idx2word and idx, of Python 2 or 3.

    Its ids 0 to 3 are <pad>, <start>, <end>, <unk>: the same as ours under other names.

    Raises: DataError naming a file that is missing or is anything else, whatever it asks for
    """
    remedy = "get the published vocab.pkl"
    try:
        content = Path(path).read_bytes() if Path(path).stat().st_size <= LARGEST else b""
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    try:
        reader = _Reader(content)
        record = reader.load()
        words = _ordered_words(vars(record) if isinstance(record, reader.record) else record)
        vocabulary = words and Vocabulary(words[len(SPECIAL_WORDS) :])
    except Exception as error:  # a broken pickle raises nearly any kind of error
        raise DataError(
            f"{path}: refused, not a pickled Vocabulary and nothing else ({error}); {remedy}"
        ) from error
    if not words or tuple(words[:4]) != _SPECIAL:
        raise DataError(
            f"{path}: not a vocabulary whose words and ids 0 to idx - 1 belong to each other, "
            f"{', '.join(_SPECIAL)} first; {remedy}"
        )
    return vocabulary


def _ordered_words(fields):
    """Return the words by id, or None where the two directions are not each other's inverse."""
    try:
        word_to_idx = fields.get("word2idx", fields)  # or a dict from words to ids alone
        inverse = {index: word for word, index in word_to_idx.items()}
        words = [inverse[index] for index in range(len(word_to_idx))]
    except (AttributeError, KeyError, TypeError):  # no dicts, or ids that no list has
        return None
    agree = fields.get("idx2word", inverse) == inverse and fields.get("idx", len(words)) == len(
        words
    )
    whole = all(type(i) is int for i in inverse) and all(isinstance(word, str) for word in words)
    return words if agree and whole else None
