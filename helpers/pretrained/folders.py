"""Captioners on disk: a folder with config.json, vocab.json and model.safetensors.

A fine-tuned encoder has its changed layers in encoder.safetensors, and the detector of the words
that it learned in words.json and words.safetensors.
"""

from pathlib import Path

from helpers.captioner import CaptioningRNN
from helpers.encoder import ImageEncoder, load_word_detector
from helpers.files import DataError, atomic_write, read_json, write_json
from helpers.files.tensors import Unfilled, fill, read_tensors, write_tensors
from helpers.pretrained.captioner import Captioner
from helpers.pretrained.published import load_published
from helpers.settings import PRETRAINED
from helpers.vocabulary import Vocabulary

DEFAULT = "photographs-attn"
TUNED = "encoder.safetensors"  # the encoder's tuned layers, where it has some
_TOGETHER = "config.json, vocab.json and the weights beside them are of different models"


def save_captioner(folder, model, encoder):
    """Write what `load_captioner` reads: a CaptioningRNN, and the settings of its ImageEncoder.

    The encoder's ImageNet weights are not written, only layers that were tuned.
    """
    folder = Path(folder)
    model.vocabulary.save(folder / "vocab.json")
    fields = ("backbone", "weights", "pool", "image_size", "stride")
    encoder_config = {name: getattr(encoder, name) for name in fields}
    if encoder.tuned:
        with atomic_write(folder / TUNED) as path:
            path.write_bytes(Path(encoder.tuned).read_bytes())
        encoder_config["tuned"] = TUNED
        if detector := load_word_detector(Path(encoder.tuned).parent):
            detector.save(folder)
    write_json(folder / "config.json", {"model": model.sizes, "encoder": encoder_config})
    write_tensors(folder / "model.safetensors", model.state_dict())


def find_captioner(name):
    """Find the folder of a captioner: a name in pretrained/, or the path of a folder.

    Raises: DataError if there is none
    """
    folder = PRETRAINED / name if (PRETRAINED / name).is_dir() else Path(name)
    if (folder / "best").is_dir() and not (folder / "config.json").exists():
        raise DataError(f"{folder}: is a training run; its captioner is {folder / 'best'}")
    if not folder.is_dir():
        shipped = ", ".join(sorted(path.name for path in PRETRAINED.iterdir() if path.is_dir()))
        raise DataError(f"{name}: no such folder, and not one of the shipped models: {shipped}")
    return folder


def load_captioner(name=DEFAULT, device="cpu"):
    """Load a captioner that this project ships, or one that `python -m helpers train` wrote.

    Inputs: name: of a folder in pretrained/, or the path of a folder, which may be a published one
    Raises: DataError naming the file that is missing, broken or does not fit the others
    """
    folder = find_captioner(name)
    if (folder / "vocab.pkl").exists():
        return load_published(folder, device)
    config, weights = folder / "config.json", folder / "model.safetensors"
    sizes = read_json(config)
    vocabulary = Vocabulary.load(folder / "vocab.json")
    try:
        with Unfilled():  # a wrong size must not take all the memory
            model = CaptioningRNN(vocabulary, **sizes["model"])
        if "tuned" in sizes["encoder"]:
            sizes["encoder"]["tuned"] = folder / TUNED
        encoder = ImageEncoder(**sizes["encoder"])
    except (KeyError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise DataError(f"{config}: not the configuration of a captioner ({error!r})") from error
    fill(model, read_tensors(weights), weights, _TOGETHER)
    detector = load_word_detector(folder)
    detector = detector.to(device) if detector else None
    return Captioner(encoder.to(device), model.to(device), detector)
