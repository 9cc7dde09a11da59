"""Options that several commands share, and what they mean."""

import argparse
import contextlib
import dataclasses
import itertools
import sys
from pathlib import Path

from helpers.files import check_writable, only_writer
from helpers.settings import DATA, LENGTH_PENALTY, MIN_COUNT, TrainingSettings


def new_command(commands, function, text):
    """Add a command, with the option --device. Returns: its parser."""
    command = commands.add_parser(
        function.__name__, help=text, description=function.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    command.set_defaults(command=function)
    command.add_argument("--device", default="cpu", help="cpu, or cuda for a GPU")
    return command


def add_model(command):
    """Add --model."""
    command.add_argument(
        "--model", default="photographs-attn", help="a name in pretrained/, or a trained folder"
    )


def add_beam(command):
    """Add --beam, --length-penalty and --no-repeat-ngram."""
    command.add_argument("--beam", type=int, default=5, help="width of the beam; 1 is greedy")
    command.add_argument(
        "--length-penalty", type=float, default=LENGTH_PENALTY, help="of the beam: captions are "
        "ranked by log-probability / length^PENALTY; larger values give longer captions",
    )  # fmt: skip
    command.add_argument(
        "--no-repeat-ngram", type=int, default=3, metavar="N", help="no N words in a row twice in "
        "a caption; 0 to allow it",
    )  # fmt: skip


def add_data(command):
    """Add what says which data set, and how much of it."""
    command.add_argument(
        "--data", nargs="+", default=["scenes"], metavar="SET",
        help="scenes, or a data set's folder or zip; several are taken together",
    )  # fmt: skip
    command.add_argument(
        "--aside", type=int, default=0, metavar="N", help="keep N pictures of train aside, to "
        "choose with, where a data set has no split for that",
    )  # fmt: skip
    command.add_argument("--format", help="name the format instead of looking")
    command.add_argument("--strict", action="store_true", help="refuse incomplete data")
    command.add_argument("--limit", type=int, metavar="N", help="use the first N images")
    command.add_argument("--cache", default=str(DATA / "cache"), help="where features are kept")


def add_run(command, folder):
    """Add what says where a training run is kept, on which encoder, and its settings."""
    command.add_argument("--out", metavar="DIR", help=f"where to, {folder} if not given")
    command.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    command.add_argument(
        "--backbone", default="efficientnet_lite0",
        help="image encoder: efficientnet_lite0, efficientnet_lite2, regnet_x_400mf or resnet152",
    )  # fmt: skip
    command.add_argument(
        "--split", default="train", help="to learn from; train+restval adds what papers on COCO "
        "add in Karpathy's splits",
    )  # fmt: skip
    command.add_argument("--weights", metavar="FILE", help="the encoder's, instead of its own")
    command.add_argument("--image-size", type=int, help="side of its pictures, if not its own")
    command.add_argument(
        "--views", type=int, default=1, help="of each picture for training: 2 or more are as it "
        "is, mirrored, and cut at random, both ways round",
    )  # fmt: skip
    command.add_argument("--min-count", type=int, default=MIN_COUNT, help="rarer words: <UNK>")
    command.add_argument(
        "--per-image", type=int, metavar="K", help="learn K captions of each picture: of more the "
        "first, fewer several times; all of them once if not given",
    )  # fmt: skip
    for field in dataclasses.fields(TrainingSettings):
        option, text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        command.add_argument(option, type=type(field.default), default=field.default, help=text)


def new_run(options, name):
    """Return the options' TrainingSettings, and the folder: runs/DATA-NAME if none is given.

    Raises: ValueError for a setting out of range, or where another run is in the folder already
    """
    names = [field.name for field in dataclasses.fields(TrainingSettings)]
    settings = TrainingSettings(**{name: getattr(options, name) for name in names})
    folder = Path(options.out or f"runs/{Path(options.data[0]).name}-{name}")
    if (folder / "last.pt").exists() and not options.resume:
        raise ValueError(f"{folder} holds a run already: add --resume, or choose another --out")
    for path in (folder, options.cache):
        check_writable(path)
    return settings, folder


@contextlib.contextmanager
def alone(folder, resume):
    """Keep other processes from training in the same folder meanwhile.

    Raises: DataError where one does; ValueError where one did, and `resume` is not set
    """
    from helpers.training import distributed

    if not distributed.is_first():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder / "lock"):
        if (folder / "last.pt").exists() and not resume:
            raise ValueError(f"{folder} holds a run by now: choose another --out")
        try:
            yield
        finally:
            (folder / "lock").unlink(missing_ok=True)


def build_vocabulary(options, captions):
    """Collect the words of a data set's captions, see `Vocabulary.build`.

    Raises: ValueError where there are too few to learn from
    """
    from helpers.vocabulary import SPECIAL_WORDS, Vocabulary

    vocabulary = Vocabulary.build(itertools.chain(*captions), options.min_count)
    words = len(vocabulary) - len(SPECIAL_WORDS)
    if words < 3:
        raise ValueError(
            f"--min-count {options.min_count}: only {words} words of the captions are seen that "
            "often; choose a smaller number, and mind that spaces are between words"
        )
    return vocabulary


def open_split(options, split):
    """Open a split of the options' data set, and say what it holds."""
    from helpers.coco import load_captions

    data = load_captions(options.data, split, options.format, options.strict, options.aside)
    data = data.subset(options.limit) if options.limit else data
    print(data)
    return data


def encode_split(options, encoder, data, views=1):
    """Open the features of a data set, encoded first where no earlier command did.

    Pictures that cannot be read are named and left out, or refused if the options are strict.

    Returns: CaptionedImages, I pictures, and array (I * views, ...)
    """
    from helpers.features import BrokenPictures, encode_features
    from helpers.training.augmentation import Views

    pictures = data if views == 1 else Views(data, views, options.seed)
    try:
        return data, encode_features(pictures, encoder, options.cache)
    except BrokenPictures as broken:
        if options.strict:
            raise
        print(f"left out of {data.split}: {broken}", file=sys.stderr)
        rows = {row % len(data) for row in broken.rows}
    return encode_split(
        options, encoder, data.subset([i for i in range(len(data)) if i not in rows]), views
    )
