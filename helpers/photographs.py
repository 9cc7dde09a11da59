"""Real photographs to try a captioner on: those that the package scikit-image brings along."""

from pathlib import Path

from PIL import Image

from helpers.images import open_image

# File in skimage/data -> credit. Public domain or CC0, as scikit-image's documentation says;
# the motorcycle is from Scharstein et al. 2014, "High-resolution stereo datasets".
CREDITS = {
    "chelsea.png": "Chelsea the cat, Stefan van der Walt",
    "coffee.png": "Coffee cup, Rachel Michetti",
    "motorcycle_left.png": "Motorcycle, Middlebury stereo benchmark",
    "astronaut.png": "Eileen Collins, NASA",
    "rocket.jpg": "Falcon 9 launch, SpaceX",
    "camera.png": "Cameraman, Lav Varshney",
}


def photograph_path(name: str) -> Path:
    """Return the path of a bundled photograph. Inputs: name: a key of `CREDITS`."""
    import skimage

    return Path(skimage.__file__).parent / "data" / name


def load_photographs() -> dict[str, Image.Image]:
    """Return a dict from name to PIL image, RGB, of all photographs in `CREDITS`."""
    return {name: open_image(photograph_path(name)) for name in CREDITS}
