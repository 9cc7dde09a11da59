"""python -m helpers caption: describe photographs."""

import glob
import io
import json
import os
import subprocess
import sys
from pathlib import Path

from helpers.commands.options import BEAM, MODEL
from helpers.files import check_writable

LARGEST = 200_000_000  # bytes of a photograph from the web or from standard input
SHOWN = 640  # pixels of the longer side, of photographs that are kept to be drawn


OPTIONS = {
    "photos": (list, "image files, folders of them, patterns such as 'a/*.jpg', addresses "
        "(https://...), or - for standard input"),
    **MODEL, **BEAM,
    "--beams": (int, "print the N best of the beam"),
    "--samples": (0, "draw N captions by chance instead"),
    "--temperature": (1.0, "small: safe, large: wild"),
    "--top-p": (float, "draw from the likeliest words, of so much probability together"),
    "--seed": (0, "of the random numbers"),
    "--max-words": (20, "longest caption"),
    "--json": (False, "print JSON"),
    "--picture": (str, "draw photographs and captions into this file, a PNG"),
    "--attention": (str, "draw into this file, a PNG, where the model looked for each word; "
        "several photographs go into numbered files, FILE-1.png and so on (only for a model with "
        "attention)"),
}  # fmt: skip


def run(options):
    """Print captions of photographs, one after the other."""
    from helpers.images import ImageError
    from helpers.pretrained import load_captioner

    if options.attention or options.picture:
        from helpers.plots import attention_maps, caption_gallery, write_figure  # seconds
    for path in (options.picture, options.attention):
        check_writable(path)
    captioner = load_captioner(options.model, options.device)
    cell = captioner.model.cell_type
    if options.attention and cell != "attn":
        raise ValueError(f"--attention: {options.model} has no attention, it is an {cell}")
    photos, records, shown, failed = list(_expand(options.photos)), [], [], False
    for number, photo in enumerate(photos, start=1):
        try:
            image = _open(photo)
        except ImageError as error:
            print(f"caption: {error}", file=sys.stderr)
            failed = True
            continue
        captions = captioner.captions(
            [image], options.beam, count=options.beams or 1, samples=options.samples,
            temperature=options.temperature, top_p=options.top_p, seed=options.seed,
            length_penalty=options.length_penalty, no_repeat_ngram=options.no_repeat_ngram,
            max_length=options.max_words,
        )[0]  # fmt: skip
        for each in captions:
            records.append({"photo": photo, "caption": each.text, "log_prob": each.log_prob})
            if not options.json:
                print(f"{photo}: " * (len(photos) > 1) + each.text, flush=True)
        if options.attention:
            path = Path(options.attention)
            path = path.with_stem(f"{path.stem}-{number}") if len(photos) > 1 else path
            square = captioner.encoder.prepare(image)  # that maps belong to
            figure = attention_maps([square.permute(1, 2, 0).numpy()], captions[:1])
            write_figure(figure, path)
        if options.picture:
            image.thumbnail((SHOWN, SHOWN))
            shown.append((image, captions[0].text))
    if options.json:
        print(json.dumps(records, indent=1, ensure_ascii=False))
    if shown:
        images, texts = zip(*shown, strict=True)
        gallery = caption_gallery(images, texts, columns=min(3, len(shown)), width=32)
        write_figure(gallery, options.picture)
    return 2 if failed else 0


def _expand(arguments):
    """Go through photographs as they are typed: folders and patterns stand for many."""
    from PIL import Image

    for argument in arguments:
        path = os.path.expanduser(argument)
        if os.path.isdir(path):
            known = (*Image.registered_extensions(), ".heic", ".heif")
            inside = [os.path.join(argument, name) for name in sorted(os.listdir(path))]
            yield from [each for each in inside if each.lower().endswith(known)] or [argument]
        elif "://" not in argument and not os.path.exists(path) and glob.has_magic(argument):
            yield from sorted(glob.glob(path, recursive=True)) or [argument]
        else:
            yield argument


def _open(photo):
    """Open a photograph: a path, an address, or standard input. Raises: ImageError."""
    from helpers.images import ImageError, open_image

    if photo == "-":
        return open_image(io.BytesIO(sys.stdin.buffer.read(LARGEST)), "standard input")
    if os.path.isdir(os.path.expanduser(photo)):
        raise ImageError(f"{photo}: there are no pictures in this folder")
    if not photo.lower().startswith(("http://", "https://")):
        return open_image(photo)
    from helpers.commands.download import CURL

    command = [*CURL, "--silent", "--show-error", "--max-time", "300", "--", photo]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as curl:
        assert curl.stdout and curl.stderr
        content = curl.stdout.read(LARGEST + 1)  # some addresses send without end
        if len(content) > LARGEST:
            curl.kill()
            raise ImageError(f"{photo}: more than {LARGEST:,} bytes, too many for a photograph")
        reason = curl.stderr.read().decode(errors="replace").strip().split("\n")[-1]
    if curl.returncode:
        raise ImageError(f"{photo}: cannot be fetched ({reason})")
    return open_image(io.BytesIO(content), photo)
