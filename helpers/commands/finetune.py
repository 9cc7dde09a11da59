"""python -m helpers finetune: an encoder that knows the words of captions."""

import copy
import itertools
from pathlib import Path

from helpers.commands.options import add_data, add_run, encode_split, new_command, new_run


def add_command(commands):
    """Add the command to those of the parser."""
    command = new_command(commands, finetune, "teach an image encoder the words of captions")
    add_data(command)
    add_run(command, "runs/DATA-encoder")
    command.add_argument(
        "--folds", type=int, default=1, help="2 or more: so many copies of the layers learn, each "
        "without its part of the pictures; the encoder is the mean of them",
    )  # fmt: skip
    command.set_defaults(
        views=4, epochs=4, learning_rate=2e-3, encoder_learning_rate=2e-4, weight_decay=0.05,
        clip_norm=1000.0,
    )  # fmt: skip


def finetune(options):
    """Teach the last layers of an image encoder which words people use of pictures.

    The encoder that `train --tuned` takes is written to a folder.
    """
    from helpers import distributed

    settings, folder = new_run(options, f"{Path(options.data).name}-encoder")
    if settings.samples:
        raise ValueError("--samples is an option of train: the encoder says no captions")
    if options.folds < 1:
        raise ValueError(f"--folds must be at least 1, not {options.folds}")
    with distributed.together(options.device) as options.device:
        _finetune(options, settings, folder)


def _finetune(options, settings, folder):
    import torch

    from helpers import distributed, finetuning, training
    from helpers.encoder import ImageEncoder
    from helpers.examples import CaptionExamples
    from helpers.plots import learning_curves
    from helpers.views import ViewExamples
    from helpers.vocabulary import Vocabulary

    encoder = ImageEncoder(
        options.backbone, options.weights, image_size=options.image_size,
        stride=finetuning.STRIDE,
    ).to(options.device)  # fmt: skip
    with distributed.first_alone():
        data, features = encode_split(options, encoder, "train", options.views)
        val_data, val_features = encode_split(options, encoder, "val")
    vocabulary = Vocabulary.build(itertools.chain(*data.captions), options.min_count)
    examples = ViewExamples(options.views, features, data.captions, vocabulary, settings.max_words)
    val_examples = CaptionExamples(val_features, val_data.captions, vocabulary)
    some = torch.from_numpy(features[:: len(features) // 600 + 1].astype("float32"))
    tail = finetuning.EncoderTail(encoder)

    def validate(model):
        return finetuning.word_scores(model, val_examples)

    def learn(examples, folder):
        def keep(model, _):
            _save_layers(model, folder)

        training.set_seed(settings.seed)
        model = finetuning.WordPredictor(copy.deepcopy(tail), examples, vocabulary)
        model = model.to(options.device)
        model.standardise(some.to(options.device))
        history = training.train(
            model, examples, validate, settings, folder, options.resume, on_best=keep
        )
        best = max(history, key=lambda record: record["mAP"])
        print(f"best epoch {best['epoch']}: mAP {best['mAP']:.4f} on {val_data.split}")
        return model, history

    if options.folds == 1:
        runs = {options.backbone: learn(examples, folder)}
    else:
        runs = {
            f"fold {k}": learn(examples.leave_out(k, options.folds), folder / f"fold-{k}")
            for k in range(options.folds)
        }
        mean = finetuning.mean_of([model for model, _ in runs.values()])
        print(f"mean of {options.folds} folds: mAP {validate(mean)['mAP']:.4f}")
        _save_layers(mean, folder)
    if distributed.is_first():
        histories = {name: history for name, (_, history) in runs.items()}
        learning_curves(histories, "mAP", "nats per picture").savefig(folder / "curves.png")
    print(f"tuned layers in {folder / 'encoder.safetensors'}")


def _save_layers(model, folder):
    from safetensors.torch import save

    from helpers import distributed
    from helpers.files import atomic_write

    if distributed.is_first():
        with atomic_write(folder / "encoder.safetensors") as path:
            path.write_bytes(save(model.tail.layers()))
