"""Costs of the checks of a segment, and the losses of whole packets that get through them.

python tests/benchmarks/integrity.py            the costs
python tests/benchmarks/integrity.py --losses   the losses, in streams without picture hashes,
                                                and sound streams checked alike; ten minutes
"""

import argparse
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import damage  # noqa: E402
from conftest import SHARED  # noqa: E402
from stacgen.errors import SegmentError  # noqa: E402
from stacgen.model.stream import Timeline  # noqa: E402
from stacgen.video import blockiness, decoder, hevc, mpegts  # noqa: E402
from streams import make  # noqa: E402

SIZE = 25_000_000
CLIPS = ("no hash", "intra", *damage.UNVERIFIED)
LOST = (16, 32, 48)
"""Packets, after which the counters fit again."""

SEEDS = range(20_000, 20_100)
"""Others than those of tests/damage.py and than those with which the checks were made."""


def long_segment() -> bytes:
    """Segments of a clip over and over, counted through as one."""
    media = b"".join(damage.clip("no hash"))
    packets = np.frombuffer(bytearray(media * (SIZE // len(media) + 1)), np.uint8)
    packets = packets.reshape(-1, mpegts.PACKET)
    pids = (packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]
    for pid in np.unique(pids):
        own = pids == pid
        packets[own, 3] = packets[own, 3] & 0xF0 | np.arange(own.sum()) % 16
    return packets.tobytes()


def quickest(run: Callable[[], object]) -> float:
    """Seconds of CPU, the best of five."""
    times = []
    for _ in range(5):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


def costs() -> None:
    """Print the costs of the checks."""
    media = long_segment()
    megabytes = len(media) / 1e6
    video = mpegts.check(media).video
    plane = np.random.default_rng(0).integers(0, 4096, (10_980, 10_980), np.uint16)
    for name, run in {
        "packets": lambda: mpegts.check(media),
        "picture hashes": lambda: hevc.hashes(video),
    }.items():
        took = quickest(run)
        sys.stdout.write(f"{name}: {took * 1e3:.0f} ms of {megabytes:.0f} MB, ")
        sys.stdout.write(f"{megabytes / took:.0f} MB/s\n")
    took = quickest(lambda: blockiness.jumps(plane, noise=8))
    sys.stdout.write(f"blocks: {took * 1e3:.0f} ms a 10 m frame\n")
    tracemalloc.start()
    mpegts.check(media)
    peak = tracemalloc.get_traced_memory()[1] / len(media)
    sys.stdout.write(f"memory: {peak:.2f} of the segment beside it\n")


def _lost(media: bytes, random: Random, *, count: int) -> bytes:
    return damage._dropped(media, random.randrange(4, len(media) // mpegts.PACKET - count), count)


def losses(name: str, *, strict: bool) -> Counter[str]:
    """Streams of a clip that lost packets, by the check that refused them, `right` or `wrong`."""
    found: Counter[str] = Counter()
    for count in LOST:
        kind = damage.Kind(f"{count} lost", 0, damage._in_one(partial(_lost, count=count)))
        found.update(damage.verdict(name, kind, seed, twice=strict)[0] for seed in SEEDS)
    return found


def sound() -> Iterator[tuple[str, bool, list[bytes]]]:
    """Streams without hashes that are as their encoder made them: name, colour, segments."""
    for band in ("B01", "B09"):
        with tempfile.TemporaryDirectory() as folder:
            files = make(band, 36, Path(folder)).files
            yield f"the sample's {band}", False, [file.read_bytes() for file in files]
    for stream in sorted((SHARED / "streams").glob("*_*_*")):
        segments = [file.read_bytes() for file in sorted(stream.glob("*.ts"))]
        yield stream.name, "TCI" in stream.name, segments


def checked(segments: Iterable[bytes], *, is_color: bool, strict: bool) -> tuple[int, int, float]:
    """Frames, segments refused, and seconds of CPU a frame."""
    frames, refused, began = 0, 0, time.process_time()
    for media in segments:
        times = [each for each in mpegts.check(media).times if each is not None]
        timeline = Timeline(origin=Fraction(0), rate=4 if is_color else 25, is_relative=True)
        try:
            decoded = decoder.frames(
                media,
                numbers=range(len(times)),
                timeline=timeline,
                shape=(1830, 1830),
                is_color=is_color,
                twice=strict,
            )
            frames += sum(1 for _ in decoded)
        except SegmentError as error:
            refused += 1
            sys.stdout.write(f"refused: {error}\n")
    return frames, refused, (time.process_time() - began) / max(frames, 1)


def lost_and_sound() -> None:
    """Print what gets through, and what is refused that is sound."""
    with ProcessPoolExecutor(max_workers=2) as pool:
        futures = {
            (name, strict): pool.submit(losses, name, strict=strict)
            for name in CLIPS
            for strict in (False, True)
        }
        for (name, strict), future in futures.items():
            row = future.result()
            figures = ", ".join(f"{each} {count}" for each, count in sorted(row.items()))
            mode = "strict" if strict else "default"
            sys.stdout.write(f"{name}, {mode}: {row['wrong']} of {row.total()} wrong ({figures})\n")
            sys.stdout.flush()
    for name, is_color, segments in sound():
        for strict in (False, True):
            frames, refused, seconds = checked(segments, is_color=is_color, strict=strict)
            mode = "strict" if strict else "default"
            sys.stdout.write(f"sound: {name}, {mode}: {frames} frames, {refused} of ")
            sys.stdout.write(f"{len(segments)} segments refused, {seconds * 1e3:.0f} ms a frame\n")
            sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the checks of a segment.")
    parser.add_argument("--losses", action="store_true", help="of packets, that get through")
    (lost_and_sound if parser.parse_args().losses else costs)()


if __name__ == "__main__":
    main()
