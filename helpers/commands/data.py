"""python -m helpers data: show what a data set holds."""

import itertools

from helpers.settings import MIN_COUNT

_LISTED = 10  # how many of the images that are left out are named, unless all are asked for


OPTIONS = {
    "path": (list, "a folder, a zip, a coco.pt, or 'scenes'"),
    "--format": (str, "name the format instead of looking"),
    "--min-count": (MIN_COUNT, "rarer words: <UNK>"),
    "--examples": (2, "images to show"),
    "--open": (False, "find pictures that are broken"),
    "--all": (False, "name every image that is left out"),
}


def run(options):
    """Show the splits of a data set, what is missing, its vocabulary, and a few examples.

    Of several data sets, the vocabulary is that of all together.
    """
    from helpers.coco import find_data, read_split
    from helpers.files import DataError
    from helpers.formats import FORMATS

    every, first = [], []
    for path in options.path:
        archive, kind = find_data(path, options.format)
        splits = [read_split(archive, kind, split) for split in FORMATS[kind].splits(archive)]
        print(f"{archive.path}: {kind}")
        _print_table(splits, None if options.all else _LISTED)
        every += splits
        first.append(splits[0])
    _print_vocabulary(first, options.min_count)
    for data in every if options.open else []:
        from helpers.features import open_picture  # imports torch

        opened = (open_picture(data, i) for i in range(len(data)))
        broken = [f"\n    {each}" for each in opened if isinstance(each, DataError)]
        counts = f"{len(data):,} pictures opened, {len(broken):,} broken"
        print(f"{data.split}: {counts}", *broken, sep="")
    for data in every:
        pairs = zip(data.files, data.captions, strict=True)
        for file, captions in itertools.islice(pairs, options.examples):
            print(f"{data.split}: {file}", *captions, sep="\n    ")


def _print_table(splits, limit):
    """Print how much each split holds, and the names of what is left out."""
    heads = ("images", "captions", "no file", "no caption", "blank captions")
    print(f"  {'split':8}", *heads, sep="  ")
    for data in splits:
        captions = sum(map(len, data.captions))
        counts = (len(data), captions, len(data.missing), len(data.uncaptioned), data.blank)
        columns = (f"{n:>{len(head)},}" for head, n in zip(heads, counts, strict=True))
        print(f"  {data.split:8}", *columns, sep="  ")
    for data in splits:
        for what, names in (("no file", data.missing), ("no caption", data.uncaptioned)):
            shown = names[:limit]
            more = f" and {len(names) - len(shown):,} more (--all)" * (len(shown) < len(names))
            if names:
                print(f"{data.split}, {what}: {', '.join(shown)}{more}")


def _print_vocabulary(parts, min_count):
    from helpers.vocabulary import Vocabulary

    for data in parts:
        if data.vocabulary is not None:
            print(f"vocabulary: {len(data.vocabulary):,} words came with the captions")
    if not any(map(len, parts)):
        print(f"vocabulary: none, since no image of {parts[0].split} can be used")
        return
    captions = itertools.chain(*(several for data in parts for several in data.captions))
    words = len(Vocabulary.build(captions, min_count))
    print(f"vocabulary: {words:,} words at a minimum count of {min_count}, 4 of them special")
