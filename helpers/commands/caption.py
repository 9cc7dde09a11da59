"""python -m helpers caption: photographs in, sentences out."""

import json
from pathlib import Path

from helpers.commands.options import add_beam, add_model, new_command


def add_command(commands):
    """Add the command to those of the parser."""
    command = new_command(commands, caption, "describe photographs")
    command.add_argument("photos", nargs="+", metavar="PHOTO", help="image files")
    add_model(command)
    add_beam(command)
    command.add_argument("--max-words", type=int, default=20, help="longest caption")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--picture", metavar="PNG", help="draw photographs and captions here")
    command.add_argument(
        "--attention", metavar="PNG",
        help="draw here where the model looked for each word; several photographs are drawn into "
        "numbered files, PNG-1 and so on (only for a model with attention)",
    )  # fmt: skip


def caption(options):
    """Print a caption for each photograph."""
    from helpers.images import open_image
    from helpers.pretrained import load_captioner

    images = [open_image(photo) for photo in options.photos]
    captioner = load_captioner(options.model, options.device)
    cell_type = captioner.model.cell_type
    if options.attention and cell_type != "attn":
        raise ValueError(f"--attention: {options.model} has no attention, it is an {cell_type}")
    captions = captioner.caption(
        images, options.beam, length_penalty=options.length_penalty, max_length=options.max_words
    )
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
