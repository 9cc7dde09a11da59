"""Options that several commands share.

A table maps the name of an option to its default, or the type of a value that has none, and what
--help says of it. A list takes several values; the first of a tuple of choices is the default.
"""

import dataclasses

from helpers.settings import DATA, LENGTH_PENALTY, MIN_COUNT, TrainingSettings

DEVICE = {"--device": ("cpu", "cpu, or cuda for a GPU")}
MODEL = DEVICE | {"--model": ("photographs-attn", "a name in pretrained/, or a trained folder")}
BEAM = {
    "--beam": (5, "width of the beam; 1 is greedy"),
    "--length-penalty": (LENGTH_PENALTY, "of the beam: captions are ranked by log-probability / "
        "length^penalty; larger values give longer captions"),
    "--no-repeat-ngram": (3, "no N words in a row twice in a caption; 0 to allow it"),
}  # fmt: skip
SET = {
    "--data": (["scenes"], "scenes, or a data set's folder or zip; several are taken together"),
    "--aside": (0, "keep N pictures of train aside, to choose with, where a data set has no split "
        "for that"),
    "--format": (str, "name the format instead of looking"),
    "--strict": (False, "refuse incomplete data"),
    "--limit": (int, "use the first N images"),
    "--cache": (str(DATA / "cache"), "where features are kept"),
}  # fmt: skip
RUN = DEVICE | SET | {
    "--out": (str, "where to, a folder in runs/ if not given"),
    "--resume": (False, "go on from the last checkpoint"),
    "--backbone": ("efficientnet_lite0", "image encoder: efficientnet_lite0, efficientnet_lite2, "
        "regnet_x_400mf or resnet152"),
    "--split": ("train", "to learn from; train+restval adds what papers on COCO add in Karpathy's "
        "splits"),
    "--weights": (str, "a file of the encoder's, instead of its own"),
    "--image-size": (int, "side of its pictures, if not its own"),
    "--views": (1, "of each picture for training: 2 or more are as it is, mirrored, and cut at "
        "random, both ways round"),
    "--min-count": (MIN_COUNT, "rarer words: <UNK>"),
    "--per-image": (int, "learn N captions of each picture: of more the first, fewer several "
        "times; all of them once if not given"),
}  # fmt: skip
RUN |= {
    f"--{field.name.replace('_', '-')}": (field.default, field.metadata["help"])
    for field in dataclasses.fields(TrainingSettings)
}


def add_options(command, table):
    """Add a table of options to a command's parser."""
    for name, (default, text) in table.items():
        kind = default if isinstance(default, type) else type(default)
        first = None if default is kind else default
        how = {"type": kind, "default": first, "metavar": {int: "N", float: "X"}.get(kind)}
        if kind is bool:
            how = {"action": "store_true"}
        elif kind is list:
            how = {"nargs": "+", "default": first}
        elif kind is tuple:
            how = {"choices": default, "default": default[0]}
        command.add_argument(name, help=text, **how)
