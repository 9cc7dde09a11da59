"""Memory that was freed is kept: big arrays stop costing page faults."""

import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.fast import process as allocator

FAULTS = """
import resource
import sys

import numpy as np

import helpers.encoder, helpers.training  # which change nothing
from helpers.layers import prepare_process

if sys.argv[1] == "keep":
    assert prepare_process()
for size in (500_000, 10_000_000):  # arrays of 4 and 80 MB
    np.ones(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        a, b = np.ones(size), np.ones(size)
        del a, b
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how):
    """Count the page faults of small and of large arrays in a fresh process."""
    command = [sys.executable, "-c", FAULTS, how]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert run.returncode == 0, run.stderr
    return [int(line) for line in run.stdout.split()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_a_prepared_process_reuses_what_was_freed():
    (small, large), (usual_small, usual_large) = page_faults("keep"), page_faults("give back")
    assert large < usual_large / 5 and small < usual_small + 3000


@pytest.mark.parametrize(
    ("refused", "told"), [(0, [-3, -1]), (1 << 30, [-3, -3, -1]), (32 << 20, [-3, -3])]
)
def test_one_setting_is_never_changed_alone(refused, told, monkeypatch):
    """Older versions of glibc refuse a high threshold; trimming alone would be worse."""
    calls = []

    def mallopt(name, value):
        calls.append(name)
        return 0 if refused and name == allocator.MMAP_THRESHOLD and value >= refused else 1

    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("glibc", "2.31"))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    assert allocator.keep_freed_memory() == (refused != 32 << 20)
    assert calls == told


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("musl", "1.2"))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("must not be called"))
    assert not allocator.keep_freed_memory()
