"""The settings of the built-in pictures: meadow, beach, sea, street, snow, night, autumn."""

from functools import lru_cache
from math import sin

from PIL import Image, ImageDraw, ImageFilter

from data.scenes.kinds import SIZE
from data.scenes.pen import lighter

FINE = 2  # a backdrop is drawn this many times finer
WIDE = SIZE * FINE


@lru_cache(maxsize=128)
def _gradient(height, *colours):
    """Return a backdrop-wide image that runs from the first colour at the top to the last."""
    column = Image.new("RGB", (1, len(colours)))
    column.putdata(colours)
    # BILINEAR is flat over the outer half of the end pixels, so cut those halves away.
    inner = (0, 0.5, 1, len(colours) - 0.5)
    column = column.resize((1, height), Image.Resampling.BILINEAR, box=inner)
    return column.resize((WIDE, height))


@lru_cache(maxsize=64)
def soft_ellipse(width, height):
    """Return a grey image of a blurred ellipse: the shape of a glow or of a shadow."""
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).ellipse((16, 16, 48, 48), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(6)).resize((width, height))


class Backdrop:
    """The canvas of a setting. Coordinates are pixels of the finished picture."""

    def __init__(self, rng):
        self.rng = rng
        self.image = Image.new("RGB", (WIDE, WIDE))
        self.draw = ImageDraw.Draw(self.image)

    def band(self, y0, y1, *colours):
        """Fill the rows from y0 to y1 with a vertical gradient."""
        top, bottom = round(y0 * FINE), round(y1 * FINE)
        self.image.paste(_gradient(bottom - top, *colours), (0, top))

    def wave(self, y, swell, waves=1.6):
        """Return the points of a wavy edge around row `y`, in pixels of the canvas."""
        phase, tilt = self.rng.uniform(0, 6.3), self.rng.uniform(-0.5, 0.5) * swell
        edge = []
        for x in range(0, WIDE + 1, 8):
            part = x / WIDE
            height = sin(phase + part * 6.3 * waves) + 0.4 * sin(2 * phase + part * 17)
            edge.append((x, (y + swell * height * 0.7 + tilt * (part - 0.5)) * FINE))
        return edge

    def below(self, edge, *colours):
        """Fill everything below an edge with a vertical gradient."""
        top = round(min(y for _, y in edge))
        mask = Image.new("L", (WIDE, WIDE - top))
        low = [(x, y - top) for x, y in [*edge, (WIDE, WIDE), (0, WIDE)]]
        ImageDraw.Draw(mask).polygon(low, fill=255)
        self.image.paste(_gradient(WIDE - top, *colours), (0, top), mask)

    def ground(self, y, swell, *colours, waves=1.6):
        """Fill everything below a wavy edge around row `y` with a vertical gradient."""
        self.below(self.wave(y, swell, waves), *colours)

    def blend(self, draw_mask, colour, blur=0.0):
        """Lay `colour` over the picture through a grey mask that `draw_mask(draw)` paints."""
        mask = Image.new("L", (SIZE, SIZE))
        draw_mask(ImageDraw.Draw(mask))
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur))
        self.image.paste(colour, (0, 0), mask.resize((WIDE, WIDE), Image.Resampling.BILINEAR))

    def clouds(self, count, colour=(255, 255, 255), lowest=70):
        """Draw `count` soft clouds above row `lowest`."""
        rng = self.rng

        def puffs(draw):
            for _ in range(count):
                x, y, s = rng.uniform(0, SIZE), rng.uniform(14, lowest), rng.uniform(0.7, 1.3)
                for dx, dy, r in [(-17, 2, 8), (-6, -3, 11), (7, -1, 10), (18, 3, 7)]:
                    draw.ellipse(
                        (
                            x + (dx - r) * s,
                            y + (dy - r * 0.7) * s,
                            x + (dx + r) * s,
                            y + (dy + r * 0.7) * s,
                        ),
                        fill=205,
                    )

        self.blend(puffs, colour, 1.6)

    def specks(self, count, y0, y1, colours, size=(0.6, 1.4), flat=1.0):
        """Scatter small dots of random colours between the rows y0 and y1."""
        for _ in range(count):
            x, y = self.rng.uniform(0, WIDE), self.rng.uniform(y0, y1) * FINE
            r = self.rng.uniform(*size) * FINE
            self.draw.ellipse(
                (x - r, y - r * flat, x + r, y + r * flat), fill=self.rng.choice(colours)
            )

    def blades(self, count, y0, y1, colours):
        """Draw tufts of grass between the rows y0 and y1, larger towards the viewer."""
        for _ in range(count):
            x, y = self.rng.uniform(0, WIDE), self.rng.uniform(y0, y1)
            length = (2 + 5 * (y - y0) / (y1 - y0)) * FINE
            colour = self.rng.choice(colours)
            for lean in (-0.5, 0, 0.5):
                self.draw.line((x, y * FINE, x + lean * length, y * FINE - length), colour, FINE)


def _meadow(b):
    clear, hazy = ((96, 176, 240), (214, 238, 252)), ((122, 190, 236), (236, 244, 236))
    b.band(0, 140, *b.rng.choice((clear, hazy)))
    b.clouds(b.rng.randint(2, 4))
    b.ground(118, 8, (150, 192, 196), (126, 178, 160))
    b.ground(130, 7, (140, 196, 106), (112, 176, 88))
    b.ground(146, 5, (128, 196, 78), (92, 168, 62), (70, 140, 52))
    b.blades(60, 156, 222, [(70, 146, 54), (150, 208, 96), (88, 166, 64)])


def _beach(b):
    b.band(0, 104, (92, 182, 240), (220, 242, 250))
    b.clouds(b.rng.randint(1, 3), lowest=60)
    b.band(100, 158, (40, 128, 190), (64, 176, 208), (120, 214, 216))
    _ripples(b, 24, 104, 146, (150, 220, 232))
    shore = b.wave(150, 3, 2.3)
    foam, wet = [(250, 252, 250), (236, 240, 226)], [(210, 182, 128), (210, 182, 128)]
    dry = [(244, 222, 164), (236, 204, 140), (222, 184, 118)]
    for lower, colours in [(0, foam), (4, wet), (8, dry)]:
        b.below([(x, y + lower * FINE) for x, y in shore], *colours)
    b.specks(150, 166, 224, [(214, 178, 112), (250, 234, 186), (198, 160, 100)], (0.4, 0.9))


def _ripples(b, count, y0, y1, colour):
    for _ in range(count):
        x, y, w = b.rng.uniform(0, SIZE), b.rng.uniform(y0, y1), b.rng.uniform(6, 16)
        b.draw.line((x * FINE, y * FINE, (x + w) * FINE, y * FINE), fill=colour, width=FINE)


def _sea(b):
    noon, evening = ((104, 186, 240), (226, 244, 250)), ((120, 176, 226), (250, 232, 214))
    b.band(0, 130, *b.rng.choice((noon, evening)))
    b.clouds(b.rng.randint(1, 3), lowest=50)
    b.ground(114, 2.4, (62, 150, 206), (44, 128, 190), waves=3)
    deep = [(44, 170, 202), (26, 130, 186), (18, 88, 154), (14, 62, 120)]
    surface = b.wave(122, 1.8, waves=4)
    b.below(surface, *deep)
    b.draw.line(surface, fill=(214, 244, 250), width=2 * FINE, joint="curve")

    def rays(draw):
        for _ in range(4):
            x, w = b.rng.uniform(10, SIZE), b.rng.uniform(6, 14)
            draw.polygon([(x, 126), (x + w, 126), (x + w * 2 - 34, 214), (x - 40, 214)], fill=26)

    b.blend(rays, (255, 255, 255), 3)
    b.ground(213, 3, (206, 190, 138), (168, 150, 112))
    for _ in range(b.rng.randint(3, 6)):
        _seaweed(b, b.rng.uniform(4, SIZE - 4))
    for _ in range(9):
        x, y, r = b.rng.uniform(4, 220), b.rng.uniform(140, 205), b.rng.uniform(1.4, 2.8)
        box = [v * FINE for v in (x - r, y - r, x + r, y + r)]
        b.draw.ellipse(box, outline=(176, 228, 240), width=FINE)


def _seaweed(b, x):
    height, lean = b.rng.uniform(12, 26), b.rng.uniform(-2, 2)
    stalk = [
        ((x + 3 * sin(k * 1.3 + x) + lean * k * 0.4) * FINE, (219 - height * k / 6) * FINE)
        for k in range(7)
    ]
    colour = b.rng.choice([(38, 122, 92), (60, 142, 84), (30, 104, 96)])
    b.draw.line(stalk, fill=colour, width=3 * FINE, joint="curve")


def _street(b):
    b.band(0, 150, (150, 196, 232), (238, 240, 232))
    b.clouds(b.rng.randint(1, 3), lowest=46)
    for tallest, colour in [(84, (186, 204, 220)), (54, (162, 182, 204))]:
        _skyline(b, tallest, colour)
    b.band(138, 172, (204, 200, 192), (186, 180, 172))
    for x in range(-40, 260, 28):
        b.draw.line(
            [(x * FINE, 172 * FINE), ((x * 0.8 + 22) * FINE, 138 * FINE)],
            fill=(172, 166, 160),
            width=FINE,
        )
    b.band(170, 175, (150, 148, 146), (120, 120, 122))
    b.band(175, 224, (94, 98, 106), (74, 78, 88))
    shift = b.rng.uniform(-30, 0)
    for k in range(6):
        x = (shift + 50 * k) * FINE
        b.draw.rectangle((x, 213 * FINE, x + 26 * FINE, 216 * FINE), fill=(240, 226, 160))


def _skyline(b, tallest, colour):
    x = -b.rng.uniform(0, 20)
    while x < SIZE:
        width, height = b.rng.uniform(20, 40), b.rng.uniform(0.45, 1) * tallest
        left, right, top = x * FINE, (x + width) * FINE, (140 - height) * FINE
        b.draw.rectangle((left, top, right, 140 * FINE), fill=colour)
        for wx in range(round(x) + 4, round(x + width) - 4, 8):
            for wy in range(round(140 - height) + 5, 132, 10):
                b.draw.rectangle(
                    (wx * FINE, wy * FINE, (wx + 3) * FINE, (wy + 5) * FINE),
                    fill=lighter(colour, 0.3),
                )
        x += width + b.rng.uniform(0, 4)


def _snow(b):
    b.band(0, 140, (140, 170, 206), (224, 232, 244))
    b.ground(112, 10, (214, 224, 240), (188, 204, 228))
    b.ground(130, 7, (232, 238, 248), (206, 218, 238))
    b.ground(148, 5, (248, 251, 255), (222, 232, 246), (204, 218, 240))
    b.specks(36, 158, 222, [(226, 234, 248), (255, 255, 255)], (1.0, 3.0), flat=0.4)
    b.specks(110, 0, 150, [(255, 255, 255), (240, 246, 255)], (0.7, 1.6))


def _night(b):
    b.band(0, 150, (12, 18, 58), (28, 40, 98), (70, 76, 134))
    b.specks(75, 0, 112, [(255, 255, 240), (214, 224, 255), (255, 236, 190)], (0.4, 0.9))
    for _ in range(8):
        x, y, r = b.rng.uniform(6, 218), b.rng.uniform(6, 90), b.rng.uniform(2.0, 3.4)
        for dx, dy in ((r, 0.5), (0.5, r)):
            box = [v * FINE for v in (x - dx, y - dy, x + dx, y + dy)]
            b.draw.ellipse(box, fill=(255, 250, 214))
    b.ground(122, 9, (50, 62, 120), (44, 56, 108))
    b.ground(136, 6, (46, 78, 110), (40, 68, 100))
    b.ground(148, 5, (58, 104, 106), (46, 86, 94), (34, 66, 80))
    b.blades(40, 156, 222, [(38, 74, 82), (82, 130, 122), (60, 104, 104)])


def _autumn(b):
    b.band(0, 140, (158, 196, 222), (252, 228, 190))
    b.clouds(b.rng.randint(1, 3), (255, 246, 232), lowest=60)
    b.ground(116, 8, (204, 152, 112), (186, 126, 86))
    b.ground(130, 7, (218, 148, 72), (190, 116, 56))
    b.ground(147, 5, (206, 152, 78), (178, 118, 60), (150, 92, 50))
    leaves = [(214, 84, 40), (240, 150, 44), (190, 56, 40), (250, 196, 70), (150, 84, 40)]
    b.specks(110, 156, 223, leaves, (1.2, 2.4), flat=0.55)
    b.specks(14, 20, 140, leaves, (1.2, 2.0), flat=0.7)


_PAINTERS = {
    "meadow": _meadow,
    "beach": _beach,
    "sea": _sea,
    "street": _street,
    "snow": _snow,
    "night": _night,
    "autumn": _autumn,
}


def paint_setting(name, rng):
    """Return a 224x224 RGB picture of the empty setting `name`; `rng` varies its details."""
    backdrop = Backdrop(rng)
    _PAINTERS[name](backdrop)
    return backdrop.image.reduce(FINE)


def add_glow(picture, x, y, radius, colour, strength=150):
    """Lay a soft round light around (x, y) over the picture, in place."""
    mask = soft_ellipse(2 * radius, 2 * radius).point(lambda a: a * strength // 255)
    picture.paste(colour, (round(x) - radius, round(y) - radius), mask)


def add_shadow(picture, x, y, width, setting):
    """Lay a soft shadow on the ground around (x, y) over the picture, in place."""
    colour = {"snow": (84, 110, 170), "night": (8, 14, 34)}.get(setting, (40, 40, 52))
    w, h = max(8, round(width * 1.55)), max(8, round(width * 0.27))
    mask = soft_ellipse(w, h).point(lambda a: a * 130 // 255)
    picture.paste(colour, (round(x) - w // 2, round(y) - h // 2), mask)


def add_foam(picture, x, y, width):
    """Lay the white water along a boat's hull over the picture, in place."""
    w = round(width * 1.5)
    mask = soft_ellipse(w, 14).point(lambda a: a * 200 // 255)
    picture.paste((216, 242, 248), (round(x) - w // 2, round(y) - 8), mask)
