"""python -m helpers train: train a captioner on your own data."""

from pathlib import Path

from helpers.commands import runs
from helpers.commands.options import RUN

OPTIONS = RUN | {
    "--start": (str, "a trained captioner to go on from; its encoder, sizes and words stay, "
        "whatever the options for them say"),
    "--temperature": (0.5, "what self-critical training divides the scores of --start by: small "
        "values make sampled captions better and more alike"),
    "--text": (str, "learn from captions without pictures first, of COCO's annotations or JSON "
        '{"id": ["a caption", ...], ...}; --start goes on with pictures; needs the --tuned of '
        "`finetune --folds 2`"),
    "--voted": (str, "give the word detector the vote in self-critical training that it has in "
        "captions: the held_out.safetensors of `finetune --folds 2`"),
    "--cell": (("lstm", "rnn", "attn"), "attn is the LSTM with attention"),
    "--tuned": (str, "the file that `finetune` wrote for the encoder"),
    "--stride": (32, "pixels between positions"),
    "--wordvec-dim": (256, "size of a word vector"),
    "--hidden-dim": (512, "size of the hidden state"),
    "--dropout": (0.5, "dropped share, in [0, 1)"),
    "--drop-channels": (False, "drop a channel of the features at all positions alike: else a map "
        "does best to be even, and to average the noise away"),
    "--compiled": (False, "run the LSTMs in C++, on the CPU: the same numbers up to rounding; the "
        "first time, a C++ compiler works for half a minute"),
}  # fmt: skip


def run(options):
    """Train a captioner on a data set and write it to a folder.

    torchrun may start this command several times: the processes share each batch.
    """
    with runs.new_run(options, options.cell) as (settings, folder):
        _train(options, settings, folder)


def _train(options, settings, folder):
    from helpers import training
    from helpers.captioner import CaptioningRNN
    from helpers.encoder import ImageEncoder
    from helpers.layers import use_engine
    from helpers.metrics import bleu, score_captions
    from helpers.pretrained import Captioner, load_captioner, save_captioner
    from helpers.training import distributed, text
    from helpers.training.augmentation import ViewExamples

    if settings.samples and not options.start:
        raise ValueError("--samples needs a captioner that speaks already: --start MODEL")
    if options.voted and not settings.samples:
        raise ValueError("--voted is for self-critical training: --samples N")
    texts, detector = _read_text(options) if options.text else (None, None)
    train_data, val_data = runs.open_split(options, options.split), runs.open_split(options, "val")
    if options.start:
        captioner = load_captioner(options.start, options.device)
        encoder, model = captioner.encoder, captioner.model
        if not isinstance(model, CaptioningRNN):
            raise ValueError(f"--start: {options.start} was not trained by this command")
    else:
        vocabulary = runs.build_vocabulary(options, train_data.captions)
        encoder = ImageEncoder(
            options.backbone, options.weights, options.cell != "attn", options.image_size,
            stride=options.stride, tuned=options.tuned,
        ).to(options.device)  # fmt: skip
    with distributed.first_alone():
        train_data, features = runs.encode_split(options, encoder, train_data, options.views)
        val_data, val_features = runs.encode_split(options, encoder, val_data)
    views, captions = options.views, train_data.captions
    if not options.start:
        training.set_seed(options.seed)
        sizes = {
            "feature_dim": features.shape[-1], "wordvec_dim": options.wordvec_dim,
            "hidden_dim": options.hidden_dim, "dropout": options.dropout,
        }  # fmt: skip
        if detector:
            model = text.TextCaptioner(vocabulary, len(detector.rows), **sizes)
        else:
            model = CaptioningRNN(vocabulary, options.cell, **sizes)
        model.standardise(features[:: len(features) // 600 + 1].astype("float32"))
        model.to(options.device)
    if texts and detector:
        judged = runs.captions_to_be_judged_by(options)
        known, texts = len(texts), text.leave_out(texts, judged)
        left_out = f"{known - len(texts):,} left out, which val or test has"
        print(f"texts of pictures: {len(texts):,}; {left_out}")
        if not texts:
            raise ValueError(f"--text {options.text}: nothing is left to learn from")
        beside = Path(options.tuned).with_name(text.HELD_OUT)
        held_out = text.load_held_out(beside, len(captions), detector)
        features = text.simulate_detections(
            texts, captions, held_out, vocabulary, detector.rows, options.seed
        )
        detector.to(options.device)
        views, captions, val_features = 1, texts, text.detections(detector, val_features)
    model.drop_channels = options.drop_channels and model.cell_type == "attn"
    if settings.samples:
        model.sharpen(options.temperature)
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{model.cell_type}: {parameters:,} parameters, {model.vocabulary}")
    examples = ViewExamples(
        views, features, captions, model.vocabulary, settings.max_words, options.per_image
    )
    voter = captioner.detector if options.voted else None
    voted = _voted(options, model, voter, len(train_data)) if options.voted else None
    metric, decides = (score_captions, "CIDEr-D") if settings.samples else (bleu, "BLEU-4")

    def validate(model):
        decoder = Captioner(encoder, model, voter).decoder
        return training.validation_scores(
            model, val_features, val_data.captions, metric, decoder=decoder
        )

    def keep(model, _):
        learned = model.captioner() if texts else model
        save_captioner(folder / "best", learned, encoder)

    with use_engine("compiled" if options.compiled else "textbook"):
        history = training.train(
            model, examples, validate, settings, folder, options.resume, keep, decides=decides,
            voted=voted,
        )  # fmt: skip
    runs.report(model.cell_type, history, folder, decides)
    print(f"model in {folder / 'best'}, learning curves in {folder / 'curves.png'}")


def _read_text(options):
    """Read captions without pictures, and the detector of their words beside the tuned encoder."""
    from helpers.encoder import load_word_detector
    from helpers.training import text

    if options.start or not options.tuned or options.cell != "attn":
        raise ValueError("--text needs --cell attn and --tuned FILE, and comes before --start")
    detector = load_word_detector(Path(options.tuned).parent)
    if detector is None:
        folder = Path(options.tuned).parent
        raise ValueError(f"--text: in {folder} is no detector of words; `finetune` trains one")
    return text.read_texts(options.text), detector


def _voted(options, model, detector, images):
    """Return a function from rows of images to the model with the detector's vote on these."""
    from helpers.pretrained.fusion import FusedCaptioner
    from helpers.training import text

    if detector is None:
        raise ValueError(f"--voted: {options.start} has no detector of words")
    held_out = text.load_held_out(options.voted, images, detector).to(options.device)
    information = detector.information_of(held_out.float())
    return lambda rows: FusedCaptioner(model, detector, information[rows % images])
