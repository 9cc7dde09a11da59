"""python -m helpers evaluate: score a captioner against reference captions."""

from helpers.commands import runs
from helpers.commands.options import BEAM, MODEL, SET
from helpers.files import DataError, check_writable, read_json, write_json

BATCH = 64  # images that are captioned at once

OPTIONS = MODEL | SET | BEAM | {
    "--split": ("val", "train, val or test"),
    "--results": (str, "score the captions of this file instead of a model's: JSON in COCO's form, "
        '[{"image_id": 9, "caption": "a dog"}, ...]'),
    "--out": (str, "write the captions into this file, in that form"),
    "--json": (str, "write scores and captions into this file"),
}  # fmt: skip


def run(options):
    """Score captions of a split of a data set: a captioner's, or those of a file."""
    from helpers.metrics import java_scores, score_captions

    for path in (options.out, options.json, None if options.results else options.cache):
        check_writable(path)
    data = runs.open_split(options, options.split)
    if options.results:
        data, texts = _read_results(options.results, data)
        name, decoding = options.results, "captions of a file"
    else:
        data, texts = _say(options, data)
        name, decoding = options.model, "greedy"
        if options.beam > 1:
            decoding = f"beam {options.beam}, length penalty {options.length_penalty:g}"
    if options.out:
        pairs = zip(data.ids, texts, strict=True)
        write_json(options.out, [{"image_id": i, "caption": text} for i, text in pairs])
    java, absent = java_scores(data.captions, texts)
    scores = score_captions(data.captions, texts) | java
    if "CIDEr-D" not in scores:
        absent = {"CIDEr-D": "needs images with different references"} | absent
    print(f"{name} on {data.name} {data.split}: {len(data):,} images, {decoding}")
    for metric, score in scores.items():
        print(f"{metric:8} {score:.4f}")
    for metric, reason in absent.items():
        print(f"{metric:8} absent: {reason}")
    if options.json:
        captions = dict(zip(map(str, data.ids), texts, strict=True))
        record = {"images": len(data), "decoding": decoding, **scores}
        write_json(options.json, {**record, "absent": absent, "captions": captions})


def _say(options, data):
    """Caption a data set. Returns: the part of it that can be read; a text for each image."""
    import torch

    from helpers.decoding import best
    from helpers.pretrained import load_captioner

    captioner = load_captioner(options.model, options.device)
    data, features = runs.encode_split(options, captioner.encoder, data)
    texts = []
    for start in range(0, len(data), BATCH):
        batch = torch.from_numpy(features[start : start + BATCH].astype("float32"))
        batch = batch.to(options.device)
        captions = best(
            captioner.decoder(batch), batch, options.beam, length_penalty=options.length_penalty,
            no_repeat_ngram=options.no_repeat_ngram,
        )  # fmt: skip
        texts += [caption.text for caption in captions]
    return data, texts


def _read_results(path, data):
    """Read captions in COCO's form of results.

    Returns: the part of a data set that they describe; a text for each of its images
    Raises: DataError naming the file and the entry that is wrong
    """
    content, said = read_json(path), {}
    rows = {str(image_id): i for i, image_id in enumerate(data.ids)}
    if not isinstance(content, list) or not content:
        raise DataError(f"{path}: expected a list of entries with 'image_id' and 'caption'")
    for k, entry in enumerate(content):
        if not isinstance(entry, dict) or not isinstance(entry.get("caption"), str):
            raise DataError(f"{path}: entry {k} needs 'image_id' and 'caption', a text")
        row = rows.get(str(entry.get("image_id")))
        if row is None or row in said:
            problem = "stands twice" if row in said else f"is no image of {data.name} {data.split}"
            raise DataError(f"{path}: entry {k}: {entry.get('image_id')!r} {problem}")
        said[row] = entry["caption"]
    if len(said) < len(data):
        print(f"captions of {len(said):,} of the {len(data):,} images")
    return data.subset(sorted(said)), [said[row] for row in sorted(said)]
