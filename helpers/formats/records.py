"""What readers of all layouts share: what they give, and how they check a file's fields."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

from helpers.files import DataError
from helpers.formats.archive import Archive


class Record(NamedTuple):
    """One image as its annotations describe it."""

    id: int | str
    file: str  # as the annotations call it
    path: str | None  # how its picture is asked for; None where it is missing
    captions: list[str]  # in the order of the file


class Content(NamedTuple):
    """What a reader found of one split."""

    records: list[Record]  # one per image, whether or not its picture is there
    pictures: Any = None  # opens a record's picture by its path; None where the archive does
    vocabulary: Any = None  # the Vocabulary that came with the captions
    features: Any = None  # function that reads the features of image id 0..I-1, (I, C)


class Format(NamedTuple):
    """One layout: how to recognise it, and how to read a split of it."""

    needs: dict  # split -> names of the annotation files whose presence makes the split
    read: Callable  # (archive, split) -> Content
    folders: tuple = ()  # names that its folders of pictures have and others' have not
    instances: dict | None = None  # split -> file with the objects' boxes, which may be absent
    there: Callable | None = None  # of an archive, tells whether it is this; in place of `needs`

    def splits(self, archive: Archive) -> list[str]:
        """List the splits of this layout that the archive holds."""
        if self.there:
            return list(self.needs) if self.there(archive) else []
        return [split for split, files in self.needs.items() if all(f in archive for f in files)]


def refuse(where: Iterable, problem: str) -> NoReturn:
    """Refuse a file.

    Inputs: where: list of file, key, number ...; problem: with a remedy. Raises: DataError
    """
    raise DataError(f"{' '.join(map(str, where))}: {problem}")


def field(entry: Any, key: str, kinds: Any, where: Iterable) -> Any:
    """Give `entry[key]`, and check that it is there and of one of the kinds."""
    if not isinstance(entry, dict) or key not in entry:
        refuse(where, f"'{key}' is missing; fetch the file again")
    value = entry[key]
    if not isinstance(value, kinds) or isinstance(value, bool):
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        expected = " or ".join(kind.__name__ for kind in kinds)
        refuse(where, f"'{key}' is {value!r:.60}; expected {expected}")
    return value


def entries(content: Any, key: str, label: str) -> Iterator[tuple[Any, tuple]]:
    """Go through a list of a JSON file; give each entry, and where it stands for an error."""
    for k, entry in enumerate(field(content, key, list, (label,))):
        yield entry, (label, key, k)


def lines(archive: Archive, name: str) -> list[tuple[int, str]]:
    """Give the number and the text of each line that is not blank."""
    # not splitlines(), which also breaks at characters that may stand in a caption
    numbered = enumerate(archive.read_text(name).split("\n"), start=1)
    return [(number, line) for number, line in numbered if line.strip()]


def with_path(
    record: Record, archive: Archive, folders: Iterable[str], apart: Iterable[str] = ()
) -> Record:
    """Look for a record's picture, see `Archive.locate`."""
    return record._replace(path=archive.locate(record.file, folders, apart))
