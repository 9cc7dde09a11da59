"""python -m helpers train: from captioned pictures to a captioner."""

import copy
import sys
import warnings

from helpers.commands.options import (
    add_data,
    add_run,
    alone,
    build_vocabulary,
    encode_split,
    new_command,
    new_run,
    open_split,
)


def add_command(commands):
    """Add the command to those of the parser."""
    command = new_command(commands, train, "train a captioner on your own data")
    add_data(command)
    add_run(command, "runs/DATA-CELL")
    command.add_argument(
        "--start", metavar="MODEL", help="a trained captioner to go on from; its encoder, sizes "
        "and words stay, whatever the options for them say",
    )  # fmt: skip
    command.add_argument(
        "--temperature", type=float, default=0.5, help="what self-critical training divides the "
        "scores of --start by: small values make sampled captions better and more alike",
    )  # fmt: skip
    command.add_argument("--cell", choices=("rnn", "lstm", "attn"), default="lstm")
    command.add_argument("--tuned", metavar="FILE", help="what `finetune` wrote for the encoder")
    command.add_argument(
        "--mirrored", action="store_true", help="caption from the mean features of a picture and "
        "its mirror image: often better, in twice the time to encode",
    )  # fmt: skip
    command.add_argument("--stride", type=int, default=32, help="pixels between positions")
    command.add_argument("--wordvec-dim", type=int, default=256, help="size of a word vector")
    command.add_argument("--hidden-dim", type=int, default=512, help="size of the hidden state")
    command.add_argument("--dropout", type=float, default=0.5, help="dropped share, in [0, 1)")
    command.add_argument(
        "--drop-channels", action="store_true", help="drop a channel of the features at all "
        "positions alike: else a map does best to be even, and to average the noise away",
    )  # fmt: skip
    command.add_argument(
        "--compiled", action="store_true", help="run the LSTMs in C++, on the CPU: the same "
        "numbers up to rounding; the first time, a C++ compiler works for half a minute",
    )  # fmt: skip


def train(options):
    """Train a captioner on a data set and write it to a folder.

    torchrun may start this command several times: the processes share each batch.
    """
    from helpers.training import distributed

    settings, folder = new_run(options, options.cell)
    with distributed.together(options.device) as device:
        _train(options, settings, folder, device)


def _train(options, settings, folder, device):
    from helpers import training
    from helpers.captioner import CaptioningRNN
    from helpers.encoder import ImageEncoder
    from helpers.metrics import bleu, score_captions
    from helpers.plots import learning_curves, write_figure
    from helpers.pretrained import load_captioner, save_captioner
    from helpers.training import distributed
    from helpers.training.augmentation import ViewExamples

    if settings.samples and not options.start:
        raise ValueError("--samples needs a captioner that speaks already: --start MODEL")
    train_data, val_data = open_split(options, options.split), open_split(options, "val")
    vocabulary = None if options.start else build_vocabulary(options, train_data.captions)
    if options.start:
        captioner = load_captioner(options.start, device)
        encoder, model = captioner.encoder, captioner.model
        if not isinstance(model, CaptioningRNN):
            raise ValueError(f"--start: {options.start} was not trained by this command")
    else:
        encoder, model = ImageEncoder(
            options.backbone, options.weights, options.cell != "attn", options.image_size,
            stride=options.stride, tuned=options.tuned,
        ).to(device), None  # fmt: skip
    one_way = copy.copy(encoder)  # captions are learned from pictures one way round
    one_way.mirrored, encoder.mirrored = False, encoder.mirrored or options.mirrored
    with distributed.first_alone():
        train_data, train_features = encode_split(options, one_way, train_data, options.views)
        val_data, val_features = encode_split(options, encoder, val_data)
    model = (model or _new_model(options, vocabulary, train_features)).to(device)
    model.drop_channels = options.drop_channels and model.cell_type == "attn"
    if settings.samples:
        model.sharpen(options.temperature)
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{model.cell_type}: {parameters:,} parameters, {model.vocabulary}")
    examples = ViewExamples(
        options.views, train_features, train_data.captions, model.vocabulary,
        settings.max_words, options.per_image,
    )  # fmt: skip
    metric, score = (score_captions, "CIDEr-D") if settings.samples else (bleu, "BLEU-4")
    with alone(folder, options.resume), _engine(options.compiled):
        history = training.train(
            model, examples,
            lambda model: training.validation_scores(
                model, val_features, val_data.captions, metric
            ),
            settings, folder, options.resume,
            on_best=lambda model, _: save_captioner(folder / "best", model, encoder),
            decides=score,
        )  # fmt: skip
    if distributed.is_first():
        write_figure(learning_curves({model.cell_type: history}), folder / "curves.png")
    top = max(history, key=lambda record: record[score])
    print(f"best epoch {top['epoch']}: {score} {top[score]:.4f} on {val_data.split}")
    print(f"model in {folder / 'best'}, learning curves in {folder / 'curves.png'}")


def _engine(compiled):
    """Choose the engine to train with, and say in a line where it cannot be had."""
    from helpers.layers import use_engine

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        engine = use_engine("compiled" if compiled else "textbook")
    for warning in caught:
        print(f"train: {warning.message}", file=sys.stderr)
    return engine


def _new_model(options, vocabulary, features):
    """Build a captioner for some words and features, with the weights of the options' seed."""
    from helpers.captioner import CaptioningRNN
    from helpers.training import set_seed

    set_seed(options.seed)
    model = CaptioningRNN(
        vocabulary, options.cell, features.shape[-1], options.wordvec_dim, options.hidden_dim,
        options.dropout,
    )  # fmt: skip
    model.standardise(features[:: len(features) // 600 + 1].astype("float32"))
    return model
