"""Write small data sets in the exact layouts in which the real ones are published."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
import torch
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


def write_zip(path, files, packing=zipfile.ZIP_DEFLATED):
    """Write a dict of path -> bytes or str (else JSON) into a zip archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", packing) as archive:
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


def karpathy(name="flickr8k", splits=("train", "train", "val", "test")):
    """Give Karpathy's JSON file, one image per named split, and the images it names."""
    images, files = [], {}
    for k, split in enumerate(splits):
        sentences = [{"tokens": c.lower().split()[:-1], "raw": c, "imgid": k} for c in CAPTIONS]
        image = {"imgid": k, "split": split, "sentences": sentences, "filename": f"{k}_ab.jpg"}
        folder = {"flickr8k": "Flicker8k_Dataset", "flickr30k": "flickr30k-images"}.get(name)
        if name == "coco":
            folder = "train2014" if split == "train" else "val2014"
            image["filename"] = f"COCO_{folder}_{100 + k:012d}.jpg"
            image |= {"filepath": folder, "cocoid": 100 + k}
        images.append(image)
        files[f"{folder}/{image['filename']}"] = jpeg()
    return {f"dataset_{name}.json": {"images": images, "dataset": name}, **files}


WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "dog", "runs", "cat"]
# "a dog runs", "a <UNK> runs", "a cat"; the ids end with <END> and are filled up with <NULL>
IDS = np.zeros((3, 17), np.int32)
IDS[0, :5], IDS[1, :5], IDS[2, :4] = (1, 4, 5, 6, 2), (1, 4, 3, 6, 2), (1, 4, 7, 2)


def hdf5(**arrays):
    """Give the bytes of an HDF5 file with some arrays."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return buffer.getvalue()


def cs231n(folder="coco_captioning/"):
    """Give the files of CS231n: picture 1 with two captions, picture 0 with one, 2 with none."""
    arrays, files = {}, {}
    for split in ("train", "val"):
        arrays |= {f"{split}_captions": IDS, f"{split}_image_idxs": np.array([1, 1, 0], np.int32)}
        features = np.arange(3 * 512, dtype=np.float32).reshape(3, 512)
        files[f"{split}2014_vgg16_fc7_pca.h5"] = hdf5(features=features)
        files[f"{split}2014_urls.txt"] = "".join(f"http://a/{split}{k}.jpg\n" for k in range(3))
    files["coco2014_captions.h5"] = hdf5(**arrays)
    numbers = {word: k for k, word in enumerate(WORDS)}
    files["coco2014_vocab.json"] = {"idx_to_word": WORDS, "word_to_idx": numbers}
    return {folder + name: content for name, content in files.items()}


def torch_file(content, **options):
    """Give the bytes of what `torch.save` writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def eecs498_content():
    """Give what EECS 498's coco.pt holds: three pictures per split, each of one colour."""
    colours = torch.arange(9, dtype=torch.uint8).reshape(3, 3, 1, 1) * 20
    images = colours.expand(3, 3, 112, 112).contiguous()
    vocab = {"idx_to_token": WORDS, "token_to_idx": {word: k for k, word in enumerate(WORDS)}}
    captions = torch.from_numpy(IDS).long()
    return {
        "train_images": images, "val_images": images, "train_captions": captions,
        "val_captions": captions, "vocab": vocab,
    }  # fmt: skip


def described(data):
    """Give what tests compare of a data set: name, split, images, the different captions."""
    return data.name, data.split, len(data), set(map(tuple, data.captions))


# Each of these writes a data set into a folder, and gives what `load_captions` is to open.


def flickr8k_zips(folder):
    write_zip(folder / "Flickr8k_Dataset.zip", flickr8k_images())
    write_zip(folder / "Flickr8k_text.zip", flickr8k_text())
    return folder


def flickr8k_folder(folder):
    return write_files(folder, flickr8k_images() | flickr8k_text())


def flickr8k_two_folders(folder):
    write_files(folder / "Flickr8k_Dataset", flickr8k_images())
    write_files(folder / "Flickr8k_text", flickr8k_text())
    return folder


def coco_folder(folder, split):
    return write_files(folder, coco(split))


def coco_images_folder(folder, split):
    images = {f"images/{name}": file for name, file in coco_images(3, split).items()}
    annotations = coco(split).items()
    return write_files(folder, images | {k: v for k, v in annotations if "annotations" in k})


def coco_one_zip(folder, split):
    return write_zip(folder / "all.zip", coco(split))


def coco_zips(folder, split):
    files = coco(split)
    annotations = {name: files.pop(name) for name in list(files) if "annotations" in name}
    write_zip(folder / f"annotations_trainval{split[-4:]}.zip", annotations)
    write_zip(folder / f"{split}.zip", files)
    return folder


def in_folder(folder, files):
    return write_files(folder, files)


def in_one_zip(folder, files):
    return write_zip(folder / "all.zip", files)


def in_two_zips(folder, files):
    files = dict(files)
    first = {name: files.pop(name) for name in list(files)[:1]}
    write_zip(folder / "annotations.zip", first)
    write_zip(folder / "rest.zip", files)
    return folder


every_packing = pytest.mark.parametrize("write", [in_folder, in_one_zip, in_two_zips])
