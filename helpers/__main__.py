"""The command line: python -m helpers caption | train | finetune | evaluate | data | download."""

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
        options.command(options)
    except (ValueError, OSError, TrainingError) as error:
        print(f"{options.name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{options.name}: interrupted", file=sys.stderr)
        return 130
    return 0


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
    folder = _run_folder(options, f"{Path(options.data).name}-{options.cell}")
    with distributed.together(options.device) as options.device:
        _train(options, settings, folder)


def _run_folder(options, name):
    """Return the folder to train in; ValueError if another run is in it."""
    folder = Path(options.out or f"runs/{name}")
    if (folder / "last.pt").exists() and not options.resume:
        raise ValueError(f"{folder} holds a run already: add --resume, or choose another --out")
    return folder


def _train(options, settings, folder):
    from helpers import distributed, training
    from helpers.examples import CaptionExamples
    from helpers.metrics import bleu, score_captions
    from helpers.plots import learning_curves
    from helpers.pretrained import load_captioner, save_captioner

    if options.start:
        captioner = load_captioner(options.start, options.device)
        encoder, model = captioner.encoder, captioner.model
        if not hasattr(model, "sizes"):
            raise ValueError(f"--start: {options.start} is not a captioner of `train`")
    elif settings.samples:
        raise ValueError("--samples needs a captioner that speaks already: --start MODEL")
    else:
        encoder, model = _encoder(options, pool=options.cell != "attn"), None
    with distributed.first_alone():
        train_data, train_features = _encoded(options, encoder, "train")
        val_data, val_features = _encoded(options, encoder, "val")
    model = model or _new_model(options, train_data.captions, train_features)
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{model.cell_type}: {parameters:,} parameters, {model.vocabulary}")
    metric = score_captions if settings.samples else bleu
    history = training.train(
        model,
        CaptionExamples(train_features, train_data.captions, model.vocabulary, settings.max_words),
        lambda model: training.validation_scores(model, val_features, val_data.captions, metric),
        settings, folder, options.resume,
        on_best=lambda model, _: save_captioner(folder / "best", model, encoder),
    )  # fmt: skip
    if distributed.is_first():
        learning_curves({model.cell_type: history}).savefig(folder / "curves.png")
    score = list(history[0])[-1]
    best = max(history, key=lambda record: record[score])
    print(f"best epoch {best['epoch']}: {score} {best[score]:.4f} on {val_data.split}")
    print(f"model in {folder / 'best'}, learning curves in {folder / 'curves.png'}")


def _new_model(options, captions, features):
    """Build a captioner for some captions and features, with the weights of the options' seed."""
    from helpers.captioner import CaptioningRNN
    from helpers.training import set_seed
    from helpers.vocabulary import Vocabulary

    set_seed(options.seed)
    model = CaptioningRNN(
        Vocabulary.build(itertools.chain(*captions), options.min_count), options.cell,
        features.shape[-1], options.wordvec_dim, options.hidden_dim, options.dropout,
    )  # fmt: skip
    model.standardise(features[:: len(features) // 600 + 1].astype("float32"))
    return model.to(options.device)


def finetune(options):
    """Teach the last layers of an image encoder which words people use of pictures.

    The encoder that `train --tuned` takes is written to a folder.
    """
    from helpers import distributed

    fields = [field.name for field in dataclasses.fields(TrainingSettings)]
    settings = TrainingSettings(**{name: getattr(options, name) for name in fields})
    folder = _run_folder(options, f"{Path(options.data).name}-encoder")
    with distributed.together(options.device) as options.device:
        _finetune(options, settings, folder)


def _finetune(options, settings, folder):
    from safetensors.torch import save

    from helpers import distributed, finetuning, training
    from helpers.encoder import ImageEncoder
    from helpers.examples import CaptionExamples
    from helpers.features import encode_features
    from helpers.files import atomic_write
    from helpers.plots import learning_curves
    from helpers.vocabulary import Vocabulary

    encoder = ImageEncoder(
        options.backbone, options.weights, image_size=options.image_size,
        stride=finetuning.STRIDE,
    ).to(options.device)  # fmt: skip
    with distributed.first_alone():
        data = _opened(options, "train")
        views = finetuning.Views(data, options.views, settings.seed)
        features = encode_features(views, encoder, options.cache)
        val_data = _opened(options, "val")
        val_features = encode_features(val_data, encoder, options.cache)
    vocabulary = Vocabulary.build(itertools.chain(*data.captions), options.min_count)
    examples = finetuning.ViewExamples(options.views, features, views.captions, vocabulary)
    val_examples = CaptionExamples(val_features, val_data.captions, vocabulary)
    training.set_seed(settings.seed)
    model = finetuning.WordPredictor(encoder, examples, vocabulary).to(options.device)

    def keep(model, _):
        with atomic_write(folder / "encoder.safetensors") as path:
            path.write_bytes(save(model.tuned_layers()))

    history = training.train(
        model, examples, lambda model: finetuning.word_scores(model, val_examples), settings,
        folder, options.resume, on_best=keep,
    )  # fmt: skip
    if distributed.is_first():
        learning_curves({options.backbone: history}, "mAP").savefig(folder / "curves.png")
    best = max(history, key=lambda record: record["mAP"])
    print(f"best epoch {best['epoch']}: mAP {best['mAP']:.4f} on {val_data.split}")
    print(f"tuned layers in {folder / 'encoder.safetensors'}")


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
        options.backbone, options.weights, pool, options.image_size, stride=options.stride,
        tuned=options.tuned,
    ).to(options.device)  # fmt: skip


def _encoded(options, encoder, split):
    """Open a split and its features, encoded first where no earlier command did."""
    from helpers.features import encode_features

    data = _opened(options, split)
    return data, encode_features(data, encoder, options.cache)


def _opened(options, split):
    """Open a split of the options' data set, and say what it holds."""
    from helpers.coco import load_captions

    data = load_captions(options.data, split, options.format, options.strict)
    data = data.subset(options.limit) if options.limit else data
    print(data)
    return data


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
    _run_options(command, "runs/DATA-CELL")
    command.add_argument(
        "--start", metavar="MODEL", help="a trained captioner to start from; its encoder, sizes "
        "and words stay, whatever the options for them say",
    )  # fmt: skip
    command.add_argument("--cell", choices=("rnn", "lstm", "attn"), default="lstm")
    command.add_argument(
        "--tuned", metavar="FILE", help="the encoder's layers that `finetune` wrote"
    )
    command.add_argument("--stride", type=int, default=32, help="pixels between positions")
    command.add_argument("--wordvec-dim", type=int, default=256, help="size of a word vector")
    command.add_argument("--hidden-dim", type=int, default=512, help="size of the hidden state")
    command.add_argument("--dropout", type=float, default=0.5, help="dropped share, in [0, 1)")

    command = _command(commands, finetune, "teach an image encoder the words of captions")
    _data_options(command)
    _run_options(command, "runs/DATA-encoder")
    command.add_argument("--views", type=int, default=4, help="of each picture, mirrored and cut")
    command.set_defaults(learning_rate=2e-4, weight_decay=0.05, epochs=4)

    command = _command(commands, evaluate, "score a captioner against reference captions")
    _model_option(command)
    _data_options(command)
    command.add_argument("--split", default="val", help="train, val or test")
    _beam_option(command)
    command.add_argument("--json", metavar="FILE", help="write scores and captions here")

    survey.add_command(commands)
    downloads.add_command(commands)
    return parser


def _run_options(command, folder):
    """Add what `train` and `finetune` share."""
    command.add_argument("--out", metavar="DIR", help=f"where to, {folder} if not given")
    command.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    command.add_argument(
        "--backbone", default="efficientnet_lite0",
        help="image encoder: efficientnet_lite0, efficientnet_lite2, regnet_x_400mf or resnet152",
    )  # fmt: skip
    command.add_argument("--weights", metavar="FILE", help="the encoder's, instead of its own")
    command.add_argument("--image-size", type=int, help="side of its pictures, if not its own")
    command.add_argument("--min-count", type=int, default=MIN_COUNT, help="rarer words: <UNK>")
    for field in dataclasses.fields(TrainingSettings):
        option, text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        command.add_argument(option, type=type(field.default), default=field.default, help=text)


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
