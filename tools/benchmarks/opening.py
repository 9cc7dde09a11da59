"""Open COCO 2017's captions at their true size, from a synthesised copy: seconds and memory.

`python -m tools.benchmarks.opening [folder]` writes 118,287 empty picture files and their
captions to a temporary folder (below `folder`), opens them in a process of its own, and fails when
that takes 10 seconds or 1.5 GB or more.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMAGES, CAPTIONS = 118_287, 591_753
SECONDS, GIGABYTES = 10, 1.5


def write_coco(folder):
    """Write annotations as long as the real ones (91.9 MB) and the pictures' files, empty."""
    rng = random.Random(0)
    words = ["a", "man", "riding", "wave", "on", "top", "of", "surfboard", "in", "the", "kitchen"]
    ids = rng.sample(range(581_930), IMAGES)
    images = [
        {
            "license": 3, "file_name": f"{k:012d}.jpg", "height": 480, "width": 640, "id": k,
            "coco_url": f"http://images.cocodataset.org/train2017/{k:012d}.jpg",
            "date_captured": "2013-11-14 11:18:45",
            "flickr_url": f"http://farm9.staticflickr.com/8186/{k:010d}_f393a6dfd5_z.jpg",
        }
        for k in ids
    ]  # fmt: skip
    annotations = [
        {"image_id": ids[k % IMAGES], "id": k, "caption": " ".join(rng.choices(words, k=11))}
        for k in range(CAPTIONS)
    ]
    pictures = folder / "train2017"
    pictures.mkdir()
    for image in images:
        (pictures / image["file_name"]).touch()
    (folder / "annotations").mkdir()
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations}
    (folder / "annotations" / "captions_train2017.json").write_text(json.dumps(content))


def measure(folder):
    """Open the data set. Returns: dict of images, captions, seconds, gigabytes."""
    from helpers.coco import load_captions

    began = time.perf_counter()
    data = load_captions(folder, "train")
    seconds = time.perf_counter() - began
    # the peak of the whole process; Linux counts in KiB, macOS in bytes
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    captions = sum(map(len, data.captions))
    return {
        "images": len(data), "captions": captions, "seconds": seconds, "gigabytes": peak / 1e9,
    }  # fmt: skip


def main(parent=None):
    """Write, open, report. Returns: 0, or 1 where it took too much."""
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        write_coco(Path(folder))
        code = "import json, sys; from tools.benchmarks.opening import measure; "
        code += "print(json.dumps(measure(sys.argv[1])))"
        root = Path(__file__).parents[2]
        run = subprocess.run(
            [sys.executable, "-c", code, folder], cwd=root, check=True, stdout=subprocess.PIPE
        )
    found = json.loads(run.stdout)
    print(
        f"{found['images']:,} images, {found['captions']:,} captions: "
        f"{found['seconds']:.1f} s, {found['gigabytes']:.2f} GB"
    )
    whole = (found["images"], found["captions"]) == (IMAGES, CAPTIONS)
    return int(not whole or found["seconds"] >= SECONDS or found["gigabytes"] >= GIGABYTES)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
