"""Real photographs to try a captioner on; none of them is in what a shipped captioner learned from.

Some come with packages that are installed anyway, the others lie in data/photographs/.
"""

from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from helpers.images import open_image
from helpers.settings import DATA

# File -> credit. data/photographs/README.md has the licences and sources of the last seven. The
# others are public domain or CC0, as scikit-image and matplotlib say; the motorcycle is from
# Scharstein et al. 2014, "High-resolution stereo datasets".
CREDITS = {
    "chelsea.png": "Chelsea the cat, Stefan van der Walt",
    "coffee.png": "Coffee cup, Rachel Michetti",
    "motorcycle_left.png": "Motorcycle, Middlebury stereo benchmark",
    "astronaut.png": "Eileen Collins, NASA",
    "rocket.jpg": "Falcon 9 launch, SpaceX",
    "camera.png": "Cameraman, Lav Varshney",
    "grace_hopper.jpg": "Grace Hopper, James S. Davis, US Navy",
    "dogs.jpg": "Friends, Aitzol Berasategi, CC BY 4.0",
    "bear.jpg": "Polar bear, Arturo de Frias Marques, CC BY-SA 4.0",
    "panda.jpg": "Giant panda, Aaron Logan, CC BY 1.0",
    "moose.jpg": "Moose, Ryan Hagerty, US Fish and Wildlife Service",
    "raccoon.jpg": "Raccoon, Judy Weggelaar",
    "tulips.jpg": "Tulips, riaphotographs, CC0",
    "pagoda.jpg": "Pagoda, Daniel Büchele, CC BY 2.0",
}


def photograph_path(name: str) -> Path:
    """Return where a photograph lies. Raises: ValueError for what is no key of `CREDITS`."""
    packages = (("skimage", "data"), ("matplotlib", "mpl-data/sample_data"))
    found = [(find_spec(package), inside) for package, inside in packages]
    folders = [Path(spec.origin).parent / inside for spec, inside in found if spec and spec.origin]
    for folder in (DATA / "photographs", *folders):
        if (folder / name).exists():
            return folder / name
    raise ValueError(f"name must be one of {', '.join(CREDITS)}, not {name!r}")


def load_photographs(*names: str) -> dict[str, Image.Image]:
    """Open photographs: dict from name to PIL image, RGB; all of `CREDITS` if none are named."""
    return {name: open_image(photograph_path(name)) for name in names or CREDITS}
