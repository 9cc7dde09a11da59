"""A pen that draws one thing of a scene on a transparent layer, smoothly and with shading."""

from functools import lru_cache
from math import cos, radians, sin

from PIL import Image, ImageChops, ImageDraw, ImageFilter

FINE = 4  # the layer has this many pixels per pixel of the finished picture
MARGIN = 4  # empty pixels around the layer, so that the outline has room

COLOURS = {
    "red": (212, 42, 46),
    "orange": (242, 128, 30),
    "yellow": (252, 208, 40),
    "green": (62, 158, 68),
    "blue": (34, 98, 214),
    "purple": (134, 66, 188),
    "pink": (246, 116, 174),
    "white": (247, 247, 244),
    "black": (50, 50, 58),
    "brown": (142, 90, 48),
    "grey": (142, 148, 158),
}
INK = (34, 34, 46)
SNOW = (244, 248, 255)


def mix(colour, other, amount):
    """Return `colour` moved towards `other` by `amount` in [0, 1]; RGB triples in [0, 255]."""
    return tuple(round(a + (b - a) * amount) for a, b in zip(colour, other, strict=False))


def lighter(colour, amount=0.3):
    """Return the RGB `colour` moved towards white by `amount`."""
    return mix(colour, (255, 255, 255), amount)


def darker(colour, amount=0.25):
    """Return the RGB `colour` moved towards a dark blue by `amount`: shadows are never grey."""
    return mix(colour, (20, 16, 48), amount)


def arc(x, y, rx, ry, start, end, steps=24):
    """Return points on an ellipse around (x, y) from angle `start` to `end`, degrees clockwise."""
    angles = [radians(start + (end - start) * k / steps) for k in range(steps + 1)]
    return [(x + rx * cos(a), y + ry * sin(a)) for a in angles]


def curve(points, closed=False, steps=8):
    """Return points on a smooth curve through `points` (a Catmull-Rom spline)."""
    before, after = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    p = [*before, *points, *after]
    smooth = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        for k in range(steps):
            t = k / steps
            smooth.append(
                tuple(
                    0.5
                    * (
                        2 * q
                        + (r - o) * t
                        + (2 * o - 5 * q + 4 * r - s) * t**2
                        + (3 * q - o - 3 * r + s) * t**3
                    )
                    for o, q, r, s in zip(a, b, c, d, strict=False)
                )
            )
    return smooth if closed else [*smooth, points[-1]]


@lru_cache(maxsize=1)
def _falling_light():
    """Return a 256x256 grey image, dark at the top left and light at the bottom right."""
    down = Image.linear_gradient("L")
    return ImageChops.add(down, down.transpose(Image.Transpose.TRANSPOSE), scale=2)


class Pen:
    """Draw in design units, where one unit is `scale` pixels of the finished picture.

    The layer is `FINE` times finer than the picture, and `finish` averages it down: Pillow draws
    hard edges, and this is what makes them soft. Every colour is an RGB triple; a colour of None
    rubs out what was there.
    """

    def __init__(self, width, height, scale):
        self.unit = scale * FINE
        size = (round(width * scale) + 2 * MARGIN, round(height * scale) + 2 * MARGIN)
        self.layer = Image.new("RGBA", (size[0] * FINE, size[1] * FINE))
        self.draw = ImageDraw.Draw(self.layer)

    def _place(self, points):
        return [(x * self.unit + MARGIN * FINE, y * self.unit + MARGIN * FINE) for x, y in points]

    @staticmethod
    def _ink(colour):
        return (0, 0, 0, 0) if colour is None else (*colour, 255)

    def oval(self, x, y, rx, ry, colour):
        """Fill an ellipse around (x, y)."""
        corners = self._place([(x - rx, y - ry), (x + rx, y + ry)])
        self.draw.ellipse(corners, fill=self._ink(colour))

    def box(self, x0, y0, x1, y1, colour, radius=0.0):
        """Fill a rectangle, its corners rounded by `radius`."""
        corners = self._place([(x0, y0), (x1, y1)])
        self.draw.rounded_rectangle(corners, radius * self.unit, fill=self._ink(colour))

    def shape(self, points, colour):
        """Fill a polygon."""
        self.draw.polygon(self._place(points), fill=self._ink(colour))

    def blob(self, points, colour):
        """Fill the smooth closed curve through `points`."""
        self.shape(curve(points, closed=True), colour)

    def stroke(self, points, colour, width):
        """Draw a smooth line through `points`, `width` units wide, with round ends."""
        placed = self._place(curve(points))
        ink, thick = self._ink(colour), max(1, round(width * self.unit))
        self.draw.line(placed, fill=ink, width=thick, joint="curve")
        for x, y in (placed[0], placed[-1]):
            r = thick / 2
            self.draw.ellipse((x - r, y - r, x + r, y + r), fill=ink)

    def finish(self, rim_colour=INK):
        """Return the layer at the size of the picture, outlined and shaded at the lower right.

        Returns: RGBA image with `MARGIN` empty pixels around the design.
        """
        small = self.layer.reduce(FINE)
        alpha = small.getchannel("A")
        rim = alpha.filter(ImageFilter.BoxBlur(1)).point(lambda a: min(255, a * 22 // 10))
        result = Image.new("RGBA", small.size, rim_colour)
        result.putalpha(rim.point(lambda a: a * 55 // 100))
        shading = Image.new("RGBA", small.size, (16, 10, 60, 0))
        dark = _falling_light().resize(small.size).point(lambda g: max(0, g - 90) * 70 // 165)
        shading.putalpha(ImageChops.multiply(dark, alpha))
        result.alpha_composite(small)
        result.alpha_composite(shading)
        return result
