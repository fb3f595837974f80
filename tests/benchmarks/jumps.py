"""How far blocks jump in sound frames, and in wrong ones that no check refuses.

`python tests/benchmarks/jumps.py` takes a minute. If the ranges were apart, a frame that jumps
beyond those of its year could be told from them.
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
from stacgen import api, bands, blocks, decode, playlist, tiles  # noqa: E402
from stacgen.errors import SegmentError  # noqa: E402
from stacgen.models import Segment, Stream  # noqa: E402
from streams import make  # noqa: E402

BASE = "http://x/"


def sound(stream: Stream, parts: Iterable[tuple[Segment, Path]]) -> Iterator[float]:
    """Of each frame of some segments."""
    for segment, file in parts:
        size = 109_800 // stream.band.resolution
        for codes in decode.frames(
            file.read_bytes(),
            numbers=range(segment.start, segment.stop),
            timeline=stream.timeline,
            shape=(size, size),
        ):
            yield blocks.jumps(codes.pixels)


def reference(folder: Path) -> Iterator[float]:
    """Of the frames of a stream that lies beside the project."""
    tile, band, year = folder.name.split("_")
    raw = (folder / "band.json").read_text().replace("@BASE@", BASE).encode()
    stream = api.parse_stream(
        raw, url=BASE, tile=tiles.parse(tile), band=bands.find(band), year=int(year)
    )
    text = next(folder.glob("*.m3u8")).read_text()
    segments = playlist.parse(text, base=f"{BASE}s.m3u8", timeline=stream.timeline)
    files = (folder / each.media.url.rpartition("/")[2] for each in segments)
    yield from sound(stream, zip(segments, files, strict=True))


def wrong(name: str) -> Iterator[float]:
    """The highest of each stream of a clip that is wrong and that no check refuses."""
    for kind in damage.kinds(name):
        for seed in range(kind.count if kind.in_place else 0):
            if damage.verdict(name, kind, seed)[0] == "wrong":
                damaged = kind.damage(damage.clip(name), Random(f"{kind.name} {seed}"))
                yield max(_wrong_frames(name, damaged), default=0.0)


def _wrong_frames(name: str, damaged: Iterable[bytes]) -> Iterator[float]:
    for place, media in enumerate(damaged):
        numbers = range(place * damage.EACH, (place + 1) * damage.EACH)
        decoded = decode.frames(
            media, numbers=numbers, timeline=damage.timeline(name), shape=damage.SHAPE
        )
        try:
            for codes, right in zip(decoded, damage.truth(name)[place], strict=True):
                if sha256(codes.pixels.tobytes()).hexdigest() != right:
                    yield blocks.jumps(codes.pixels)
        except SegmentError:  # two ways of decoding do not always lose their place alike
            return


def main() -> None:
    """Print a line a stream."""
    with tempfile.TemporaryDirectory() as folder:
        material = make("B09", 36, Path(folder))
        parts = zip(material.segments, material.files, strict=True)
        _say("sound: the sample's B09", sound(material.stream, parts))
    for each in sorted((SHARED / "streams").glob("*_*_*")):
        _say(f"sound: {each.name}", reference(each))
    for name in ("no hash", "intra"):
        _say(f"wrong: {name}", wrong(name))


def _say(what: str, found: Iterable[float]) -> None:
    print(f"{what}:", *(f"{each:.2f}" for each in sorted(found)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
