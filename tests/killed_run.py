"""Kill a training run ten times and compare its end with that of a run left alone.

A program of its own: it forks, which a process that has used torch's threads must not do.
Usage: python killed_run.py FOLDER PRECISION ENGINE
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # the optimizer would import it in each process that is to be killed
from small import CAPTIONS, VOCABULARY, small_features, small_model

from helpers.examples import CaptionExamples
from helpers.layers import use_engine
from helpers.settings import TrainingSettings
from helpers.training import train, validation_scores

KILLS = 10
TIMES = ("seconds", "captions/s", "waited")


class Examples(CaptionExamples):
    """Writes a byte to a pipe for each batch that is read."""

    pipe = None

    def batch(self, *arguments):
        os.write(self.pipe, b".")
        return super().batch(*arguments)


def run(folder, precision, pipe):
    """Train with dropout and averaged weights; go on from what is in the folder."""
    torch.set_num_threads(1)
    captions = [CAPTIONS[i % len(CAPTIONS)] for i in range(90)]
    features = small_features(90, "attn").numpy().astype(np.float16)
    examples = Examples(features, captions, VOCABULARY)
    examples.pipe = pipe
    model = small_model("attn", dropout=0.2)
    settings = TrainingSettings(
        epochs=4, batch_size=3, averaging=0.9, patience=4, precision=precision, save_seconds=0.05
    )
    history = train(
        model, examples, lambda model: validation_scores(model, features[:8], captions[:8]),
        settings, folder, resume=True, progress=False,
    )  # fmt: skip
    timeless = [{k: v for k, v in record.items() if k not in TIMES} for record in history]
    torch.save((model.state_dict(), timeless), folder / "end.pt")


def forked(folder, precision, batches=None, seconds=0.0):
    """Run in a process of its own, killed so many batches and seconds later, or not.

    Returns: whether it was killed
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            run(folder, precision, writing)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb", buffering=0) as pipe:
        while (batches is None or batches > 0) and pipe.read(1):
            batches = batches and batches - 1
        if batches == 0:
            time.sleep(seconds)
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("the run failed")
    return os.WIFSIGNALED(status)


def main(folder, precision):
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    alone, killed = folder / "alone", folder / "killed"
    for place in (alone, killed):
        place.mkdir()
    forked(alone, precision)
    steps, seed = [], random.randrange(10**6)
    moments = random.Random(seed)
    while len(steps) < KILLS:
        if not forked(killed, precision, moments.randint(1, 40), moments.uniform(0, 0.02)):
            break  # it has come to its end
        last = killed / "last.pt"
        steps.append(torch.load(last, weights_only=True)["step"] if last.exists() else 0)
    forked(killed, precision)
    (first, history), (second, other) = (
        torch.load(place / "end.pt", weights_only=True) for place in (alone, killed)
    )
    equal = all(torch.equal(first[name], second[name]) for name in first) and history == other
    left = [file.name for file in killed.iterdir()]
    print(json.dumps({"steps": steps, "equal": equal, "files": sorted(left), "seed": seed}))


if __name__ == "__main__":
    use_engine(sys.argv[3])
    main(Path(sys.argv[1]), sys.argv[2])
