"""How far blocks jump in sound frames, and in wrong ones that no check refuses.

`python tests/benchmarks/jumps.py` takes three minutes. Each stream has two lines: with the noise
beyond which a segment is decoded in a second way, and with that beyond which a frame is told of.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import damage  # noqa: E402
from conftest import SHARED  # noqa: E402
from stacgen.dunia import answers, playlist  # noqa: E402
from stacgen.errors import SegmentError  # noqa: E402
from stacgen.model import bands, mgrs  # noqa: E402
from stacgen.model.stream import Codes, Segment, Stream  # noqa: E402
from stacgen.video import blockiness, decoder  # noqa: E402
from streams import make  # noqa: E402

BASE = "http://x/"
ODD = 0.1
NOISES = (8, 32)
"""In codes of 12 bits, which all these streams have."""

Jumps = tuple[float, ...]
"""The largest share of steep edges in a row of blocks, with each noise."""


def jumps(codes: Codes) -> Jumps:
    """Of a frame."""
    return tuple(blockiness.jumps(codes.pixels, noise=noise) for noise in NOISES)


def sound(stream: Stream, parts: Iterable[tuple[Segment, Path]]) -> Iterator[Jumps]:
    """Of each frame of some segments."""
    for segment, file in parts:
        size = 109_800 // stream.band.resolution
        for codes in decoder.frames(
            file.read_bytes(),
            numbers=range(segment.start, segment.stop),
            timeline=stream.timeline,
            shape=(size, size),
        ):
            yield jumps(codes)


def reference(folder: Path) -> Iterator[Jumps]:
    """Of the frames of a stream that lies beside the project."""
    tile, band, year = folder.name.split("_")
    raw = (folder / "band.json").read_text().replace("@BASE@", BASE).encode()
    stream = answers.parse_stream(
        raw, url=BASE, tile=mgrs.parse(tile), band=bands.find(band), year=int(year)
    )
    text = next(folder.glob("*.m3u8")).read_text()
    segments = playlist.parse(text, base=f"{BASE}s.m3u8", rate=stream.timeline.rate).segments
    files = (folder / each.media.url.rpartition("/")[2] for each in segments)
    yield from sound(stream, zip(segments, files, strict=True))


def wrong(name: str) -> Iterator[Jumps]:
    """The highest of each stream of a clip that is wrong and that no check refuses."""
    for kind in damage.kinds(name):
        for seed in range(kind.count if kind.in_place else 0):
            if damage.verdict(name, kind, seed)[0] == "wrong":
                damaged = kind.damage(damage.clip(name), Random(f"{kind.name} {seed}"))
                frames = [(0.0,) * len(NOISES), *_wrong_frames(name, damaged)]
                yield tuple(map(max, zip(*frames, strict=True)))


def _wrong_frames(name: str, damaged: Iterable[bytes]) -> Iterator[Jumps]:
    for place, media in enumerate(damaged):
        numbers = range(place * damage.EACH, (place + 1) * damage.EACH)
        decoded = decoder.frames(
            media, numbers=numbers, timeline=damage.timeline(name), shape=damage.SHAPE
        )
        try:
            for codes, right in zip(decoded, damage.truth(name)[place], strict=True):
                if sha256(codes.pixels.tobytes()).hexdigest() != right:
                    yield jumps(codes)
        except SegmentError:  # two ways of decoding do not always lose their place alike
            return


def main() -> None:
    """Print two lines a stream."""
    for band in ("B01", "B09"):
        with tempfile.TemporaryDirectory() as folder:
            material = make(band, 36, Path(folder))
            parts = zip(material.segments, material.files, strict=True)
            _say(f"sound: the sample's {band}", sound(material.stream, parts))
    for each in sorted((SHARED / "streams").glob("*_*_*")):
        _say(f"sound: {each.name}", reference(each))
    for name in ("no hash", "intra", *damage.UNVERIFIED):
        _say(f"wrong: {name}", wrong(name))


def _say(what: str, found: Iterable[Jumps]) -> None:
    for noise, column in zip(NOISES, zip(*found, strict=True), strict=True):
        beyond = sum(each > ODD for each in column)
        figures = " ".join(f"{each:.2f}" for each in sorted(column))
        print(  # noqa: T201
            f"{what}, noise {noise}: {beyond} of {len(column)} beyond {ODD}: {figures}", flush=True
        )


if __name__ == "__main__":
    main()
