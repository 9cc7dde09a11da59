"""Readers for the layouts in which captioned images are published.

A reader takes an Archive and a split and returns a `Content`: a list of `Record`, one per image
of the split, whether or not the image's file is there, and what else came with them.
"""

import itertools

from helpers.files import DataError
from helpers.formats import annotations, courses, tables
from helpers.formats.archive import Archive
from helpers.formats.records import SPLITS, Content, Format, Record

FORMATS = tables.FORMATS | annotations.FORMATS | courses.FORMATS


def choose_format(archive: Archive, name: str | None = None) -> str:
    """Find out which layout an archive has, by the names of its annotation files.

    Where there are annotation files of several, the one decides whose pictures are there too:
    Karpathy's zip, for one, holds the captions of three data sets.

    Inputs: name: a key of FORMATS, to say it outright; None to look. Returns: a key of FORMATS
    Raises: DataError when nothing is recognised, or more than one layout is
    """
    names = FORMATS if name is None else [name]
    found = [each for each in names if FORMATS[each].splits(archive)]
    if len(found) > 1:
        found = [e for e in found if e != "texts"]  # a README beside pictures is not that
        found = [e for e in found if archive.folders.intersection(FORMATS[e].folders)] or found
    if len(found) == 1:
        return found[0]
    if found:
        remedy = "name one as the format, or give a folder that holds one alone"
        raise DataError(f"{archive.path}: holds several data sets ({', '.join(found)}); {remedy}")
    looked = []
    for each in names:
        files = dict.fromkeys(itertools.chain(*FORMATS[each].needs.values()))
        looked.append(f"{each} ({', '.join(files)})")
    problem = f"no captioned data set found; looked for {'; '.join(looked)}"
    raise DataError(f"{archive.path}: {problem}")
