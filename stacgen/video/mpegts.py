"""An MPEG-TS segment, checked packet by packet, and the video that it carries. Pure.

FFmpeg steps over a packet that is missing, cut or astray without a word. So here every packet is
looked at before any is decoded: its header, its counter, its tables with their checksums, and the
headers of the video it carries. A thing the standard [1] allows is let pass; all else is damage.

[1] ISO/IEC 13818-1:2023, *Generic coding of moving pictures: Systems*.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacgen.errors import SegmentError

PACKET = 188
"""Bytes of a packet."""

HEVC = 0x24
"""The stream type of HEVC in a program map."""

CLOCK = 90_000
"""Units of presentation times per second."""

_SYNC = 0x47
_NULL = 0x1FFF
"""PID of packets that carry nothing and are not counted."""

_VIDEO = frozenset({0x01, 0x02, 0x10, 0x1B, 0x20, 0x21, 0x24, 0x25, 0x33, 0x34})
"""Stream types of video: MPEG-1, -2, -4, H.264, JPEG 2000, HEVC, VVC, EVC."""

_PAT, _PMT = 0x00, 0x02
"""Identifiers of the program association table and of a program map."""

_MOST_TABLES = 10_000
"""Sections of tables in a segment, beyond which it is no segment but an attack."""

_START = b"\0\0\1"
_HEAD = 9
"""Bytes of the header of a PES packet that are always there."""

Octets = NDArray[np.uint8]
Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """What a segment carries."""

    video: bytearray
    """The elementary stream of its one video track."""

    codec: int
    """Stream type of it, as in the program map."""

    times: tuple[int | None, ...]
    """Presentation time of each PES packet in 1/90000 s, in the order of the stream."""

    track: int
    """PID of the video."""

    closed: tuple[bool, ...]
    """Of each PES packet, whether it shows where it ends, by its length or by stuffing at its end.
    One that is cut off between packets does not; nor does one whole one of 184, that fits exactly.
    """

    @property
    def is_closed(self) -> bool:
        """Whether each PES packet shows where it ends."""
        return all(self.closed)


@dataclass(frozen=True, slots=True)
class _Headers:
    """The headers of all packets, a row or an entry a packet."""

    packets: Octets
    """(packets, 188)."""

    pid: Integers
    starts: NDArray[np.bool_]
    """Where a section or PES packet begins."""

    adapted: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    """Where there is a payload."""

    counter: Integers
    begin: NDArray[np.intp]
    """Place of the payload in the packet, from 4 to 188."""

    jumps: frozenset[int]
    """Packets that say that the counter may be a new one."""

    stuffed: frozenset[int]
    """Packets with stuffing before the payload, which only the last of a PES packet needs."""


def check(media: bytes) -> Transport:
    """Whatever a segment carries, once nothing about its packets is amiss.

    Raises:
        SegmentError: It is no MPEG-TS, or damaged; the message says where.
    """
    headers = _headers(media)
    _check_counters(headers)
    tracks = _video_tracks(headers)
    if len(tracks) != 1:
        raise SegmentError(f"it holds {len(tracks)} video tracks, not one")
    [(track, codec)] = tracks.items()
    own = np.flatnonzero((headers.pid == track) & headers.filled)
    if not own.size:
        raise SegmentError("it holds no packet of its video")
    video, times, closed = _payload(headers, own)
    return Transport(
        video=video,
        codec=codec,
        times=times,
        track=track,
        closed=closed,
    )


def first_time(head: bytes) -> Fraction:
    """Presentation time of the first picture of a segment, in seconds.

    Args:
        head: Its first packets, or all; what is not a whole packet is ignored.

    Raises:
        SegmentError: It is no MPEG-TS, or holds no beginning of a picture with a time.
    """
    headers = _headers(head[: len(head) // PACKET * PACKET])
    tracks = list(_video_tracks(headers))
    begun = np.flatnonzero(np.isin(headers.pid, tracks) & headers.starts & headers.filled)
    if begun.size:
        place = int(begun[0])
        _, time, _ = _pes(headers.packets[place, headers.begin[place] :].tobytes(), place)
        if time is not None:
            return Fraction(time, CLOCK)
    raise SegmentError("it holds no presentation time")


def goes_on(media: bytes, following: bytes) -> bool:
    """Whether the counters leave it open that one segment follows on another with nothing lost.

    Some packagers count on from segment to segment, others anew in each. Which it is, the tables
    tell: they are no part of a picture that may have been cut off.

    Args:
        media: A segment, whole as far as it goes.
        following: The first packets, or all, of the segment after it.
    """
    track = check(media).track
    before, after = _counters(media), _counters(following)
    both = before.keys() & after.keys()
    tables = both - {track, _NULL}
    if track not in after or all(before[pid][0] == after[pid][0] for pid in both):
        return True  # a new count in each
    counts_on = bool(tables) and all(after[pid][0] == (before[pid][1] + 1) % 16 for pid in tables)
    return not counts_on or after[track][0] == (before[track][1] + 1) % 16


def _counters(media: bytes) -> dict[int, tuple[int, int]]:
    """Continuity counter of the first and of the last payload of each PID."""
    packets = np.frombuffer(media, np.uint8, len(media) // PACKET * PACKET).reshape(-1, PACKET)
    head = packets[packets[:, 3] & 0x10 > 0, 1:4].copy()
    pids, counter = (head[:, 0] & 0x1F).astype(np.uint16) << 8 | head[:, 1], head[:, 2] & 0x0F
    found, first = np.unique(pids, return_index=True)
    _, last = np.unique(pids[::-1], return_index=True)
    return {
        int(pid): (int(counter[start]), int(counter[-1 - end]))
        for pid, start, end in zip(found, first, last, strict=True)
    }


def _headers(media: bytes) -> _Headers:
    if not media or media[0] != _SYNC:
        raise SegmentError(f"it is no MPEG-TS but begins with {media[:16]!r}")
    whole = len(media) // PACKET
    packets = np.frombuffer(media, np.uint8, whole * PACKET).reshape(-1, PACKET)
    head = packets[:, :5].copy()
    if len(media) % PACKET or (head[:, 0] != _SYNC).any():
        raise SegmentError("it is not whole packets of MPEG-TS: some bytes are missing or astray")
    _refuse(head[:, 1] & 0x80, "is marked as damaged")
    pid = (head[:, 1] & 0x1F).astype(np.uint16) << 8 | head[:, 2]
    real = pid != _NULL
    _refuse(real & (head[:, 3] & 0xC0 > 0), "is scrambled")
    adapted, filled = head[:, 3] & 0x20 > 0, head[:, 3] & 0x10 > 0
    _refuse(real & ~adapted & ~filled, "has neither payload nor adaptation field")
    begin = np.where(adapted, 5 + head[:, 4].astype(np.intp), 4)
    _refuse(real & adapted & np.where(filled, begin >= PACKET, begin != PACKET), "is malformed")
    places = np.flatnonzero(real & adapted).tolist()
    fields = {place: _adaptation(packets[place, 5 : begin[place]], place) for place in places}
    return _Headers(
        packets=packets,
        pid=pid,
        starts=head[:, 1] & 0x40 > 0,
        adapted=adapted,
        filled=filled,
        counter=head[:, 3] & 0x0F,
        begin=begin,
        jumps=frozenset(place for place, (jump, _) in fields.items() if jump),
        stuffed=frozenset(place for place, (_, stuffed) in fields.items() if stuffed),
    )


def _refuse(marked: Integers | NDArray[np.bool_], problem: str) -> None:
    if marked.any():
        raise SegmentError(f"packet {int(marked.argmax())} {problem}")


def _adaptation(field: Octets, place: int) -> tuple[bool, bool]:
    """Whether an adaptation field lets the counter jump, and whether there is stuffing in it."""
    if not field.size:
        return False, True  # the byte that says that it is empty is itself the stuffing
    content = field.tobytes()
    flags = content[0]
    end = 1 + 6 * bool(flags & 0x10) + 6 * bool(flags & 0x08) + bool(flags & 0x04)
    for flag in (0x02, 0x01):  # private data and an extension, each behind its length
        if flags & flag:
            end += 1 + (content[end] if end < len(content) else PACKET)
    if end > len(content) or content[end:].strip(b"\xff"):
        raise SegmentError(f"packet {place} has a malformed adaptation field")
    return bool(flags & 0x80), end < len(content)


def _check_counters(headers: _Headers) -> None:
    """A counter goes up by one with each payload of its PID, and stands still without one."""
    order = np.argsort(headers.pid, kind="stable")
    pid, counter = headers.pid[order], headers.counter[order]
    step = (counter[1:] - counter[:-1]) & 0x0F
    wrong = (pid[1:] == pid[:-1]) & (pid[1:] != _NULL) & (step != headers.filled[order][1:])
    astray = sorted(set(order[1:][wrong].tolist()) - headers.jumps)
    if astray:
        raise SegmentError(f"packets are missing or astray before packet {astray[0]}")


def _video_tracks(headers: _Headers) -> dict[int, int]:
    """PID and stream type of each video track that the program maps name."""
    maps: set[int] = set()
    for section in _sections(headers, 0):
        if section[0] != _PAT:
            raise SegmentError("its program table is another kind of table")
        entries = (section[at : at + 4] for at in range(8, len(section) - 7, 4))
        maps |= {_pid(entry, 2) for entry in entries if any(entry[:2])}
    if not maps:
        raise SegmentError("its program table is missing")
    tracks: dict[int, int] = {}
    for place in sorted(maps):
        programs = [each for each in _sections(headers, place) if each[0] == _PMT]
        if not programs:
            raise SegmentError("its program map is missing")
        for program in programs:
            tracks |= {pid: kind for kind, pid in _streams(program) if kind in _VIDEO}
    return tracks


def _sections(headers: _Headers, pid: int) -> Iterator[bytes]:
    """The tables on a PID, whole, each once; a checksum that is wrong is damage."""
    content = bytearray()
    seen: set[bytes] = set()
    own = np.flatnonzero((headers.pid == pid) & headers.filled)
    for count, place in enumerate(own.tolist()):
        payload = headers.packets[place, headers.begin[place] :].tobytes()
        if count > _MOST_TABLES:
            raise SegmentError("it holds more tables than a segment can need")
        if headers.starts[place]:
            rest = payload[1 : 1 + payload[0]]
            yield from _new(_split(content + rest if content else b""), seen)
            content = bytearray(payload[1 + payload[0] :])
        elif content:
            content += payload
    yield from _new(_split(content), seen)


def _new(sections: Iterable[bytes], seen: set[bytes]) -> Iterator[bytes]:
    for section in sections:
        if section not in seen:
            seen.add(section)
            yield section


def _split(content: bytes | bytearray) -> Iterator[bytes]:
    at = 0
    while at < len(content) and content[at] != 0xFF:  # noqa: PLR2004 - stuffing
        length = 3 + (int.from_bytes(content[at + 1 : at + 3]) & 0x0FFF)
        section = bytes(content[at : at + length])
        if len(section) < length or length < 12 or crc32(section):  # noqa: PLR2004 - head and sum
            raise SegmentError("one of its tables is damaged")
        yield section
        at += length


def _streams(program: bytes) -> Iterator[tuple[int, int]]:
    """Stream type and PID of each track of a program map."""
    at = 12 + (int.from_bytes(program[10:12]) & 0x0FFF)
    while at + 5 <= len(program) - 4:
        yield program[at], _pid(program, at + 1)
        at += 5 + (int.from_bytes(program[at + 3 : at + 5]) & 0x0FFF)
    if at != len(program) - 4:
        raise SegmentError("its program map is malformed")


def _pid(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2]) & 0x1FFF


def crc32(content: bytes) -> int:
    """The CRC-32 of MPEG-2 tables: polynomial 04C11DB7, not reflected; 0 over table and sum.

    >>> hex(crc32(b"123456789"))
    '0x376e6e7'
    """
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc << 8 & 0xFFFFFFFF ^ _CRC[crc >> 24 ^ byte]
    return crc


def _remainder(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
    return crc


_CRC = tuple(map(_remainder, range(256)))


def _payload(
    headers: _Headers, own: NDArray[np.intp]
) -> tuple[bytearray, tuple[int | None, ...], tuple[bool, ...]]:
    """The elementary stream, the time of each PES packet, and whether each shows its end."""
    if not headers.starts[own[0]]:
        raise SegmentError("it begins within a picture")
    begin = headers.begin[own]
    times: list[int | None] = []
    claims: list[int] = []
    first = np.flatnonzero(headers.starts[own])
    for place in first.tolist():
        head = headers.packets[own[place], begin[place] :].tobytes()
        length, time, claimed = _pes(head, int(own[place]))
        begin[place] += length
        times.append(time)
        claims.append(claimed and claimed + 6 - length)  # of what follows the header
    sizes = np.add.reduceat(PACKET - begin, first)
    if any(claimed not in (0, size) for claimed, size in zip(claims, sizes.tolist(), strict=True)):
        raise SegmentError("a picture is longer or shorter than it says")
    last = own[[*(first[1:] - 1).tolist(), -1]].tolist()
    closed = tuple(
        claimed > 0 or place in headers.stuffed for claimed, place in zip(claims, last, strict=True)
    )
    return _joined(headers.packets, own, begin), tuple(times), closed


def _joined(packets: Octets, own: NDArray[np.intp], begin: NDArray[np.intp]) -> bytearray:
    """The payloads one behind the other, copied in runs of neighbours that begin alike."""
    ends = np.cumsum(PACKET - begin)
    joined = bytearray(int(ends[-1]))
    target = np.frombuffer(joined, np.uint8)
    breaks = np.flatnonzero((np.diff(own) != 1) | (np.diff(begin) != 0)) + 1
    runs = [0, *breaks.tolist(), own.size]
    for start, stop in pairwise(runs):
        first, offset = int(own[start]), int(begin[start])
        block = packets[first : first + stop - start, offset:]
        target[int(ends[stop - 1]) - block.size : int(ends[stop - 1])].reshape(block.shape)[:] = (
            block
        )
    return joined


def _pes(head: bytes, place: int) -> tuple[int, int | None, int]:
    """Length of a PES header, the presentation time in it, and the length that it claims."""
    problem = SegmentError(f"packet {place} begins no picture")
    if len(head) < _HEAD or head[:3] != _START or not 0xE0 <= head[3] <= 0xEF:  # noqa: PLR2004
        raise problem
    flags, which, length = head[6], head[7] >> 6, _HEAD + head[8]
    needed = _HEAD + (0, PACKET, 5, 10)[which]
    if flags & 0xF0 != 0x80 or length > len(head) or length < needed:  # noqa: PLR2004
        raise problem
    if not head[7] & 0x3F and head[needed:length].strip(b"\xff"):
        raise problem  # nothing but stuffing may stand there
    claimed = int.from_bytes(head[4:6])
    if not which:
        return length, None, claimed
    shown = _clock(head[9:14], which)
    decoded = _clock(head[14:19], 1) if which == 3 else shown  # noqa: PLR2004 - both are there
    if shown is None or decoded is None or (shown - decoded) % 2**33 > 2**32:
        raise problem
    return length, shown, claimed


def _clock(field: bytes, prefix: int) -> int | None:
    """A time in 1/90000 s, or None where the five bytes are no time."""
    if field[0] >> 4 != prefix or not field[0] & field[2] & field[4] & 1:
        return None
    high, middle, low = field[0] >> 1 & 7, field[1] << 7 | field[2] >> 1, field[3] << 7
    return high << 30 | middle << 15 | low | field[4] >> 1
