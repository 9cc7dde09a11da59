"""The built-in captioned data set: drawn from a seed, stored in COCO's own layout.

`kinds` lists what there can be, `layout` decides what is where, `backdrops`, `nature` and
`things` draw it with `pen`, `drawing` puts the picture together, `captions` puts it into words,
and `dataset` writes it to disk.
"""

from data.scenes.captions import CATEGORY_OF_WORD
from data.scenes.dataset import generate_scenes
from data.scenes.drawing import draw_scene

__all__ = ["CATEGORY_OF_WORD", "draw_scene", "generate_scenes"]
