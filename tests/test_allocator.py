"""Memory that was freed is kept: big arrays stop costing page faults."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import allocator

FAULTS = """
import resource
import sys

import numpy as np

from helpers.allocator import keep_freed_memory

if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("not glibc")
np.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(10_000_000)  # 80 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how):
    """Count the page faults of ten large arrays, made one after the other, in a fresh process."""
    command = [sys.executable, "-c", FAULTS, how]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    if run.returncode:
        pytest.skip(f"{run.stderr.strip()}: nothing is to be kept here")
    return int(run.stdout)


def test_large_arrays_reuse_what_was_freed():
    assert page_faults("keep") < page_faults("give back") / 10


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("musl", "1.2"))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("must not be called"))
    assert not allocator.keep_freed_memory()
