"""What decoding one segment may take. Pure."""

from dataclasses import dataclass

from stacgen.model.protocols import Coded

_PICTURES = 17
"""Pictures that a decoder may hold: the 16 that HEVC allows at most, and the one in the making."""

_BLOCK = 64
"""Pixels by which a coded picture may exceed what is shown of it, along either axis."""

_COPIES = 6
"""Of a segment, while it is looked at, taken apart and decoded."""

_BASE = 512_000_000
"""Bytes for whatever else there is: stacks, arenas, the picture's metadata."""

_START = 60.0
_PER_PIXEL = 0.25e-6
"""Seconds: to begin with, and for each pixel. Measured were 0.02e-6 on a core to itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one segment. A decoder that exceeds one is stopped."""

    seconds: float
    """Spent on decoding, by the clock on the wall and by that of the processor."""

    memory: int
    """Bytes of address space beside those that the process has before it begins."""

    @classmethod
    def of(cls, coded: Coded) -> "Limits":
        """Far more than a sound segment needs."""
        rows, columns = coded.shape
        picture = (3 if coded.is_color else 2) * (rows + _BLOCK) * (columns + _BLOCK)
        return cls(
            seconds=_START + _PER_PIXEL * rows * columns * len(coded.numbers),
            memory=_BASE + _PICTURES * picture + _COPIES * len(coded.media),
        )
