"""The drawings of what people made, and `DRAW`, which has the drawing of every kind.

See `nature` for how a drawing function is called and for its coordinates.
"""

from data.scenes import nature
from data.scenes.pen import COLOURS, INK, SNOW, arc, darker, lighter, mix

WOOD, IRON, GLASS, LEAF = (128, 82, 46), (64, 66, 78), (176, 222, 244), (58, 140, 62)
CREAM, GOLD, TYRE = (255, 248, 228), (255, 206, 52), (42, 42, 50)


def draw_house(pen, colour, variant):
    """Draw a house, by day, "lit" or "snowy"."""
    roof, plank = (104, 78, 92), darker(colour, 0.13)
    pen.box(70, 6, 82, 40, (150, 86, 74))
    pen.box(68, 4, 84, 10, (118, 66, 60))
    pen.box(12, 44, 88, 95, colour)
    for y in range(58, 95, 7):
        pen.box(12, y, 88, y + 1, plank)
    pen.shape([(12, 46), (50, 11), (88, 46), (88, 53), (12, 53)], darker(colour, 0.3))
    pen.shape([(12, 48), (50, 13), (88, 48)], colour)
    pen.shape([(0, 50), (50, 2), (100, 50), (94, 54), (50, 12), (6, 54)], roof)
    pen.shape([(0, 50), (50, 2), (50, 5), (3, 51)], lighter(roof, 0.25))
    pane = (255, 226, 120) if variant == "lit" else GLASS
    for x in (18, 64):
        _window(pen, x, 60, pane)
    pen.oval(50, 33, 8, 8, CREAM)
    pen.oval(50, 33, 6, 6, pane)
    pen.box(39, 60, 61, 95, CREAM, 2)
    pen.box(41, 62, 59, 95, (120, 70, 44), 1)
    pen.oval(55.5, 79, 1.6, 1.6, GOLD)
    pen.box(36, 92, 64, 95, (150, 150, 156))
    if variant == "snowy":
        pen.blob(
            [
                (0, 49),
                (24, 23),
                (50, 0),
                (76, 23),
                (100, 49),
                (92, 50),
                (74, 33),
                (60, 20),
                (50, 12),
                (40, 20),
                (26, 35),
                (9, 50),
            ],
            SNOW,
        )


def _window(pen, x, y, pane):
    pen.box(x, y, x + 18, y + 18, CREAM)
    pen.box(x + 2, y + 2, x + 16, y + 16, pane)
    pen.shape([(x + 2, y + 16), (x + 2, y + 9), (x + 9, y + 2), (x + 14, y + 2)], lighter(pane))
    pen.box(x + 8.2, y, x + 9.8, y + 18, CREAM)
    pen.box(x, y + 8.2, x + 18, y + 9.8, CREAM)
    pen.box(x - 2, y + 18, x + 20, y + 20.5, CREAM)


def _wheel(pen, x, y, r):
    pen.oval(x, y, r, r, TYRE)
    pen.oval(x, y, r * 0.58, r * 0.58, (190, 194, 202))
    pen.oval(x, y, r * 0.22, r * 0.22, TYRE)


def draw_car(pen, colour, variant):
    """Draw a car, by day or "lit"."""
    pen.blob([(20, 24), (34, 7), (44, 3), (66, 3), (78, 8), (90, 24), (60, 30)], colour)
    pen.blob(
        [
            (2, 34),
            (7, 25),
            (24, 20),
            (84, 20),
            (99, 24),
            (104, 34),
            (100, 41),
            (88, 42),
            (18, 42),
            (5, 41),
        ],
        colour,
    )
    glass = (255, 232, 150) if variant == "lit" else GLASS
    pen.blob([(29, 21), (37, 10), (44, 7), (52, 7), (52, 21)], darker(glass, 0.1))
    pen.blob([(57, 21), (57, 7), (65, 7), (75, 11), (82, 21)], darker(glass, 0.1))
    pen.shape([(33, 20), (41, 9), (46, 8), (38, 20)], lighter(glass, 0.6))
    pen.box(3, 36, 103, 42, darker(colour, 0.3), 3)
    pen.stroke([(8, 29), (50, 26), (98, 29)], lighter(colour, 0.35), 1.6)
    pen.stroke([(55, 24), (54, 38)], darker(colour, 0.35), 1)
    pen.box(59, 26, 66, 28, darker(colour, 0.4), 1)
    pen.oval(6, 30, 4, 3.4, (255, 240, 170))
    pen.oval(101, 29, 2.4, 3.6, (255, 96, 80))
    for x in (25, 81):
        pen.oval(x, 40, 12, 11.5, darker(colour, 0.55))
        _wheel(pen, x, 41, 10)


def draw_bus(pen, colour, variant):
    """Draw a bus, by day or "lit"."""
    pen.box(2, 2, 122, 56, colour, 8)
    pen.box(2, 40, 122, 56, darker(colour, 0.25), 6)
    pen.box(2, 37, 122, 41, CREAM)
    pane = (255, 232, 150) if variant == "lit" else GLASS
    for x in (29, 51, 73, 95):
        pen.box(x, 11, x + 19, 30, (70, 80, 96), 2.5)
        pen.box(x + 1.2, 12.2, x + 17.8, 28.8, pane, 2)
        pen.shape([(x + 2, 28), (x + 9, 13), (x + 14, 13), (x + 7, 28)], lighter(pane, 0.5))
    pen.box(6, 11, 25, 51, (70, 80, 96), 2.5)
    for x in (7.5, 16.2):
        pen.box(x, 12.5, x + 7.3, 49.5, pane, 1.5)
    pen.box(10, 3.6, 114, 6, lighter(colour, 0.4), 1)
    pen.oval(4, 47, 2.4, 3, (255, 240, 170))
    pen.box(119, 43, 122, 50, (255, 96, 80), 1)
    for x in (37, 96):
        pen.oval(x, 55, 11, 10, darker(colour, 0.6))
        _wheel(pen, x, 56, 9)


def draw_boat(pen, colour, variant):
    """Draw a sailing boat."""
    pen.stroke([(45, 4), (45, 76)], WOOD, 2.6)
    pen.blob([(48, 8), (64, 28), (76, 52), (83, 66), (66, 68), (48, 67)], CREAM)
    for y, x in [(26, 61), (40, 69), (54, 76)]:
        pen.stroke([(48, y), (x, y)], darker(CREAM, 0.16), 1)
    pen.blob([(42, 12), (42, 66), (26, 66), (11, 64), (24, 46), (35, 28)], lighter(colour, 0.12))
    pen.shape([(45, 1), (61, 5), (45, 10)], (226, 60, 60))
    pen.blob([(1, 71), (20, 74), (60, 74), (89, 69), (82, 84), (72, 95), (20, 95), (9, 86)], colour)
    stripe = (52, 88, 158) if colour == COLOURS["white"] else CREAM
    pen.stroke([(7, 79), (26, 82), (64, 82), (82, 77)], stripe, 2.6)
    for x in (28, 44, 60):
        pen.oval(x, 88, 2.6, 2.6, INK)
        pen.oval(x, 88, 1.6, 1.6, GLASS)


def draw_airplane(pen, colour, variant):
    """Draw an airplane."""
    pen.blob([(84, 20), (96, 2), (106, 1), (102, 22)], darker(colour, 0.12))
    pen.blob([(42, 18), (66, 2), (76, 2), (66, 19)], darker(colour, 0.3))
    pen.blob(
        [(2, 25), (10, 16), (26, 12), (74, 13), (104, 18), (106, 22), (84, 31), (50, 35), (20, 34)],
        colour,
    )
    pen.blob([(8, 30), (40, 29), (90, 26), (80, 32), (50, 35), (20, 34)], darker(colour, 0.22))
    pen.blob([(5, 20), (11, 15), (19, 14), (18, 20)], (92, 140, 190))
    for x in range(26, 86, 9):
        pen.oval(x, 20, 2.4, 2.6, (92, 140, 190))
    pen.blob([(40, 27), (62, 25), (88, 46), (80, 48), (66, 44)], mix(colour, (150, 160, 180), 0.45))
    pen.blob([(88, 23), (102, 22), (110, 30), (102, 30)], mix(colour, (150, 160, 180), 0.45))


def draw_ball(pen, colour, variant):
    """Draw a ball."""
    pale = CREAM if colour != COLOURS["white"] else (120, 170, 232)
    for half, paint in [(22, colour), (15, pale), (8, colour)]:
        tilted = [
            (23 + (x - 23) * 0.94 + (y - 23) * 0.34, 23 + (y - 23) * 0.94 - (x - 23) * 0.34)
            for x, y in arc(23, 23, half, 22, 0, 360)
        ]
        pen.shape(tilted, paint)
    pen.oval(16, 5.5, 5, 2.6, pale)
    pen.oval(14, 14, 4, 3, lighter(colour, 0.7))


def draw_kite(pen, colour, variant):
    """Draw a kite with its tail."""
    pen.stroke([(29, 60), (38, 68), (26, 78), (36, 90)], darker(colour, 0.4), 1.4)
    for x, y, side in [(37, 68, 1), (27, 78, -1), (36, 89, 1)]:
        pen.shape([(x - 6, y - 3 * side), (x, y), (x - 6, y + 3)], GOLD)
        pen.shape([(x + 6, y + 3 * side), (x, y), (x + 6, y - 3)], GOLD)
    pen.shape([(29, 1), (56, 26), (29, 64), (2, 26)], colour)
    pen.shape([(29, 1), (29, 26), (2, 26)], lighter(colour, 0.4))
    pen.shape([(29, 26), (56, 26), (29, 64)], darker(colour, 0.25))
    pen.stroke([(29, 1), (29, 64)], CREAM, 1.4)
    pen.stroke([(2, 26), (56, 26)], CREAM, 1.4)


def draw_umbrella(pen, colour, variant):
    """Draw an open umbrella, as a parasol on a pole or "hooked"."""
    pen.stroke([(43, 6), (43, 82)], WOOD, 3)
    if variant == "hooked":
        pen.stroke([(43, 78), (43, 85), (37, 88), (32, 83)], WOOD, 3.4)
    pale = lighter(colour, 0.72) if colour != COLOURS["white"] else (222, 84, 84)
    for half, paint in [(42, colour), (28, pale), (13, colour)]:
        pen.shape(arc(43, 44, half, 38, 180, 360), paint)
    for x, half in [(8, 8), (22.5, 7.5), (43, 13), (63.5, 7.5), (78, 8)]:
        pen.oval(x, 45, half, 5, None)
    pen.stroke([(43, 41), (43, 82)], WOOD, 3)
    pen.oval(43, 5, 2.2, 3.6, WOOD)
    pen.shape(arc(28, 24, 17, 10, 185, 275), lighter(colour, 0.35))


def draw_bench(pen, colour, variant):
    """Draw a bench."""
    for x in (14, 82):
        pen.stroke([(x, 3), (x, 32)], IRON, 4)
        pen.box(x - 2, 34, x + 2, 56, IRON)
        pen.stroke([(x - 8, 56), (x, 51), (x + 8, 56)], IRON, 3)
    for y in (3, 13, 23):
        pen.box(4, y, 92, y + 7, colour, 2)
        pen.box(5, y + 0.6, 91, y + 2, lighter(colour, 0.28), 0.6)
    pen.shape([(5, 33), (91, 33), (97, 41), (-1, 41)], lighter(colour, 0.14))
    pen.box(-1, 41, 97, 45, darker(colour, 0.3), 1)
    pen.stroke([(3, 37), (93, 37)], darker(colour, 0.25), 0.9)


def draw_balloon(pen, colour, variant):
    """Draw a balloon on its string."""
    pen.stroke([(23, 54), (19, 64), (27, 74), (22, 86)], (120, 120, 132), 1.4)
    pen.shape([(18, 57), (23, 49), (28, 57)], darker(colour, 0.2))
    pen.blob([(23, 1), (36, 5), (44, 20), (40, 38), (23, 52), (6, 38), (2, 20), (10, 5)], colour)
    pen.blob([(12, 13), (18, 8), (20, 12), (14, 24), (10, 24)], lighter(colour, 0.65))
    pen.oval(12, 31, 2.2, 3.2, lighter(colour, 0.5))


DRAW = {
    "house": draw_house,
    "tree": nature.draw_tree,
    "car": draw_car,
    "bus": draw_bus,
    "boat": draw_boat,
    "airplane": draw_airplane,
    "sun": nature.draw_sun,
    "moon": nature.draw_moon,
    "ball": draw_ball,
    "dog": nature.draw_dog,
    "cat": nature.draw_cat,
    "fish": nature.draw_fish,
    "bird": nature.draw_bird,
    "flower": nature.draw_flower,
    "kite": draw_kite,
    "umbrella": draw_umbrella,
    "bench": draw_bench,
    "balloon": draw_balloon,
    "snowman": nature.draw_snowman,
    "butterfly": nature.draw_butterfly,
}
