"""What is made of bytes from elsewhere, for `fuzz.py`: a value, or one of our errors."""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import numpy as np

import dunia
from stacgen.dunia import answers, playlist
from stacgen.errors import PlaylistError, SegmentError, UpstreamError
from stacgen.model import bands, mgrs
from stacgen.video import hevc, mpegts

BASE = "https://dunia.example/streams/29PKR/B09/2025/stream.m3u8"
URL = "https://dunia.example/api"
TILE, BAND = mgrs.parse("29PKR"), bands.find("B09")


def a_playlist(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    with suppress(PlaylistError):
        playlist.variant(text, base=BASE)
    with suppress(PlaylistError):
        found = playlist.parse(text, base=BASE, rate=dunia.RATE)
        segments = found.segments
        assert segments[0].start == 0
        assert not found.is_even or all(each.start < each.stop for each in segments)
        assert all(each.media.url.startswith("https://") for each in segments)


def a_segment(content: bytes) -> None:
    with suppress(SegmentError):
        carried = mpegts.check(content)
        assert len(carried.times) == len(carried.closed)
        assert len(carried.video) < len(content)
        mpegts.goes_on(content, content)


def a_video(content: bytes) -> None:
    with suppress(SegmentError):
        found = hevc.hashes(content)
        assert len(found) <= len(content)
    with suppress(SegmentError):
        hevc.window(content)
    hevc.is_in_rows(content)
    with suppress(SegmentError):
        slices = hevc.slice_segments(content)
        assert len(hevc.slice_segments(hevc.with_ones(content))) == len(slices)


def an_answer(content: bytes) -> None:
    """One byte says of which kind."""
    kind, raw = content[:1], content[1:]
    with suppress(UpstreamError):
        if kind == b"b":
            answers.parse_grid(raw, url=URL, tile=TILE, band=BAND)
            return
        stream = answers.parse_stream(
            raw if kind == b"s" else _stream(), url=URL, tile=TILE, band=BAND, year=2025
        )
        numbers = [each.number for each in stream.frames]
        assert numbers == sorted(set(numbers))
        assert stream.playlist_url.startswith(("https://", "http://"))
        told = answers.with_tci_figures(stream, raw, url=URL)
        assert all(0 <= (each.cloud_cover or 0) <= 100 for each in told.frames)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "playlist": a_playlist,
    "transport": a_segment,
    "hevc": a_video,
    "api": an_answer,
}


@cache
def seeds(target: str) -> tuple[bytes, ...]:
    """What is sound, to begin with."""
    if target == "playlist":
        parts = dunia.playlist([4, 4, 2]).replace(b"#EXTINF", b"#EXT-X-BYTERANGE:5@0\n#EXTINF")
        start = b'#EXTM3U\n#EXT-X-MAP:URI="i.mp4",BYTERANGE="9@0"\n#EXT-X-KEY:METHOD=NONE\n'
        return (
            dunia.playlist([4, 4, 2]),
            parts,
            start + b"#EXT-X-DISCONTINUITY\n#EXTINF:0.16,\n/a.m4s?b=c\n#EXT-X-GAP\n",
            b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=4x4\nv.m3u8\n",
        )
    if target == "api":
        bounds = json.dumps(dunia.BOUNDS_29PKR).encode()
        return (b"s" + _stream(), b"t" + _stream(), b"b" + bounds)
    frames = [np.full((64, 96), 200 - number, np.uint16) for number in range(2)]
    plain, hashed = (
        dunia.encode(frames, params=f"lossless=1:bframes=0:info=0{more}")
        for more in ("", ":hash=1:wpp=1")
    )
    if target == "transport":
        return plain, hashed
    return tuple(bytes(mpegts.check(each).video) for each in (plain, hashed))


@cache
def _stream() -> bytes:
    images = dunia.images(2, cloudy_pixel_percentage=10.5, nodata_pixel_percentage=0.0)
    answer = {"metadata": {"stream_full": "https://dunia.example/s.m3u8"}, "images": images}
    return json.dumps(answer).encode()
