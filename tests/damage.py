"""Streams damaged on purpose, each kind from a seed, and what becomes of them.

    python tests/damage.py               the table of docs/reliability.md: 333 damages x 3 clips
    python tests/damage.py --share 0.2   a fifth of it
    python tests/damage.py --strict      as `stacgen build --strict` decodes

Each clip has 48 frames in 4 segments of 12. A damage takes the segments as they should be and gives
those that arrive. A stream is *refused* where one of its segments is; it is *wrong* where none is
and some pixel is not that of the clean stream. Exit code 1 where something is wrong that must not.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random

import av
import numpy as np

from stacgen.errors import SegmentError
from stacgen.model.stream import Timeline
from stacgen.video import decoder, mpegts

SHAPE = (256, 320)
FRAMES, EACH = 48, 12
PACKET = mpegts.PACKET
CLIPS = {
    "no hash": "keyint=12:min-keyint=12:bframes=2:b-adapt=0",
    "md5": "keyint=12:min-keyint=12:bframes=2:b-adapt=0:hash=1",
    "intra": "keyint=1",
}
UNVERIFIED = {
    "no hash, no rows": f"{CLIPS['no hash']}:wpp=0",
    "intra, no rows": f"{CLIPS['intra']}:wpp=0",
}
"""Clips of which no table is made: with neither picture hashes nor a second way of decoding."""

UNNOTICED = 0.25
"""Of the streams without hashes in which bits flipped in place, the part that may be wrong."""

Segments = tuple[bytes, ...]
Damage = Callable[[Segments, Random], Sequence[bytes]]


@cache
def clip(name: str, *, recording: int = 0) -> Segments:
    """The segments of a clip, cut by FFmpeg's own HLS muxer."""
    coding = (CLIPS | UNVERIFIED)[name]
    rows, columns = np.indices(SHAPE)
    noise = np.random.default_rng(recording)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.m3u8"
        with av.open(
            str(path), "w", format="hls", options={"hls_time": "0.48", "hls_list_size": "0"}
        ) as out:
            stream = out.add_stream("libx265", rate=25)
            stream.height, stream.width = SHAPE
            stream.pix_fmt = "gray12le"
            params = f"log-level=none:frame-threads=1:scenecut=0:open-gop=0:info=0:{coding}"
            stream.options = {"preset": "veryfast", "crf": "20", "x265-params": params}
            for number in range(FRAMES):
                waves = 2 + np.sin(columns / (9 + recording) + number) + np.cos(rows / 7 - number)
                codes = 3500 * waves / 4 + noise.integers(0, 300, SHAPE)
                frame = av.VideoFrame.from_ndarray(codes.astype(np.uint16), format="gray12le")
                frame.pts = number
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return tuple(file.read_bytes() for file in sorted(path.parent.glob("*.ts")))


def _packets(media: bytes) -> list[bytes]:
    return [media[at : at + PACKET] for at in range(0, len(media), PACKET)]


def _video(media: bytes) -> list[int]:
    """Places of the packets of the video."""
    track = mpegts.check(media).track
    pids = [int.from_bytes(each[1:3]) & 0x1FFF for each in _packets(media)]
    return [place for place, pid in enumerate(pids) if pid == track]


def _starts(media: bytes) -> list[int]:
    """Places of the packets with which a picture begins."""
    packets = _packets(media)
    return [place for place in _video(media) if packets[place][1] & 0x40]


def _payload(packet: bytes) -> int:
    return 5 + packet[4] if packet[3] & 0x20 else 4


def _flip(media: bytes, at: int, random: Random) -> bytes:
    return media[:at] + bytes([media[at] ^ 1 << random.randrange(8)]) + media[at + 1 :]


def _in_one(change: Callable[[bytes, Random], bytes]) -> Damage:
    """Damages any one segment."""

    def damage(segments: Segments, random: Random) -> Sequence[bytes]:
        chosen = random.randrange(len(segments))
        return [
            change(each, random) if place == chosen else each for place, each in enumerate(segments)
        ]

    return damage


def _in_last(change: Callable[[bytes, Random], bytes]) -> Damage:
    return lambda segments, random: [*segments[:-1], change(segments[-1], random)]


def _in_middle(change: Callable[[bytes, Random], bytes]) -> Damage:
    def damage(segments: Segments, random: Random) -> Sequence[bytes]:
        chosen = random.randrange(1, len(segments) - 1)
        changed = list(segments)
        changed[chosen] = change(segments[chosen], random)
        return changed

    return damage


def flip_video(media: bytes, random: Random) -> bytes:
    place = random.choice(_video(media))
    packet = _packets(media)[place]
    begin = _payload(packet)
    if packet[1] & 0x40:
        begin += 9 + packet[begin + 8]
    if begin >= PACKET:
        return flip_video(media, random)
    return _flip(media, place * PACKET + random.randrange(begin, PACKET), random)


def flip_anywhere(media: bytes, random: Random) -> bytes:
    return _flip(media, random.randrange(len(media)), random)


def flip_header(media: bytes, random: Random) -> bytes:
    place = random.randrange(len(media) // PACKET)
    return _flip(media, place * PACKET + random.randrange(4), random)


def flip_pes(media: bytes, random: Random) -> bytes:
    place = random.choice(_starts(media))
    begin = place * PACKET + _payload(_packets(media)[place])
    return _flip(media, begin + random.randrange(14), random)


def noise(media: bytes, random: Random) -> bytes:
    at = random.randrange(len(media) - 64)
    return media[:at] + random.randbytes(64) + media[at + 64 :]


def hole(media: bytes, random: Random) -> bytes:
    at = random.randrange(max(1, len(media) - 4096))
    size = min(4096, len(media) - at)
    return media[:at] + bytes(size) + media[at + size :]


def _dropped(media: bytes, place: int, count: int) -> bytes:
    return media[: place * PACKET] + media[(place + count) * PACKET :]


def drop_one(media: bytes, random: Random) -> bytes:
    return _dropped(media, random.choice(_video(media)), 1)


def drop_some(media: bytes, random: Random) -> bytes:
    count = random.choice([each for each in range(2, 31) if each != 16])
    return _dropped(media, random.randrange(3, len(media) // PACKET - count), count)


def drop_sixteen(media: bytes, random: Random) -> bytes:
    return _dropped(media, random.randrange(4, len(media) // PACKET - 16), 16)


def duplicate_or_swap(media: bytes, random: Random) -> bytes:
    packets = _packets(media)
    place = random.choice(_video(media)[:-1])
    if random.random() < 0.5:
        packets.insert(place, packets[place])
    else:
        packets[place], packets[place + 1] = packets[place + 1], packets[place]
    return b"".join(packets)


def cut_anywhere(media: bytes, random: Random) -> bytes:
    size = random.randrange(PACKET, len(media))
    return media[: size if random.random() < 0.5 else size // PACKET * PACKET]


def cut_between_packets(media: bytes, random: Random) -> bytes:
    return media[: random.randrange(1, len(media) // PACKET) * PACKET]


def cut_in_last_picture(media: bytes, random: Random) -> bytes:
    return media[: random.randrange(_starts(media)[-1] + 1, len(media) // PACKET) * PACKET]


def lose_or_repeat_head(media: bytes, random: Random) -> bytes:
    size = random.choice([random.randrange(1, 4096), random.randrange(1, 20) * PACKET])
    return media[size:] if random.random() < 0.5 else media[:size] + media


def lose_parameter_sets(media: bytes, random: Random) -> bytes:
    """Without a packet from the beginning of a picture that holds parameter sets."""
    del random
    return _dropped(media, _starts(media)[0], 1)


def lose_tables(media: bytes, random: Random) -> bytes:
    del random
    return b"".join(
        each for each in _packets(media) if int.from_bytes(each[1:3]) & 0x1FFF not in (0, 0x1000)
    )


def misplaced(segments: Segments, random: Random) -> Sequence[bytes]:
    """A segment that is empty, a web page, another one, twice there, or without its tables."""
    chosen, changed = random.randrange(len(segments)), list(segments)
    other = (chosen + random.randrange(1, len(segments))) % len(segments)
    changed[chosen] = random.choice(
        [
            b"",
            b"<!doctype html><html><body>Bad gateway</body></html>",
            segments[other],
            segments[chosen] * 2,
            segments[other] + segments[chosen],
            lose_tables(segments[chosen], random),
        ]
    )
    return changed


def other_recording(name: str) -> Damage:
    def damage(segments: Segments, random: Random) -> Sequence[bytes]:
        chosen, changed = random.randrange(len(segments)), list(segments)
        changed[chosen] = clip(name, recording=1)[chosen]
        return changed

    return damage


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of damage."""

    name: str
    count: int
    damage: Damage
    in_place: bool = False
    """No byte is lost or moved: not what happens on the way, so the length tells nothing."""


def kinds(name: str) -> tuple[Kind, ...]:
    """All of them, for a clip."""
    return (
        Kind("1 bit, video payload", 50, _in_one(flip_video), in_place=True),
        Kind("1 bit, anywhere", 20, _in_one(flip_anywhere), in_place=True),
        Kind("1 bit, packet header", 15, _in_one(flip_header), in_place=True),
        Kind("1 bit, PES header", 15, _in_one(flip_pes), in_place=True),
        Kind("64 random bytes", 20, _in_one(noise), in_place=True),
        Kind("4 KiB of zeros", 20, _in_one(hole)),
        Kind("1 packet lost", 40, _in_one(drop_one)),
        Kind("2 to 30 packets lost", 15, _in_one(drop_some)),
        Kind("16 packets lost", 15, _in_one(drop_sixteen)),
        Kind("packets repeated or swapped", 20, _in_one(duplicate_or_swap)),
        Kind("last segment cut", 30, _in_last(cut_anywhere)),
        Kind("cut within the last picture", 10, _in_last(cut_in_last_picture)),
        Kind("middle segment cut", 15, _in_middle(cut_between_packets)),
        Kind("beginning lost or repeated", 10, _in_one(lose_or_repeat_head)),
        Kind("another recording", 4, other_recording(name)),
        Kind("parameter sets lost", 4, _in_one(lose_parameter_sets)),
        Kind("segment missing, misplaced", 30, misplaced),
    )


@cache
def timeline(name: str) -> Timeline:
    """The beat of a clip: its earliest picture is frame 0."""
    times = [time for time in mpegts.check(clip(name)[0]).times if time is not None]
    return Timeline(origin=Fraction(min(times), 90_000))


def decoded(name: str, segment: int, media: bytes, *, twice: bool = False) -> list[str]:
    """Digests of the frames of a segment, once it has been decoded to its end."""
    numbers = range(segment * EACH, (segment + 1) * EACH)
    frames = decoder.frames(
        media, numbers=numbers, timeline=timeline(name), shape=SHAPE, twice=twice
    )
    return [sha256(each.pixels.tobytes()).hexdigest() for each in frames]


@cache
def truth(name: str) -> tuple[list[str], ...]:
    return tuple(decoded(name, place, media) for place, media in enumerate(clip(name)))


def detector(media: bytes, error: SegmentError) -> str:
    """Which check refused a segment."""
    try:
        mpegts.check(media)
    except SegmentError:
        return "packets"
    text = str(error)
    if text.startswith(("two ways", "the decoder does not need")):
        return "twice"
    if text.startswith(("the decoder", "a frame is damaged", "a packet is damaged")):
        return "decoder"
    if "hash" in text or "NAL unit" in text or "SEI" in text:
        return "hashes"
    return "times"


def verdict(name: str, kind: Kind, seed: int, *, twice: bool = False) -> tuple[str, bool]:
    """What becomes of a damaged stream whose length nobody looks at.

    Returns:
        The check that refuses it, or `right`, or `wrong`; and whether its length would tell.
    """
    segments = clip(name)
    damaged = kind.damage(segments, Random(f"{kind.name} {seed}"))
    changed = [place for place, each in enumerate(damaged) if each != segments[place]]
    found = "right"
    for place in changed:
        try:
            right = decoded(name, place, damaged[place], twice=twice) == truth(name)[place]
        except SegmentError as error:
            return detector(damaged[place], error), _shorter(segments, damaged)
        found = found if right else "wrong"
    return found, _shorter(segments, damaged)


def _shorter(segments: Segments, damaged: Sequence[bytes]) -> bool:
    return any(len(one) != len(other) for one, other in zip(segments, damaged, strict=True))


def cases(name: str, share: float) -> Iterator[tuple[Kind, int]]:
    for kind in kinds(name):
        for seed in range(max(1, round(kind.count * share))):
            yield kind, seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the damaged streams of a clip."""

    rows: dict[str, Counter[str]]
    """By kind: streams by the check that refused them, `right`, or `wrong`; and of the wrong ones
    `told`, those whose length tells."""

    in_place: frozenset[str]
    slowest: float
    """Seconds for a stream."""

    def size(self, kind: str) -> int:
        """Streams that were damaged so."""
        return self.rows[kind].total() - self.rows[kind]["told"]

    def wrong(self, *, in_place: bool, with_length: bool) -> int:
        """Streams that were taken though they are wrong."""
        return sum(
            row["wrong"] - (row["told"] if with_length else 0)
            for name, row in self.rows.items()
            if (name in self.in_place) == in_place
        )


def tally(name: str, share: float = 1, *, twice: bool = False) -> Tally:
    """Damage a clip in every way, and see."""
    rows: dict[str, Counter[str]] = {}
    slowest = 0.0
    for kind, seed in cases(name, share):
        began = time.perf_counter()
        found, told = verdict(name, kind, seed, twice=twice)
        slowest = max(slowest, time.perf_counter() - began)
        row = rows.setdefault(kind.name, Counter())
        row[found] += 1
        row["told"] += found == "wrong" and told
    in_place = frozenset(kind.name for kind in kinds(name) if kind.in_place)
    return Tally(rows=rows, in_place=in_place, slowest=slowest)


COLUMNS = ("packets", "hashes", "times", "decoder", "twice", "right", "wrong", "told")


def table(name: str, counted: Tally) -> str:
    """A line a kind of damage, and their sum."""
    rows = {**counted.rows, "total": sum(counted.rows.values(), Counter())}
    lines = ["".join([f"{name:<28}", *(f"{each:>8}" for each in ("n", *COLUMNS))])]
    for kind, row in rows.items():
        figures = (row.total() - row["told"], *(row[each] for each in COLUMNS))
        lines.append("".join([f"{kind:<28}", *(f"{each:>8}" for each in figures)]))
    return "\n".join(lines) + "\n"


def failures(name: str, counted: Tally) -> Iterator[str]:
    """What must not be."""
    if counted.wrong(in_place=False, with_length=True):
        yield f"{name}: damage on the way gave wrong pixels"
    unnoticed = counted.wrong(in_place=True, with_length=True)
    tried = sum(counted.size(kind) for kind in counted.in_place)
    if unnoticed > (0 if name == "md5" else UNNOTICED * tried):
        yield f"{name}: {unnoticed} of {tried} streams with bits flipped in place were taken"


def main() -> int:
    parser = argparse.ArgumentParser(description="Damage streams, and count what gets through.")
    parser.add_argument("--share", type=float, default=1, help="of the damages to try")
    parser.add_argument("--strict", action="store_true", help="decode in two ways")
    told = parser.parse_args()
    problems: list[str] = []
    with ProcessPoolExecutor(max_workers=2) as pool:
        futures = {name: pool.submit(tally, name, told.share, twice=told.strict) for name in CLIPS}
        for name, future in futures.items():
            counted = future.result()  # a crash of the decoder is raised here
            problems += failures(name, counted)
            sys.stdout.write(f"{table(name, counted)}slowest stream: {counted.slowest:.2f} s\n\n")
    sys.stdout.write("\n".join(problems or ["all as it must be"]) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
