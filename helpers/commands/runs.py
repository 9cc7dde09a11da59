"""What commands that train, or encode a data set, have in common."""

import contextlib
import dataclasses
import itertools
import sys
from pathlib import Path

from helpers.files import DataError, check_writable, only_writer
from helpers.settings import TrainingSettings


@contextlib.contextmanager
def new_run(options, name):
    """Join the processes that torchrun started, and keep others out of the run's folder.

    Returns: a context manager that gives TrainingSettings, and the folder: runs/DATA-NAME if none
        is named; in it, `options.device` is this process's own
    Raises: ValueError for a setting out of range, or where another run is in the folder already;
        DataError where another process trains there
    """
    names = [field.name for field in dataclasses.fields(TrainingSettings)]
    settings = TrainingSettings(**{name: getattr(options, name) for name in names})
    folder = Path(options.out or f"runs/{Path(options.data[0]).name}-{name}")
    checkpoints = ("last.pt", "seed-*/last.pt", "fold-*/last.pt")
    if any(any(folder.glob(each)) for each in checkpoints) and not options.resume:
        raise ValueError(f"{folder} holds a run already: add --resume, or choose another --out")
    for path in (folder, options.cache):
        check_writable(path)
    from helpers.training import distributed

    with contextlib.ExitStack() as stack:
        options.device = stack.enter_context(distributed.together(options.device))
        if distributed.is_first():
            stack.enter_context(alone(folder))
        yield settings, folder


@contextlib.contextmanager
def alone(folder):
    """Keep other processes from training in the same folder. Raises: DataError where one does."""
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder / "lock"):
        try:
            yield
        finally:
            (folder / "lock").unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()  # where nothing came of it


def report(name, history, folder, decides, unit="nats per caption"):
    """Draw a run's curves into its folder, and name the best epoch.

    Inputs: name: of the run; history: of `training.train`; decides: the score; unit: of the loss
    """
    from helpers.plots import learning_curves, write_figure
    from helpers.training import distributed

    if distributed.is_first():
        write_figure(learning_curves({name: history}, decides, unit), folder / "curves.png")
    top = max(history, key=lambda record: record[decides])
    print(f"best epoch {top['epoch']}: {decides} {top[decides]:.4f} on val")


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


def captions_to_be_judged_by(options):
    """Collect the captions of the options' data sets that nobody may learn from, of each image."""
    from helpers.coco import load_captions

    captions = []
    for source, split in itertools.product(options.data, ("val", "test")):
        with contextlib.suppress(DataError):  # not every one has both
            captions += load_captions(source, split, options.format, aside=options.aside).captions
    return captions


def encode_split(options, encoder, data, views=1):
    """Open the features of a data set, encoded first where no earlier command did.

    Pictures that cannot be read are named and left out, or refused if the options are strict.

    Returns: CaptionedImages, I pictures, and array (I * views, ...)
    """
    from helpers.features import BrokenPictures, encode_features
    from helpers.layers import prepare_process
    from helpers.training.augmentation import Views

    prepare_process()
    pictures = data if views == 1 else Views(data, views, options.seed)
    try:
        return data, encode_features(pictures, encoder, options.cache)
    except BrokenPictures as broken:
        if options.strict:
            raise
        print(f"left out of {data.split}: {broken}", file=sys.stderr)
        rows = {row % len(data) for row in broken.rows}  # each view of a picture is broken
        return data.subset([i for i in range(len(data)) if i not in rows]), broken.features
