"""Fixtures that several test modules use."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared():
    """Give the folder of real data beside the project; skip the test where there is none."""
    if not SHARED.is_dir():
        pytest.skip("the real data in ../shared are not beside this checkout")
    return SHARED


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Keep the tests' own web server from being looked for behind a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
