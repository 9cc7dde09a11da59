"""Where the makers of the data sets publish them, how large the files are, and their hashes.

COCO's sizes and SHA-256, and those of Karpathy's zip, are the ones in TensorFlow Datasets
(url_checksums/coco_captions.txt). Flickr8k's authors no longer host it; the MD5 of the copies are
the ones in Flashlight and in torchvision for R. The courses publish neither size nor hash.
"""

from typing import NamedTuple


class Source(NamedTuple):
    """One file on the web, with what is published about it."""

    url: str
    size: int | None = None  # bytes
    digest: str | None = None  # "sha256:" or "md5:" and hex digits

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]


class DataSet(NamedTuple):
    """What makes up a data set."""

    about: str
    folder: str  # below data/
    sources: tuple[Source, ...]
    pictures: tuple[str, ...] = ()  # folders of photographs whose addresses the captions tell


_COCO = """
annotations_trainval2017 252907541 113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268
val2017 815585330 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05
train2017 19336861798 69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929
annotations_trainval2014 252872794 031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009
val2014 6645013297 fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0
train2014 13510573713 ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775
"""


def _coco(year: str) -> tuple[Source, ...]:
    """List the files of a year: annotations, val, train."""
    rows = [line.split() for line in _COCO.split("\n") if f"{year} " in line]
    kinds = ("annotations", "zips", "zips")
    return tuple(
        Source(f"http://images.cocodataset.org/{kind}/{name}.zip", int(size), f"sha256:{sha256}")
        for kind, (name, size, sha256) in zip(kinds, rows, strict=True)
    )


def _flickr8k(name: str, md5: str) -> Source:
    folder = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k"
    return Source(f"{folder}/{name}.zip", None, f"md5:{md5}")


DATA_SETS = {
    "coco2017-val": DataSet("COCO 2017, split val: 5,000 photographs, 1.1 GB", "coco2017",
        _coco("2017")[:2], ("val2017",)),
    "coco2017": DataSet("COCO 2017: 123,287 photographs, 20.4 GB", "coco2017",
        _coco("2017"), ("train2017", "val2017")),
    "coco2014": DataSet("COCO 2014: the same photographs, split otherwise, 20.4 GB", "coco2014",
        _coco("2014"), ("train2014", "val2014")),
    "flickr8k": DataSet("Flickr8k: 8,091 photographs, 1.1 GB", "flickr8k",
        (_flickr8k("Flickr8k_text", "bf6c1abcb8e4a833b7f922104de18627"),
         _flickr8k("Flickr8k_Dataset", "f18a1e2920de5bd84dae7cf08ec78978"))),
    "karpathy": DataSet(
        "Karpathy's splits of COCO 2014, Flickr8k and Flickr30k: captions alone, 37 MB", "karpathy",
        (Source("https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip",
            36_745_453, "sha256:4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817"),
        )),
    "cs231n": DataSet("CS231n's captions and features of COCO 2014: no photographs, 1 GB", "cs231n",
        (Source("https://cs231n.stanford.edu/coco_captioning.zip"),)),
    "eecs498": DataSet("EECS 498's share of COCO 2014: small photographs, 0.4 GB", "eecs498",
        (Source("https://web.eecs.umich.edu/~justincj/teaching/eecs498/coco.pt"),)),
}  # fmt: skip
