"""The drawings of what grows, lives or shines in the built-in pictures, and of the snowman.

Each `draw_<kind>(pen, colour, variant)` draws one kind in an RGB colour; `variant` names one of
several drawings of it. Coordinates are design units from the upper left corner, and animals face
left; `kinds` has the size of each kind, and the layout mirrors some of what it places.
"""

from data.scenes.pen import COLOURS, INK, SNOW, arc, darker, lighter

WOOD, LEAF, CREAM, GOLD = (128, 82, 46), (58, 140, 62), (255, 248, 228), (255, 206, 52)


def draw_tree(pen, colour, variant):
    """Draw a round tree, a pine or a palm; their colours are their own."""
    {"pine": _draw_pine, "palm": _draw_palm}.get(variant, _draw_round_tree)(pen, colour)


def _draw_round_tree(pen, colour):
    pen.blob([(26, 112), (33, 100), (34, 62), (44, 62), (45, 100), (53, 112), (39, 109)], WOOD)
    pen.stroke([(38, 74), (24, 56)], WOOD, 5)
    pen.stroke([(41, 70), (54, 52)], WOOD, 5)
    pen.stroke([(37, 105), (37, 80)], lighter(WOOD, 0.2), 1.5)
    crown = [
        (22, 52, 20, 17),
        (56, 52, 20, 17),
        (39, 58, 24, 15),
        (17, 36, 16, 17),
        (61, 36, 16, 17),
        (39, 40, 20, 16),
        (39, 24, 25, 22),
    ]
    for x, y, rx, ry in crown:
        pen.oval(x, y + 2, rx, ry, darker(colour, 0.22))
    for x, y, rx, ry in crown:
        pen.oval(x - 1.5, y - 1.5, rx * 0.86, ry * 0.84, colour)
    light = lighter(colour, 0.22)
    for x, y, r in [(28, 16, 9), (14, 32, 7), (44, 34, 8), (24, 46, 7), (52, 46, 6), (56, 26, 6)]:
        pen.shape(arc(x, y, r, r * 0.8, 150, 330), light)


def _draw_pine(pen, colour):
    pen.box(31, 92, 41, 112, WOOD)
    for top, bottom, half in [(48, 96, 35), (24, 70, 28), (2, 44, 20)]:
        dark = darker(colour, 0.2)
        pen.shape(
            [
                (36, top),
                (36 + half, bottom),
                (36 + half * 0.5, bottom - 4),
                (36, bottom + 3),
                (36 - half * 0.5, bottom - 4),
                (36 - half, bottom),
            ],
            dark,
        )
        pen.shape(
            [(36, top), (38, bottom), (36 - half * 0.5, bottom - 5), (36 - half, bottom - 1)],
            colour,
        )
        pen.blob(
            [
                (36, top - 1),
                (36 + half * 0.62, bottom - 14),
                (36 + half * 0.3, bottom - 21),
                (37, bottom - 16),
                (36 - half * 0.3, bottom - 20),
                (36 - half * 0.66, bottom - 11),
            ],
            SNOW,
        )


def _draw_palm(pen, colour):
    bark = (160, 112, 66)
    pen.stroke([(54, 108), (50, 80), (42, 52), (38, 34)], bark, 8)
    for x, y in [(53, 100), (51, 88), (49, 76), (45, 64), (42, 52)]:
        pen.stroke([(x - 4, y), (x, y + 2), (x + 4, y)], darker(bark, 0.3), 1.5)
    fronds = [
        ((20, 9), (4, 9)),
        ((18, 18), (2, 30)),
        ((23, 30), (8, 54)),
        ((55, 6), (72, 7)),
        ((60, 18), (76, 32)),
        ((53, 32), (68, 58)),
        ((40, 11), (42, 3)),
    ]
    for k, ((x1, y1), (x2, y2)) in enumerate(fronds):
        green = darker(colour, 0.25) if k % 3 == 2 else colour
        pen.blob([(38, 30), (x1, y1 - 5), (x2, y2), (x1, y1 + 5)], green)
        pen.stroke([(38, 31), (x1, y1), (x2, y2)], lighter(green, 0.3), 1)
    for x in (34, 42):
        pen.oval(x, 37, 4.5, 4.5, (112, 70, 40))


def draw_flower(pen, colour, variant):
    """Draw a flower whose petals have the colour."""
    pen.stroke([(25, 24), (26, 46), (24, 70)], LEAF, 3)
    pen.blob([(25, 60), (32, 48), (46, 44), (40, 57)], LEAF)
    pen.blob([(25, 66), (18, 53), (4, 50), (11, 63)], darker(LEAF, 0.15))
    for start, paint in [(0, darker(colour, 0.25)), (30, colour)]:
        for x, y in arc(24, 23, 14.5, 14.5, start, start + 360, 6):
            pen.oval(x, y, 7.6, 7.6, paint)
    centre = (150, 92, 40) if colour == COLOURS["yellow"] else GOLD
    pen.oval(24, 23, 8.5, 8.5, darker(centre, 0.2))
    pen.oval(23.4, 22.2, 7.2, 7.2, centre)


def draw_dog(pen, colour, variant):
    """Draw a dog that stands and looks to the left."""
    far, pale = darker(colour, 0.28), lighter(colour, 0.32)
    pen.stroke([(80, 34), (88, 24), (89, 10)], colour, 6)
    for x in (42, 70):
        pen.box(x, 44, x + 8, 71, far, 3)
    pen.blob(
        [
            (25, 38),
            (34, 29),
            (52, 29),
            (74, 27),
            (86, 36),
            (84, 50),
            (74, 55),
            (56, 53),
            (40, 57),
            (28, 52),
        ],
        colour,
    )
    for x in (30, 77):
        pen.box(x, 42, x + 9, 72, colour, 3)
        pen.box(x - 3, 67, x + 9, 72, pale, 2.4)
    pen.blob([(14, 28), (28, 22), (40, 32), (36, 48), (26, 50)], colour)
    pen.stroke([(21, 39), (29, 39), (37, 33)], (216, 52, 60), 3.6)
    pen.oval(29, 42, 2.4, 2.4, GOLD)
    pen.oval(22, 20, 15, 14, colour)
    pen.blob([(18, 18), (6, 21), (1, 26), (4, 32), (14, 33), (22, 29)], pale)
    pen.oval(3.6, 24, 3.8, 3, INK)
    pen.stroke([(5, 29.5), (11, 30), (15, 28)], INK, 1.2)
    pen.oval(15.5, 15.5, 3, 3.2, CREAM)
    pen.oval(15, 15.8, 2, 2.4, INK)
    pen.blob([(26, 7), (36, 10), (40, 22), (36, 34), (30, 30), (27, 18)], darker(colour, 0.42))


def draw_cat(pen, colour, variant):
    """Draw a cat that sits and looks to the left."""
    pale, stripe = lighter(colour, 0.42), darker(colour, 0.34)
    pen.stroke([(44, 68), (58, 66), (62, 52), (56, 42)], colour, 6.5)
    pen.blob(
        [(30, 30), (42, 38), (50, 58), (46, 73), (30, 75), (14, 73), (10, 58), (18, 38)], colour
    )
    pen.oval(30, 52, 9, 14, pale)
    for x in (22, 38):
        pen.box(x - 4.5, 52, x + 4.5, 74, colour, 4)
        pen.oval(x, 72, 6.4, 3.6, pale)
    for side in (-1, 1):
        pen.shape([(30 + side * 19, 20), (30 + side * 19, 0), (30 + side * 5, 9)], colour)
        pen.shape([(30 + side * 16, 13), (30 + side * 17, 4), (30 + side * 9, 9)], (246, 166, 170))
    pen.oval(30, 22, 21, 16, colour)
    for x, y in [(24, 7.5), (30, 7), (36, 7.5)]:
        pen.stroke([(x, y), (x, y + 5)], stripe, 1.8)
    for side in (-1, 1):
        pen.oval(30 + side * 9, 20, 4.6, 4.8, (196, 232, 110))
        pen.oval(30 + side * 9, 20, 1.7, 4.2, INK)
        pen.stroke([(30 + side * 18, 39), (30 + side * 13, 42)], stripe, 2)
        pen.oval(30 + side * 4, 30, 5, 4, pale)
        for dy in (-2, 1.5):
            pen.stroke([(30 + side * 8, 29), (30 + side * 25, 28 + dy * 2)], CREAM, 0.8)
    pen.shape([(27, 25.5), (33, 25.5), (30, 29)], (240, 120, 130))


def draw_fish(pen, colour, variant):
    """Draw a fish that swims to the left."""
    fin = darker(colour, 0.22)
    pen.blob([(46, 21), (58, 8), (66, 4), (63, 21), (67, 38), (58, 34)], fin)
    pen.blob([(20, 10), (30, 0), (44, 3), (46, 12)], fin)
    pen.blob([(26, 34), (38, 42), (44, 35), (40, 30)], fin)
    pen.blob([(2, 23), (12, 10), (28, 5), (43, 11), (52, 21), (43, 32), (28, 37), (12, 34)], colour)
    pen.blob([(6, 28), (24, 30), (46, 27), (40, 33), (28, 37), (14, 35)], lighter(colour, 0.4))
    for x, half in [(22, 13), (36, 10)]:
        pen.blob([(x, 21 - half), (x + 5, 21), (x, 21 + half), (x - 1, 21)], CREAM)
    pen.blob([(27, 21), (36, 18), (38, 24), (32, 28)], fin)
    pen.oval(11.5, 18, 4.4, 4.4, (255, 255, 255))
    pen.oval(10.8, 18, 2.5, 2.7, INK)
    pen.stroke([(3, 26), (7, 27.5), (10, 26)], darker(colour, 0.5), 1.3)


def draw_bird(pen, colour, variant):
    """Draw a bird in flight, or one that is "perched"."""
    dark, pale = darker(colour, 0.3), lighter(colour, 0.45)
    if variant == "perched":
        for x in (22, 28):
            pen.stroke([(x, 36), (x, 43)], (230, 140, 40), 1.6)
        pen.blob([(34, 28), (50, 36), (52, 42), (36, 38)], dark)
        pen.blob([(8, 14), (18, 8), (30, 16), (40, 30), (30, 38), (18, 37), (10, 28)], colour)
        pen.blob([(9, 24), (17, 22), (24, 32), (20, 37), (13, 33)], pale)
        pen.blob([(20, 18), (32, 22), (44, 37), (30, 35), (21, 28)], dark)
        _bird_head(pen, 15, 12, colour)
        return
    pen.blob([(50, 34), (68, 28), (71, 35), (62, 41), (50, 42)], dark)
    pen.blob([(34, 30), (42, 10), (60, 1), (58, 18), (50, 34)], dark)
    pen.blob([(8, 34), (20, 26), (40, 28), (56, 36), (44, 46), (24, 47), (13, 42)], colour)
    pen.blob([(14, 41), (30, 41), (46, 43), (36, 47), (22, 47)], pale)
    pen.blob([(22, 32), (23, 12), (36, 0), (44, 16), (43, 34), (32, 38)], lighter(colour, 0.12))
    for tip in [(27, 12), (34, 10), (39, 17)]:
        pen.stroke([(32, 32), tip], dark, 1.1)
    _bird_head(pen, 14, 32, colour)


def _bird_head(pen, x, y, colour):
    pen.shape([(x - 8, y - 3), (x - 15, y + 1.5), (x - 7, y + 4)], (244, 156, 36))
    pen.oval(x, y, 9.5, 9, colour)
    pen.oval(x - 3.2, y - 1.8, 2.8, 2.8, (255, 255, 255))
    pen.oval(x - 3.6, y - 1.6, 1.7, 1.8, INK)


def draw_butterfly(pen, colour, variant):
    """Draw a butterfly with open wings."""
    for side in (-1, 1):
        pen.blob(
            [
                (27 + 2 * side, 24),
                (27 + 8 * side, 6),
                (27 + 22 * side, 1),
                (27 + 26 * side, 14),
                (27 + 16 * side, 25),
            ],
            colour,
        )
        pen.blob(
            [
                (27 + 2 * side, 25),
                (27 + 18 * side, 24),
                (27 + 21 * side, 37),
                (27 + 11 * side, 46),
                (27 + 4 * side, 38),
            ],
            darker(colour, 0.16),
        )
        pen.oval(27 + 17 * side, 11, 4.6, 4.6, lighter(colour, 0.6))
        pen.oval(27 + 13 * side, 35, 3.6, 3.6, lighter(colour, 0.6))
        pen.stroke([(27, 14), (27 + 4 * side, 5), (27 + 8 * side, 2)], INK, 1.2)
    pen.blob([(27, 10), (30, 16), (29.5, 30), (27, 42), (24.5, 30), (24, 16)], INK)


def draw_sun(pen, colour, variant):
    """Draw the sun; its colour is its own."""
    for k in range(12):
        middle = 30 * k
        tip = arc(33, 33, 32 if k % 2 else 28, 32 if k % 2 else 28, middle, middle, 1)[0]
        foot = arc(33, 33, 20, 20, middle - 11, middle + 11, 1)
        pen.shape([tip, *foot], (255, 176, 36))
    pen.oval(33, 33, 21, 21, (255, 196, 40))
    pen.oval(32, 32, 18.5, 18.5, (255, 218, 72))
    pen.oval(28, 27, 9, 8, (255, 236, 138))


def draw_moon(pen, colour, variant):
    """Draw the moon, full or "crescent"; its colour is its own."""
    pale = (250, 240, 200)
    pen.oval(28, 28, 26, 26, pale)
    for x, y, r in [(20, 20, 6), (36, 16, 4), (32, 36, 7.5), (16, 36, 3.6), (44, 30, 3.4)]:
        pen.oval(x, y, r, r, darker(pale, 0.14))
        pen.shape(arc(x, y, r, r, 20, 200), darker(pale, 0.08))
    if variant == "crescent":
        pen.oval(40, 22, 23, 23, None)


def draw_snowman(pen, colour, variant):
    """Draw a snowman; its colours are its own."""
    for x, y in [((14, 54), (2, 38)), ((56, 54), (68, 38))]:
        pen.stroke([x, y], WOOD, 2.6)
        pen.stroke([((x[0] + y[0]) / 2, 46), (y[0] + (4 if y[0] < 35 else -4), 34)], WOOD, 1.8)
    for x, y, r in [(35, 81, 25), (35, 52, 19)]:
        pen.oval(x, y, r, r * 0.94, darker(SNOW, 0.1))
        pen.oval(x - 1.5, y - 1.5, r - 2.5, r * 0.94 - 2.5, SNOW)
    pen.oval(35, 27, 15, 14, SNOW)
    pen.box(21, 15, 49, 19, INK, 1.5)
    pen.box(26, 0, 44, 17, INK, 1.5)
    pen.box(26, 11, 44, 15, (214, 52, 60))
    pen.stroke([(22, 38), (35, 42), (48, 38)], (214, 52, 60), 5.5)
    pen.stroke([(44, 41), (47, 56)], (190, 40, 52), 5)
    for x in (29, 40):
        pen.oval(x, 24, 1.8, 2, INK)
    pen.shape([(34, 26), (35, 31), (16, 31)], (244, 132, 36))
    for y in (50, 59, 74, 84):
        pen.oval(34, y, 2, 2, INK)
