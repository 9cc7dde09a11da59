"""python -m helpers finetune: teach an image encoder the words of captions."""

import copy
import dataclasses

from helpers.commands import runs
from helpers.commands.options import RUN

OPTIONS = RUN | {
    "--folds": (0, "first train N encoders, each without an Nth of the pictures, and keep how "
        "probable it finds the words of those: the encoder learns that too, and `train --text` "
        "and `--voted` need it"),
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
    from helpers.files.tensors import write_tensors
    from helpers.training import distributed, finetuning, text
    from helpers.training.finetuning import WordExamples, WordPredictor, word_scores

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
    val_examples = WordExamples(1, val_features, val_data.captions, vocabulary)
    some = torch.from_numpy(features[:: len(features) // 600 + 1].astype("float32"))

    def keep(model, folder):
        write_tensors(folder / "encoder.safetensors", model.tail.layers())
        model.detector.save(folder)

    def learn(captions, folder, told=None, seed=settings.seed):
        """Teach the words of captions, none where a picture is held out. Returns: what learned."""
        more = settings.max_words, options.per_image
        examples = WordExamples(options.views, features, captions, vocabulary, *more, told=told)
        training.set_seed(seed)
        tail = finetuning.EncoderTail(copy.deepcopy(encoder))  # each starts where ImageNet ends
        model = WordPredictor(tail, vocabulary, examples.frequency).to(options.device)
        model.standardise(some.to(options.device))

        history = training.train(
            model, examples, lambda model: word_scores(model, val_examples),
            dataclasses.replace(settings, seed=seed), folder, options.resume,
            lambda model, _: keep(model, folder), decides="mAP",
        )  # fmt: skip
        runs.report(options.backbone, history, folder, "mAP", "nats per picture")
        return model

    told, judged = None, []
    for fold in range(options.folds):
        print(f"fold {fold + 1} of {options.folds}")
        held_out = range(fold, len(data), options.folds)
        others = [[] if i in held_out else several for i, several in enumerate(data.captions)]
        model = learn(others, folder / f"fold-{fold}")
        judged.append(text.detections(model, features, np.array(held_out)))
    if judged:
        told = np.empty((len(data), judged[0].shape[1]), np.float32)
        for fold, rows in enumerate(judged):
            told[fold :: options.folds] = rows
        text.save_held_out(folder / text.HELD_OUT, told)
        print(f"words of held-out pictures in {folder / text.HELD_OUT}")
    if options.soup == 1:
        learn(data.captions, folder, told)
    else:
        seeds = range(settings.seed, settings.seed + options.soup)
        soup = finetuning.mean_of(
            [learn(data.captions, folder / f"seed-{seed}", told, seed) for seed in seeds]
        )
        print(f"mean of {options.soup}: mAP {word_scores(soup, val_examples)['mAP']:.4f} on val")
        if distributed.is_first():
            keep(soup, folder)
    print(f"tuned layers in {folder / 'encoder.safetensors'}")
