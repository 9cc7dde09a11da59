"""python -m helpers finetune: an encoder that knows the words of captions."""

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
    command = new_command(commands, finetune, "teach an image encoder the words of captions")
    add_data(command)
    add_run(command, "runs/DATA-encoder")
    command.set_defaults(views=4, epochs=4, learning_rate=2e-3, weight_decay=0.05, clip_norm=1000.0)


def finetune(options):
    """Teach the last layers of an image encoder which words people use of pictures.

    The encoder that `train --tuned` takes is written to a folder.
    """
    from helpers.training import distributed

    settings, folder = new_run(options, "encoder")
    if settings.samples:
        raise ValueError("--samples is an option of train: the encoder says no captions")
    with distributed.together(options.device) as device:
        _finetune(options, settings, folder, device)


def _finetune(options, settings, folder, device):
    import torch

    from helpers import training
    from helpers.encoder import ImageEncoder
    from helpers.examples import CaptionExamples
    from helpers.files.tensors import write_tensors
    from helpers.plots import learning_curves, write_figure
    from helpers.training import distributed, finetuning
    from helpers.training.augmentation import ViewExamples

    data, val_data = open_split(options, options.split), open_split(options, "val")
    vocabulary = build_vocabulary(options, data.captions)
    encoder = ImageEncoder(
        options.backbone, options.weights, image_size=options.image_size,
        stride=finetuning.STRIDE,
    ).to(device)  # fmt: skip
    with distributed.first_alone():
        data, features = encode_split(options, encoder, data, options.views)
        val_data, val_features = encode_split(options, encoder, val_data)
    examples = ViewExamples(
        options.views, features, data.captions, vocabulary, settings.max_words, options.per_image
    )  # fmt: skip
    val_examples = CaptionExamples(val_features, val_data.captions, vocabulary)
    training.set_seed(settings.seed)
    tail = finetuning.EncoderTail(encoder)
    model = finetuning.WordPredictor(tail, examples, vocabulary).to(device)
    some = features[:: len(features) // 600 + 1].astype("float32")
    model.standardise(torch.from_numpy(some).to(device))

    def keep(model, _):
        write_tensors(folder / "encoder.safetensors", model.tail.layers())
        model.detector.save(folder)

    with alone(folder, options.resume):
        history = training.train(
            model, examples, lambda model: finetuning.word_scores(model, val_examples), settings,
            folder, options.resume, on_best=keep, decides="mAP",
        )  # fmt: skip
    if distributed.is_first():
        figure = learning_curves({options.backbone: history}, "mAP", "nats per picture")
        write_figure(figure, folder / "curves.png")
    top = max(history, key=lambda record: record["mAP"])
    print(f"best epoch {top['epoch']}: mAP {top['mAP']:.4f} on {val_data.split}")
    print(f"tuned layers in {folder / 'encoder.safetensors'}")
