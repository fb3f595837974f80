"""Segments decoded in processes of their own, so that what kills a decoder costs one segment.

FFmpeg is a million lines of C that is given bytes from elsewhere. So it runs where it can crash,
hang or take all memory without taking the build with it: in a child of this process, with limits on
memory, processor time and patience. Codes come back through memory that both share.
"""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from stacgen.model.protocols import Decode
from stacgen.video.worker.here import here
from stacgen.video.worker.limits import Limits
from stacgen.video.worker.pool import IS_POSSIBLE, Children

__all__ = ["IS_POSSIBLE", "Children", "Limits", "here", "shared", "temporary"]


@cache
def shared() -> Decode:
    """Children that all threads of this process use, until it ends."""
    if not IS_POSSIBLE:
        return here
    children = Children()
    atexit.register(children.close)
    return children


@contextmanager
def temporary() -> Iterator[Decode]:
    """A decoder that ends with the context."""
    if not IS_POSSIBLE:
        yield here
        return
    children = Children()
    try:
        yield children
    finally:
        children.close()
