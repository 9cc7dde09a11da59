"""A scene as a picture with the boxes of its objects."""

import random

from PIL import Image

from data.scenes.backdrops import add_foam, add_glow, add_shadow, paint_setting
from data.scenes.captions import describe
from data.scenes.kinds import SIZE
from data.scenes.layout import sample_scene
from data.scenes.pen import COLOURS, INK, MARGIN, Pen
from data.scenes.things import DRAW

MOONLIGHT, LAMPLIGHT, SUNLIGHT = (176, 194, 246), (255, 214, 110), (255, 240, 180)
LAMPS = {"house": ((27, 69), (73, 69)), "car": ((6, 30),)}  # what is lit at night, design units


def draw_scene(seed):
    """Draw one picture of the built-in data set.

    Inputs:
    - seed: int or str; the same seed gives the same picture on each machine

    Returns: a tuple of
    - PIL image, RGB, 224x224
    - list of 5 str, its captions: lower-case words with spaces between them
    - list of 1 to 3 dicts, its objects: "category" str; "bbox" [x, y, width, height] in pixels of
      the whole object; "area", the pixels of it that no other object hides
    """
    scene = sample_scene(seed)
    picture, objects = draw_picture(scene)
    return picture, describe(scene), objects


def draw_picture(scene):
    """Draw a `layout.Scene`; return the RGB image and its objects, as `draw_scene` does."""
    picture = paint_setting(scene.setting, random.Random(scene.look))
    owner = Image.new("L", (SIZE, SIZE))  # the number of the object that a pixel shows
    objects = []
    for number, thing in enumerate(scene.things, start=1):
        layer = _draw_layer(thing, scene.setting)
        corner = (round(thing.left) - MARGIN, round(thing.top) - MARGIN)
        _add_below(picture, thing, scene.setting)
        picture.paste(layer, corner, layer)
        _add_above(picture, thing)
        mask = layer.getchannel("A").point(lambda alpha: 255 * (alpha >= 128))
        owner.paste(number, corner, mask)
        left, top, right, bottom = mask.getbbox()
        box = [corner[0] + left, corner[1] + top, right - left, bottom - top]
        objects.append({"category": thing.kind, "bbox": box})
    areas = owner.histogram()
    return picture, [{**found, "area": areas[k]} for k, found in enumerate(objects, start=1)]


def _draw_layer(thing, setting):
    """Return the thing on a transparent layer with `MARGIN` empty pixels around it."""
    pen = Pen(thing.design.width, thing.design.height, thing.scale)
    DRAW[thing.kind](pen, COLOURS[thing.colour or "green"], thing.variant)
    dark = setting == "night" and thing.kind != "moon"
    layer = pen.finish(MOONLIGHT if dark else INK)
    if thing.flip:
        layer = layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if dark:
        dusk = Image.new("RGBA", layer.size, (16, 24, 70))
        dusk.putalpha(layer.getchannel("A"))
        layer = Image.blend(layer, dusk, 0.2)
    return layer


def _add_below(picture, thing, setting):
    """Add what the thing does to the picture behind it: a glow in the sky, a shadow below."""
    x, y = thing.middle, thing.top + thing.height / 2
    if thing.kind in ("sun", "moon"):
        light = SUNLIGHT if thing.kind == "sun" else MOONLIGHT
        add_glow(picture, x, y, round(thing.width * 1.45), light)
    elif thing.design.place in ("ground", "road"):
        add_shadow(picture, x, thing.bottom - 1, thing.width, setting)


def _add_above(picture, thing):
    """Add what surrounds the thing in front: foam along a hull, the light of lamps at night."""
    if thing.kind == "boat":
        add_foam(picture, thing.middle, thing.bottom - 1, thing.width)
    for x, y in LAMPS[thing.kind] if thing.variant == "lit" else ():
        across = thing.width - x * thing.scale if thing.flip else x * thing.scale
        radius = round(21 * thing.scale)
        add_glow(picture, thing.left + across, thing.top + y * thing.scale, radius, LAMPLIGHT, 120)
