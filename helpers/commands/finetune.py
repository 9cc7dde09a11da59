"""python -m helpers finetune: teach an image encoder the words of captions."""

import copy
import dataclasses

from helpers.commands import runs
from helpers.commands.options import RUN

OPTIONS = RUN | {
    "--folds": (0, "train N more encoders, each without an Nth of the pictures, and keep how "
        "probable it finds the words of those; `train --text` and `--voted` need that"),
    "--soup": (1, "train N encoders, from as many seeds, and keep the mean of their weights: it "
        "sees better than each of them, in the same time"),
}  # fmt: skip
DEFAULTS = {"views": 4, "epochs": 4, "learning_rate": 2e-3, "weight_decay": 0.05, "clip_norm": 1e3}


def run(options):
    """Teach the last layers of an image encoder which words people use of pictures.

    The encoder that `train --tuned` takes is written to a folder.
    """
    with runs.new_run(options, "encoder") as (settings, folder):
        _finetune(options, settings, folder)


def _finetune(options, settings, folder):
    import numpy as np
    import torch

    from helpers import training
    from helpers.encoder import ImageEncoder
    from helpers.examples import CaptionExamples
    from helpers.files.tensors import write_tensors
    from helpers.training import distributed, finetuning, text
    from helpers.training.augmentation import ViewExamples

    if options.folds == 1:
        raise ValueError("--folds must be 0, or 2 or more: of one no picture would be left")
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
    val_examples = CaptionExamples(val_features, val_data.captions, vocabulary)
    some = torch.from_numpy(features[:: len(features) // 600 + 1].astype("float32"))

    def keep(model, folder):
        write_tensors(folder / "encoder.safetensors", model.tail.layers())
        model.detector.save(folder)

    def learn(captions, folder, seed=settings.seed):
        """Teach the words of captions, none where a picture is held out. Returns: what learned."""
        examples = ViewExamples(
            options.views, features, captions, vocabulary, settings.max_words, options.per_image
        )
        tail = finetuning.EncoderTail(copy.deepcopy(encoder))  # each starts where ImageNet ends
        model = finetuning.WordPredictor(tail, examples, vocabulary).to(options.device)
        model.standardise(some.to(options.device))
        history = training.train(
            model, examples, lambda model: finetuning.word_scores(model, val_examples),
            dataclasses.replace(settings, seed=seed), folder, options.resume,
            lambda model, _: keep(model, folder), decides="mAP",
        )  # fmt: skip
        runs.report(options.backbone, history, folder, "mAP", "nats per picture")
        return model

    if options.soup == 1:
        learn(data.captions, folder)
    else:
        seeds = range(settings.seed, settings.seed + options.soup)
        models = [learn(data.captions, folder / f"seed-{seed}", seed) for seed in seeds]
        soup = finetuning.mean_of(models)
        scores = finetuning.word_scores(soup, val_examples)
        print(f"mean of {options.soup}: mAP {scores['mAP']:.4f} on val")
        if distributed.is_first():
            keep(soup, folder)
    print(f"tuned layers in {folder / 'encoder.safetensors'}")
    if options.folds:
        judged = []
        for fold in range(options.folds):
            kept = [[] if i % options.folds == fold else c for i, c in enumerate(data.captions)]
            print(f"fold {fold + 1} of {options.folds}: what it leaves out is judged")
            model = learn(kept, folder / f"fold-{fold}")
            rows = np.arange(fold, len(data), options.folds)
            judged.append(text.detections(model, features, rows))
        held_out = np.empty((len(data), judged[0].shape[1]), np.float32)
        for fold, probabilities in enumerate(judged):
            held_out[fold :: options.folds] = probabilities
        text.save_held_out(folder / text.HELD_OUT, held_out)
        print(f"words of held-out pictures in {folder / text.HELD_OUT}")
