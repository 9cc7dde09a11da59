"""What readers of all layouts share: what they return, and how they check a file's fields."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

from helpers.files import DataError
from helpers.formats.archive import Archive

SPLITS = ("train", "val", "test")


class Record(NamedTuple):
    """One image as its annotations describe it."""

    id: int | str
    file: str  # as the annotations call it
    path: str | None  # how its picture is asked for; None where it is missing
    captions: list[str]  # in the order of the file
    pictures: Any  # opens its picture by `path`, and fingerprints it, as an Archive does


class Content(NamedTuple):
    """What a reader found of one split."""

    records: list[Record]  # one per image, whether or not its picture is there
    boxes: Callable | None = None  # () -> dict from image id to a list of (category, x, y, w, h)
    vocabulary: Any = None  # the Vocabulary that came with the captions
    features: Callable | None = None  # () -> features of image id 0..I-1, (I, C)


class Format(NamedTuple):
    """One layout: how to recognise it, and how to read a split of it."""

    needs: dict[str, list[str]]  # split -> the annotation files whose presence makes the split
    read: Callable[[Archive, str], Content]
    folders: tuple[str, ...] = ()  # names that its folders of pictures have and others' have not
    there: Callable[[Archive], bool] | None = None  # tells whether it is this, in place of `needs`

    def splits(self, archive: Archive) -> list[str]:
        """List the splits of this layout that the archive holds."""
        if self.there:
            return list(self.needs) if self.there(archive) else []
        return [split for split, files in self.needs.items() if archive.called.keys() >= {*files}]


def refuse(where: Iterable, problem: str) -> NoReturn:
    """Refuse a file: where (file, key, ...), and why, with a remedy. Raises: DataError."""
    raise DataError(f"{' '.join(map(str, where))}: {problem}")


def field(entry: Any, key: str, kinds: Any, where: Iterable) -> Any:
    """Return `entry[key]`. Raises: DataError unless it is there and of one of the kinds."""
    if not isinstance(entry, dict) or key not in entry:
        refuse(where, f"'{key}' is missing; fetch the file again")
    value = entry[key]
    if not isinstance(value, kinds) or isinstance(value, bool):
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        expected = " or ".join(kind.__name__ for kind in kinds)
        refuse(where, f"'{key}' is {value!r:.60}; expected {expected}")
    return value


def read_lists(archive: Archive, name: str, *keys: str) -> list[Iterator[tuple[Any, tuple]]]:
    """Read lists of a JSON file: for each key its entries, and where each stands for an error."""
    label, content = archive.label(name), archive.read_json(name)

    def entries(key: str) -> Iterator[tuple[Any, tuple]]:
        for k, entry in enumerate(field(content, key, list, (label,))):
            yield entry, (label, key, k)

    return [entries(key) for key in keys]


def lines(archive: Archive, name: str) -> list[tuple[int, str]]:
    """List the number and the text of each line that is not blank."""
    # not splitlines(), which also breaks at characters that may stand in a caption
    numbered = enumerate(archive.read_text(name).split("\n"), start=1)
    return [(number, line) for number, line in numbered if line.strip()]
