"""Helpers of the course "Image captioning from scratch"."""

import sys
from pathlib import Path

__version__ = "0.1.0"

if {"site-packages", "dist-packages"} & set(Path(__file__).resolve().parts):
    _problem = (
        "helpers: works in a checkout of the course alone, where its models and data lie; "
        "there, `make run` sets it up, and `pip install --editable .` makes it known elsewhere"
    )
    if sys.argv[0] == "-m":  # python -m helpers
        print(_problem, file=sys.stderr)
        sys.exit(2)
    raise ImportError(_problem)
