"""The coded pictures of an HEVC stream, and the hashes that its encoder wrote behind them. Pure.

A picture hash (an SEI message of type 132) tells whether a picture was decoded to the very pixels
that the encoder had. FFmpeg verifies one where it finds it, and is content where it finds none. So
here the pictures are counted, and the hashes, for a stream that has some must have them all.

[1] ITU-T H.265 (V10, 2024), 7.3.1 NAL units, D.2.19 and D.3.19 decoded picture hash.
"""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stacgen.errors import SegmentError

_CODED = 32
"""NAL unit types below this hold parts of pictures."""

_SEQUENCE, _PICTURE, _SUFFIX_SEI, _PICTURE_HASH = 33, 34, 40, 132
_NONE = 64
"""No type: there is not even a header."""

_START = b"\0\0\1"
_MOST_UNITS = 100_000
"""NAL units in a segment, beyond which it is no segment but an attack."""

_BEGINNING = 1024
"""Bytes of a parameter set that are looked at: bits of more would take long to count."""

_KINDS = {0: ("md5", 16), 1: ("crc", 2), 2: ("checksum", 4)}
"""Names and lengths in bytes of the hashes, by their number in the stream."""

_ROWS = 256
"""Of a picture that are looked at together."""

_ONES = b"\xff" * 32
"""Bytes behind a slice segment, more than a decoder reads ahead."""

_CHANGED, _ADDED = 6, 64
"""Bytes of noise in place of the last ones of a slice segment, and behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureHash:
    """What the encoder wrote of the pixels of one picture."""

    kind: str
    """`md5`, `crc` or `checksum`."""

    planes: tuple[bytes, ...]
    """Of each plane, as in the stream: of luma, and of chroma where there is any."""

    def fits(self, *planes: NDArray[np.uint16] | NDArray[np.uint8]) -> bool:
        """True if it is the hash of the planes, each (rows, columns) of the whole coded picture.

        CRCs of chroma are not compared: those that x265 writes are not the standard's (measured
        with the x265 in PyAV 18.1).
        """
        if self.kind == "crc":
            planes = planes[:1]
        pairs = zip(planes, self.planes, strict=False)  # monochrome may come with hashes of chroma
        return len(planes) <= len(self.planes) and all(
            _HASHES[self.kind](plane) == expected for plane, expected in pairs
        )


def hashes(stream: bytes | bytearray) -> tuple[PictureHash | None, ...]:
    """The hash of each coded picture, None where it has none, in the order of the stream.

    Raises:
        SegmentError: It is no sequence of NAL units, or a hash is malformed or has no picture.
    """
    found: list[PictureHash | None] = []
    for kind, start, stop in units(stream):
        if kind < _CODED:
            if stream[start + 2] & 0x80:  # the first slice of a picture
                found.append(None)
        elif kind == _SUFFIX_SEI:
            for payload in _messages(_unescaped(stream[start + 2 : stop])):
                if not found or found[-1] is not None:
                    raise SegmentError("it holds a picture hash without a picture")
                found[-1] = _parsed(payload)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is cut off a coded picture before it is shown, in pixels."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0


WHOLE = Window()
"""Nothing is cut off."""


def window(stream: bytes | bytearray) -> Window:
    """The window of a monochrome stream, from its first sequence parameter set.

    Raises:
        SegmentError: It has none, or one that ends early.
    """
    for kind, start, stop in units(stream):
        if kind == _SEQUENCE:
            return _window(_Bits(_unescaped(stream[start + 2 : stop])))
    raise SegmentError("its video has no sequence parameter set")


def _window(bits: "_Bits") -> Window:
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 88 + 8)  # nesting, general profile and level
    flags = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    bits.take(2 * (8 - layers) if layers else 0)
    for profile, level in flags:
        bits.take(88 * profile + 8 * level)
    bits.number()
    monochrome = bits.number() == 0
    bits.number(), bits.number()
    if not bits.take(1) or not monochrome:
        return WHOLE
    left, right, top, bottom = (bits.number() for _ in range(4))
    return Window(left=left, right=right, top=top, bottom=bottom)


def is_in_rows(stream: bytes | bytearray) -> bool:
    """Whether each row of blocks can be decoded from where a header says that it begins.

    Encoders that work on several rows at once write so (entropy_coding_sync, 7.3.2.3.1); of a
    stream of which that cannot be told it is taken to be so.
    """
    try:
        return any(
            _syncs(_Bits(_unescaped(stream[start + 2 : stop])))
            for kind, start, stop in units(stream)
            if kind == _PICTURE
        )
    except SegmentError:
        return True


def _syncs(bits: "_Bits") -> bool:
    bits.number(), bits.number()  # ids of this set, and of that of the sequence
    bits.take(1 + 1 + 3 + 1 + 1)
    bits.number(), bits.number(), bits.number()  # references, and the quantizer to begin with
    bits.take(1 + 1)
    if bits.take(1):
        bits.number()  # how deep it may change
    bits.number(), bits.number()  # offsets of colour
    bits.take(1 + 1 + 1 + 1 + 1)
    return bool(bits.take(1))


def slice_segments(stream: bytes | bytearray) -> tuple[tuple[int, int], ...]:
    """Return start and stop of each slice segment, without the padding behind it.

    An encoder may pad a slice with zeros and words of 0x000003 (cabac_zero_words, 7.3.2.10).
    """
    found = ((start, stop) for kind, start, stop in units(stream) if kind < _CODED)
    return tuple((start, _end(stream, start, stop)) for start, stop in found)


def _end(stream: bytes | bytearray, start: int, stop: int) -> int:
    while stop > start + 3 and (not stream[stop - 1] or stream[stop - 3 : stop] == b"\0\0\3"):
        stop -= 3 if stream[stop - 1] else 1
    return stop


def with_ones(stream: bytes | bytearray) -> bytes:
    """Return the stream with ones behind each slice segment.

    They change no picture that is whole: a slice says itself where it ends. FFmpeg reads on where
    one ends too early, and takes zeros for what is missing.
    """
    stops = [0, *(stop for _, stop in slice_segments(stream)), len(stream)]
    return _ONES.join(bytes(stream[start:stop]) for start, stop in pairwise(stops))


def with_noise(stream: bytes | bytearray, segment: tuple[int, int], seed: int) -> bytes:
    """Return the stream with noise in place of the last bytes of a slice segment.

    It changes a picture of which the decoder reads all. No byte of noise is zero, so none is part
    of a start code.

    Args:
        stream: NAL units behind start codes.
        segment: One of `slice_segments`.
        seed: Of the noise.
    """
    start, stop = segment
    changed = min(_CHANGED, stop - start - 3)
    noise = np.random.default_rng(seed).integers(1, 256, changed + _ADDED, np.uint8)
    return bytes(stream[: stop - changed]) + noise.tobytes() + bytes(stream[stop:])


class _Bits:
    """Reads bits from the front of a parameter set, of which the beginning is enough."""

    def __init__(self, content: bytes) -> None:
        beginning = content[:_BEGINNING]
        self._value = int.from_bytes(beginning)
        self._left = 8 * len(beginning)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise SegmentError("a parameter set ends early")
        return self._value >> self._left & (1 << count) - 1

    def number(self) -> int:
        """An unsigned number in Exp-Golomb code."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:  # noqa: PLR2004 - bits, the most that the standard has
                raise SegmentError("a parameter set is malformed")
        return (1 << zeros) - 1 + self.take(zeros)


def _unescaped(content: bytes | bytearray) -> bytes:
    """Without the bytes that keep start codes from appearing within a NAL unit."""
    return bytes(content).replace(b"\0\0\3", b"\0\0")


def units(stream: bytes | bytearray) -> Iterator[tuple[int, int, int]]:
    """Type, start and stop of each NAL unit of the base layer, the two bytes of header included.

    Raises:
        SegmentError: It does not begin with one, or the header of one is malformed.
    """
    place = stream.find(_START)
    if place < 0 or any(stream[:place]):
        raise SegmentError("its video does not begin with a NAL unit")
    count = 0
    while place >= 0:
        start = place + 3
        place = stream.find(_START, start)
        stop = place if place >= 0 else len(stream)
        count += 1
        kind = stream[start] >> 1 if start < stop else _NONE
        if stop - start < 2 + (kind < _CODED) or kind > 63 or not stream[start + 1] & 7:  # noqa: PLR2004
            raise SegmentError(f"NAL unit {count} is malformed")
        if count > _MOST_UNITS:
            raise SegmentError("it holds more NAL units than a segment can need")
        if not (stream[start] & 1 or stream[start + 1] & 0xF8):
            yield kind, start, stop


def _messages(content: bytes) -> Iterator[bytes]:
    """The picture hashes among the messages of an SEI unit."""
    content = content.rstrip(b"\0")
    at = 0
    while at < len(content) - 1:
        kind, at = _number(content, at)
        size, at = _number(content, at)
        if at + size >= len(content):
            break
        if kind == _PICTURE_HASH:
            yield content[at : at + size]
        at += size
    if content[at:] != b"\x80":
        raise SegmentError("an SEI message is malformed")


def _number(content: bytes, at: int) -> tuple[int, int]:
    """A number written as a sum of bytes, and the place behind it."""
    total = 0
    while at < len(content):
        total += content[at]
        at += 1
        if content[at - 1] != 0xFF:  # noqa: PLR2004 - more of it follows
            break
    return total, at


def _parsed(payload: bytes) -> PictureHash:
    kind, length = _KINDS.get(payload[0] if payload else 255, ("", 0))
    if not kind or len(payload) not in (1 + length, 1 + 3 * length):
        raise SegmentError("a picture hash is malformed")
    starts = range(1, len(payload), length)
    return PictureHash(kind=kind, planes=tuple(payload[at : at + length] for at in starts))


def _octets(plane: NDArray[np.uint16] | NDArray[np.uint8]) -> Iterator[bytes]:
    """A plane in pieces, the lower byte of a pixel first."""
    little = plane.dtype.newbyteorder("<")
    for first in range(0, len(plane), _ROWS):
        yield plane[first : first + _ROWS].astype(little, copy=False).tobytes()


def _md5(plane: NDArray[np.uint16] | NDArray[np.uint8]) -> bytes:
    digest = md5(usedforsecurity=False)
    for piece in _octets(plane):
        digest.update(piece)
    return digest.digest()


def _crc(plane: NDArray[np.uint16] | NDArray[np.uint8]) -> bytes:
    """CRC-16 of CCITT; the standard's start of FFFF before 16 more bits is this one's of 1D0F."""
    crc = 0x1D0F
    for piece in _octets(plane):
        crc = binascii.crc_hqx(piece, crc)
    return crc.to_bytes(2)


def _checksum(plane: NDArray[np.uint16] | NDArray[np.uint8]) -> bytes:
    """The sum of all bytes, each mixed with its column and row."""
    columns = np.arange(plane.shape[1], dtype=np.uint32)
    across = (columns & 0xFF) ^ (columns >> 8)
    total = 0
    for row, pixels in enumerate(plane):
        mask = across ^ ((row & 0xFF) ^ (row >> 8))
        total += int(((pixels & 0xFF) ^ mask).sum(dtype=np.uint64))
        if plane.dtype.itemsize > 1:
            total += int(((pixels >> 8) ^ mask).sum(dtype=np.uint64))
    return (total & 0xFFFFFFFF).to_bytes(4)


_HASHES = {"md5": _md5, "crc": _crc, "checksum": _checksum}
