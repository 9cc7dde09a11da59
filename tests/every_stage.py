"""Every stage of a captioner, on the CPU and on a device that mixes with nothing of the CPU's.

test_devices.py runs this in a process of its own: `python tests/every_stage.py FOLDER`, where
FOLDER/set has captioned pictures. Prints what was said on each device, as JSON.
"""

import contextlib
import io
import json
import re
import sys
from pathlib import Path

import stand_in

stand_in.install()  # before anything is decorated with torch's functions

from small import CAPTIONS, small_examples, small_features, small_model  # noqa: E402

from helpers import decoding, training  # noqa: E402
from helpers.__main__ import main  # noqa: E402
from helpers.plots import words_considered  # noqa: E402
from helpers.settings import TrainingSettings  # noqa: E402
from helpers.vocabulary import END  # noqa: E402

CELLS = ("rnn", "lstm", "attn")


def commands(folder):
    """List commands that read a folder and write to it."""
    data = f"--data {folder.parent}/set --cache {folder}/cache"
    new = f"{data} --min-count 1 --batch-size 6 --image-size 64"
    photo = folder.parent / "set" / "val" / "0.png"
    for cell in CELLS:
        train = f"train {new} --cell {cell} --out {folder}/{cell} --wordvec-dim 8 --hidden-dim 8"
        yield f"{train} --epochs 1"
    yield f"{train} --epochs 1 --resume"
    yield f"finetune {new} --out {folder}/encoder --epochs 1 --folds 2"
    tuned = f"--tuned {folder}/encoder/encoder.safetensors --out {folder}/tuned"
    yield f"{train.replace(f'--out {folder}/attn', tuned)} --epochs 1"
    yield f"caption {photo} --model {folder}/tuned/best"  # with the word detector
    text = f"--text {folder.parent}/set/annotations/captions_train.json"
    yield f"{train.replace(f'--out {folder}/attn', tuned)} --epochs 1 {text} --out {folder}/text"
    yield f"train {data} --start {folder}/text/best --epochs 1 --out {folder}/pairs"
    yield f"caption {photo} --model {folder}/pairs/best"  # from text first
    reward = f"{folder}/reward"
    start = f"{data} --start {folder}/attn/best --epochs 1 --batch-size 4"
    yield f"train {start} --samples 2 --out {reward}"
    voted = f"{start.replace('attn', 'pairs')} --voted {folder}/encoder/held_out.safetensors"
    yield f"train {voted} --samples 2 --out {folder}/voted"
    yield f"evaluate {data} --model {reward}/best --beam 2"
    yield f"evaluate {data} --model {folder}/lstm/best --beam 1"
    for cell in CELLS:
        yield f"caption {photo} --model {folder}/{cell}/best"
        yield f"caption {photo} --model {folder}/{cell}/best --samples 3 --top-p 0.9"
    yield f"caption {photo} --attention {folder}/maps.png --picture {folder}/picture.png"


def say(command, device):
    """Run a command. Returns: what it printed, but for times."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main([*command.split(), "--device", device])
    return f"{code} " + re.sub(r"(captions/s|seconds|waited) \S+", "", said.getvalue())


def interrupted(model, features, folder):
    """Train for two epochs, interrupted after the first one. Returns: the last loss."""
    examples, settings = small_examples(model.cell_type), TrainingSettings(epochs=2, batch_size=6)
    scores = iter(({"BLEU-4": 0.1}, KeyboardInterrupt, {"BLEU-4": 0.2}))

    def validate(model):
        training.validation_scores(model, features.cpu().numpy(), CAPTIONS)
        if (score := next(scores)) is KeyboardInterrupt:
            raise score
        return score

    with contextlib.suppress(KeyboardInterrupt):
        training.train(model, examples, validate, settings, folder, progress=False)
    return training.train(model, examples, validate, settings, folder, True, progress=False)[1]


def think(cell, device, folder):
    """Train and resume, decode in every way, and draw what was thought of."""
    model, features = small_model(cell, dropout=0.5).to(device), small_features(4, cell).to(device)
    model.standardise(features)
    record = interrupted(model, features, folder)
    captions = decoding.greedy(model, features) + decoding.sample(model, features, top_p=0.9)
    captions += [each for several in decoding.beam(model, features, 3, 0.7, 2) for each in several]
    log_probs = decoding.replay(model, features[:1], [4, 5, END])
    words_considered(log_probs.exp(), model.vocabulary, [4, 5, END])
    texts = [f"{each.text} {each.log_prob:.4f}" for each in captions]
    return f"{record['epoch']} {record['loss']:.5f} {log_probs.sum().item():.3f} {texts}"


def on(device, folder):
    """Do everything on a device. Returns: list of str."""
    (folder / device).mkdir()
    said = [say(command, device) for command in commands(folder / device)]
    said += [think(cell, device, folder / device / f"small-{cell}") for cell in CELLS]
    return [text.replace(str(folder / device), "").replace(device, "") for text in said]


if __name__ == "__main__":
    print(json.dumps({device: on(device, Path(sys.argv[1])) for device in ("cpu", stand_in.NAME)}))
