"""Write small data sets in the exact layouts in which the real ones are published."""

import io
import json
import zipfile

from PIL import Image

CAPTIONS = [f"A dog number {k} runs ." for k in range(5)]


def jpeg(colour="red", size=(8, 6)):
    """Give the bytes of a JPEG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


def write_files(folder, files):
    """Write a dict of path -> bytes or str (else JSON) below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_bytes(content))
    return folder


def write_zip(path, files):
    """Write a dict of path -> bytes or str (else JSON) into a zip archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, to_bytes(content))
    return path


def to_bytes(content):
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def flickr8k_images(count=3):
    """Give the image files of Flickr8k, its folder misspelt as in the original."""
    return {f"Flicker8k_Dataset/{k}_ab.jpg": jpeg() for k in range(count)}


def flickr8k_text(count=3):
    """Give the text files: the last image is in the dev list, the others in the train list."""
    names = [f"{k}_ab.jpg" for k in range(count)]
    lines = [f"{name}#{k}\t{caption}\n" for name in names for k, caption in enumerate(CAPTIONS)]
    return {
        "Flickr8k.token.txt": "".join(lines),
        "Flickr_8k.trainImages.txt": "".join(f"{name}\n" for name in names[:-1]),
        "Flickr_8k.devImages.txt": f"{names[-1]}\n",
    }


def kaggle(count=3):
    """Give the files of Flickr8k as found on Kaggle."""
    names = [f"{k}_ab.jpg" for k in range(count)]
    rows = [f'{name},"A dog, number {k}, runs ."\n' for name in names for k in range(5)]
    return {f"Images/{name}": jpeg() for name in names} | {
        "captions.txt": "image,caption\n" + "".join(rows)
    }


def coco_images(count=3, folder="train2017"):
    """Give the image files of a COCO split."""
    return {f"{folder}/{k:012d}.jpg": jpeg() for k in range(count)}


def coco_captions(count=3):
    """Give the content of `captions_*.json`."""
    return {
        "info": {},
        "licenses": [],
        "images": [{"id": k, "file_name": f"{k:012d}.jpg"} for k in range(count)],
        "annotations": [
            {"image_id": k, "id": 10 * k + n, "caption": caption}
            for n, caption in enumerate(CAPTIONS)
            for k in range(count)
        ],
    }


def coco_instances():
    """Give the content of `instances_*.json`: a dog and a boat in image 0, nothing in others."""
    return {
        "images": [],
        "categories": [{"id": 9, "name": "boat"}, {"id": 18, "name": "dog"}],
        "annotations": [
            {"image_id": 0, "category_id": 18, "bbox": [1.5, 2, 3, 4]},
            {"image_id": 0, "category_id": 9, "bbox": [0, 0, 5, 5]},
        ],
    }


def coco(split="train2017", count=3):
    """Give all files of one COCO split."""
    return {
        f"annotations/captions_{split}.json": coco_captions(count),
        f"annotations/instances_{split}.json": coco_instances(),
        **coco_images(count, split),
    }
