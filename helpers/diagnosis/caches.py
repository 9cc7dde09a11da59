"""A reader's forward kernel keeps a cache of its own, and our backward kernel still works."""

import functools
from typing import Any, NamedTuple


class Caches(NamedTuple):
    """The cache that a reader's forward kernel makes, and the one that ours makes of its inputs."""

    own: Any
    ours: Any


def chosen(cache, which):
    """Return the cache of that name, "own" or "ours", where there are two, or else the only one."""
    return getattr(cache, which) if isinstance(cache, Caches) else cache


def with_ours(forward, ours):
    """Let a reader's forward kernel return both caches; `ours` is our forward kernel."""

    @functools.wraps(forward)
    def both(*arguments, **named):
        *out, cache = forward(*arguments, **named)
        return *out, Caches(chosen(cache, "own"), ours(*arguments, **named)[-1])

    both.keeps_both = True
    return both


def reading(backward, which):
    """Let a backward kernel read its own of two caches: "own" for a reader's, "ours" for ours."""

    @functools.wraps(backward)
    def read(*arguments, **named):
        named = {name: chosen(value, which) for name, value in named.items()}
        return backward(*(chosen(each, which) for each in arguments), **named)

    return read
