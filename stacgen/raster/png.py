"""A grey or coloured picture with transparency as the bytes of a PNG, compressed by ISA-L. Pure.

Source: *Portable Network Graphics (PNG) Specification*, third edition, W3C 2025. GDAL's encoder,
which is zlib's, takes twenty times as long for a file that is 4 % smaller: more than a quarter of
what a whole 60 m frame takes.
"""

import struct
import zlib

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

_LEVEL = 3
"""Of ISA-L's 0 to 3."""

_UP = 2
"""Filter of a row: what it differs by from the row above."""

_KINDS = {2: 4, 4: 6}
"""PNG's numbers of grey, and of red, green and blue, by how many samples they have with alpha."""


def encode(colors: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> bytes:
    """The file of a picture; 0 is black, and transparent.

    Args:
        colors: (rows, columns) of grey, or (rows, columns, 3) of red, green and blue.
        alpha: (rows, columns).
    """
    rows, columns = alpha.shape
    samples = np.dstack([colors, alpha])
    lines = samples.reshape(rows, -1)
    filtered = np.empty((rows, 1 + lines.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = lines[0]
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", columns, rows, 8, _KINDS[samples.shape[2]], 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"IDAT", isal_zlib.compress(filtered, _LEVEL)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
