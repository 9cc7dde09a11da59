"""python -m helpers finetune: teach an image encoder the words of captions."""

from helpers.commands import runs
from helpers.commands.options import RUN

OPTIONS = RUN
DEFAULTS = {"views": 4, "epochs": 4, "learning_rate": 2e-3, "weight_decay": 0.05, "clip_norm": 1e3}


def run(options):
    """Teach the last layers of an image encoder which words people use of pictures.

    The encoder that `train --tuned` takes is written to a folder.
    """
    with runs.new_run(options, "encoder") as (settings, folder):
        _finetune(options, settings, folder)


def _finetune(options, settings, folder):
    import torch

    from helpers import training
    from helpers.encoder import ImageEncoder
    from helpers.examples import CaptionExamples
    from helpers.files.tensors import write_tensors
    from helpers.training import distributed, finetuning
    from helpers.training.augmentation import ViewExamples

    if settings.samples:
        raise ValueError("--samples is an option of train: the encoder says no captions")
    data, val_data = runs.open_split(options, options.split), runs.open_split(options, "val")
    vocabulary = runs.build_vocabulary(options, data.captions)
    encoder = ImageEncoder(
        options.backbone, options.weights, image_size=options.image_size, stride=finetuning.STRIDE
    ).to(options.device)
    with distributed.first_alone():
        data, features = runs.encode_split(options, encoder, data, options.views)
        val_data, val_features = runs.encode_split(options, encoder, val_data)
    examples = ViewExamples(
        options.views, features, data.captions, vocabulary, settings.max_words, options.per_image
    )
    val_examples = CaptionExamples(val_features, val_data.captions, vocabulary)
    training.set_seed(settings.seed)
    tail = finetuning.EncoderTail(encoder)
    model = finetuning.WordPredictor(tail, examples, vocabulary).to(options.device)
    some = features[:: len(features) // 600 + 1].astype("float32")
    model.standardise(torch.from_numpy(some).to(options.device))

    def validate(model):
        return finetuning.word_scores(model, val_examples)

    def keep(model, _):
        write_tensors(folder / "encoder.safetensors", model.tail.layers())
        model.detector.save(folder)

    history = training.train(
        model, examples, validate, settings, folder, options.resume, keep, decides="mAP"
    )
    runs.report(options.backbone, history, folder, "mAP", "nats per picture")
    print(f"tuned layers in {folder / 'encoder.safetensors'}")
