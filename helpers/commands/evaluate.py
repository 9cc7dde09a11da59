"""python -m helpers evaluate: captions against references."""

from helpers.commands.options import add_beam, add_data, add_model, encode_split, new_command


def add_command(commands):
    """Add the command to those of the parser."""
    command = new_command(commands, evaluate, "score a captioner against reference captions")
    add_model(command)
    add_data(command)
    command.add_argument("--split", default="val", help="train, val or test")
    add_beam(command)
    command.add_argument("--json", metavar="FILE", help="write scores and captions here")


def evaluate(options):
    """Score a captioner on a split of a data set."""
    from helpers.decoding import best
    from helpers.features import encode_features
    from helpers.files import write_json
    from helpers.metrics import java_scores, score_captions
    from helpers.pretrained import load_captioner

    captioner = load_captioner(options.model, options.device)
    data, features = encode_split(options, captioner.encoder, options.split)
    arrays = [features]
    if captioner.guide:
        arrays.append(encode_features(data, captioner.guide.classifier, options.cache))
    texts = []
    for batch, *classes in _batches(arrays, options.device):
        model = captioner.decoder(*classes) if classes else captioner.model
        captions = best(model, batch, options.beam, options.length_penalty)
        texts += [caption.text for caption in captions]
    java, absent = java_scores(data.captions, texts)
    scores = score_captions(data.captions, texts) | java
    decoding = "greedy"
    if options.beam > 1:
        decoding = f"beam {options.beam}, length penalty {options.length_penalty:g}"
    print(f"{options.model} on {data.name} {data.split}: {len(data):,} images, {decoding}")
    for name, score in scores.items():
        print(f"{name:8} {score:.4f}")
    for name, reason in absent.items():
        print(f"{name:8} absent: {reason}")
    if options.json:
        captions = dict(zip(map(str, data.ids), texts, strict=True))
        record = {"images": len(data), "decoding": decoding, **scores}
        write_json(options.json, {**record, "absent": absent, "captions": captions})


def _batches(arrays, device, size=64):
    """Cut arrays into float32 tensors of `size` images."""
    import torch

    for start in range(0, len(arrays[0]), size):
        rows = [array[start : start + size].astype("float32") for array in arrays]
        yield [torch.from_numpy(array).to(device) for array in rows]
