"""The command line: python -m helpers caption | train | evaluate | data | download."""

import argparse
import dataclasses
import itertools
import json
import sys
from pathlib import Path

from helpers import downloads, survey
from helpers.settings import MIN_COUNT, TrainingError, TrainingSettings

# The commands import what they need: importing torch takes seconds, and --help should not.
DATA = Path(__file__).resolve().parents[1] / "data"


def main(arguments=None):
    """Run a command. Returns: the exit code, 0, or 2 after a message for a user's mistake."""
    options = _parser().parse_args(arguments)
    try:
        _check_device(getattr(options, "device", "cpu"))
        options.command(options)
    except (ValueError, OSError, TrainingError) as error:
        print(f"{options.name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{options.name}: interrupted", file=sys.stderr)
        return 130
    return 0


def _check_device(name):
    if name == "cpu":
        return
    import torch

    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter without CUDA in the build
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {name}: torch cannot use it here ({reason})") from error


def caption(options):
    """Print a caption for each photograph."""
    from helpers.images import open_image
    from helpers.pretrained import load_captioner

    images = [open_image(photo) for photo in options.photos]
    captioner = load_captioner(options.model, options.device)
    cell_type = captioner.model.cell_type
    if options.attention and cell_type != "attn":
        raise ValueError(f"--attention: {options.model} has no attention, it is an {cell_type}")
    captions = captioner.caption(images, options.beam, max_length=options.max_words)
    records = [
        {"photo": photo, "caption": result.text, "log_prob": result.log_prob}
        for photo, result in zip(options.photos, captions, strict=True)
    ]
    if options.picture:
        from helpers.plots import caption_gallery

        texts = [record["caption"] for record in records]
        figure = caption_gallery(images, texts, columns=min(3, len(images)), width=32)
        figure.savefig(options.picture)
    if options.attention:
        _draw_attention(options.attention, images, captions, captioner.encoder.image_size)
    if options.json:
        print(json.dumps(records, indent=1, ensure_ascii=False))
        return
    for record in records:
        name = f"{record['photo']}: " if len(records) > 1 else ""
        print(f"{name}{record['caption']}")


def _draw_attention(path, images, captions, size):
    """Draw the maps of each photograph's caption; several photographs go to numbered files."""
    import matplotlib.pyplot as plt

    from helpers.encoder import load_pixels
    from helpers.plots import attention_maps

    path = Path(path)
    for number, (image, result) in enumerate(zip(images, captions, strict=True), start=1):
        seen = load_pixels(image, size).permute(1, 2, 0).numpy()  # the square that maps belong to
        figure = attention_maps([seen], [result])
        figure.savefig(path.with_stem(f"{path.stem}-{number}") if len(images) > 1 else path)
        plt.close(figure)


def train(options):
    """Train a captioner on a data set and write it to a folder.

    torchrun may start this command several times: the processes share each batch.
    """
    from helpers import distributed

    fields = [field.name for field in dataclasses.fields(TrainingSettings)]
    settings = TrainingSettings(**{name: getattr(options, name) for name in fields})
    folder = Path(options.out or f"runs/{Path(options.data).name}-{options.cell}")
    if (folder / "last.pt").exists() and not options.resume:
        raise ValueError(f"{folder} holds a run already: add --resume, or choose another --out")
    with distributed.together(options.device) as options.device:
        _train(options, settings, folder)


def _train(options, settings, folder):
    from helpers import distributed, training
    from helpers.captioner import CaptioningRNN
    from helpers.plots import learning_curves
    from helpers.pretrained import save_captioner
    from helpers.vocabulary import Vocabulary

    with distributed.first_alone():
        encoder = _encoder(options, pool=options.cell != "attn")
        train_data, train_features = _encoded(options, encoder, "train")
        val_data, val_features = _encoded(options, encoder, "val")
    vocabulary = Vocabulary.build(itertools.chain(*train_data.captions), options.min_count)
    training.set_seed(settings.seed)
    model = CaptioningRNN(
        vocabulary, options.cell, encoder.feature_dim, options.wordvec_dim, options.hidden_dim,
        options.dropout,
    )  # fmt: skip
    model.standardise(train_features[:: len(train_features) // 600 + 1].astype("float32"))
    model.to(options.device)
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{options.cell}: {parameters:,} parameters, {vocabulary}")
    examples = training.CaptionExamples(
        train_features, train_data.captions, vocabulary, settings.max_words
    )
    history = training.train(
        model, examples,
        lambda model: training.validation_scores(model, val_features, val_data.captions),
        settings, folder, options.resume,
        on_best=lambda model, _: save_captioner(folder / "best", model, encoder),
    )  # fmt: skip
    if distributed.is_first():
        learning_curves({options.cell: history}).savefig(folder / "curves.png")
    best = max(history, key=lambda record: record["BLEU-4"])
    print(f"best epoch {best['epoch']}: BLEU-4 {best['BLEU-4']:.4f} on {val_data.split}")
    print(f"model in {folder / 'best'}, learning curves in {folder / 'curves.png'}")


def evaluate(options):
    """Score a captioner on a split of a data set."""
    from helpers.decoding import beam, greedy
    from helpers.files import write_json
    from helpers.metrics import java_scores, score_captions
    from helpers.pretrained import load_captioner

    captioner = load_captioner(options.model, options.device)
    data, features = _encoded(options, captioner.encoder, options.split)
    texts = []
    for batch in _batches(features, options.device):
        if options.beam == 1:
            texts += [caption.text for caption in greedy(captioner.model, batch)]
        else:
            texts += [best[0].text for best in beam(captioner.model, batch, options.beam)]
    java, absent = java_scores(data.captions, texts)
    scores = score_captions(data.captions, texts) | java
    decoding = "greedy" if options.beam == 1 else f"beam {options.beam}"
    print(f"{options.model} on {data.name} {data.split}: {len(data):,} images, {decoding}")
    for name, score in scores.items():
        print(f"{name:8} {score:.4f}")
    for name, reason in absent.items():
        print(f"{name:8} absent: {reason}")
    if options.json:
        captions = dict(zip(map(str, data.ids), texts, strict=True))
        record = {"images": len(data), "decoding": decoding, **scores}
        write_json(options.json, {**record, "absent": absent, "captions": captions})


def _batches(features, device, size=64):
    """Cut features into float32 tensors of `size` images."""
    import torch

    for start in range(0, len(features), size):
        rows = features[start : start + size].astype("float32")
        yield torch.from_numpy(rows).to(device)


def _encoder(options, pool):
    from helpers.encoder import ImageEncoder

    return ImageEncoder(
        options.backbone, options.weights, pool, options.image_size, stride=options.stride
    ).to(options.device)


def _encoded(options, encoder, split):
    """Open a split and its features, encoded first where no earlier command did."""
    from helpers.coco import load_captions
    from helpers.features import encode_features

    data = load_captions(options.data, split, options.format, options.strict)
    data = data.subset(options.limit) if options.limit else data
    print(data)
    return data, encode_features(data, encoder, options.cache)


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m helpers", description="Image captioning from scratch.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")

    command = _command(commands, caption, "describe photographs")
    command.add_argument("photos", nargs="+", metavar="PHOTO", help="image files")
    _model_option(command)
    _beam_option(command)
    command.add_argument("--max-words", type=int, default=20, help="longest caption")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--picture", metavar="PNG", help="draw photographs and captions here")
    command.add_argument(
        "--attention", metavar="PNG",
        help="draw here where the model looked for each word; several photographs are drawn into "
        "numbered files, PNG-1 and so on (only for a model with attention)",
    )  # fmt: skip

    command = _command(commands, train, "train a captioner on your own data")
    _data_options(command)
    command.add_argument("--out", metavar="DIR", help="where to, runs/DATA-CELL if not given")
    command.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    command.add_argument("--cell", choices=("rnn", "lstm", "attn"), default="lstm")
    command.add_argument(
        "--backbone", default="efficientnet_lite0",
        help="image encoder: efficientnet_lite0, efficientnet_lite2, regnet_x_400mf or resnet152",
    )  # fmt: skip
    command.add_argument("--weights", metavar="FILE", help="the encoder's, instead of its own")
    command.add_argument("--image-size", type=int, help="side of its pictures, if not its own")
    command.add_argument("--stride", type=int, default=32, help="pixels between positions")
    command.add_argument("--wordvec-dim", type=int, default=256, help="size of a word vector")
    command.add_argument("--hidden-dim", type=int, default=512, help="size of the hidden state")
    command.add_argument("--dropout", type=float, default=0.5, help="dropped share, in [0, 1)")
    command.add_argument("--min-count", type=int, default=MIN_COUNT, help="rarer words: <UNK>")
    for field in dataclasses.fields(TrainingSettings):
        option, text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        command.add_argument(option, type=type(field.default), default=field.default, help=text)

    command = _command(commands, evaluate, "score a captioner against reference captions")
    _model_option(command)
    _data_options(command)
    command.add_argument("--split", default="val", help="train, val or test")
    _beam_option(command)
    command.add_argument("--json", metavar="FILE", help="write scores and captions here")

    survey.add_command(commands)
    downloads.add_command(commands)
    return parser


def _command(commands, function, text):
    command = commands.add_parser(
        function.__name__, help=text, description=function.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )  # fmt: skip
    command.set_defaults(command=function)
    command.add_argument("--device", default="cpu", help="cpu, or cuda for a GPU")
    return command


def _model_option(command):
    command.add_argument(
        "--model", default="flickr8k-attn", help="a name in pretrained/, or a trained folder"
    )


def _beam_option(command):
    command.add_argument("--beam", type=int, default=1, help="width of the beam; 1 is greedy")


def _data_options(command):
    command.add_argument("--data", default="scenes", help="scenes, or a data set's folder or zip")
    command.add_argument("--format", help="name the format instead of looking")
    command.add_argument("--strict", action="store_true", help="refuse incomplete data")
    command.add_argument("--limit", type=int, metavar="N", help="use the first N images")
    command.add_argument("--cache", default=str(DATA / "cache"), help="where features are kept")


if __name__ == "__main__":
    sys.exit(main())
