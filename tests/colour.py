"""True-colour streams for tests: real HEVC or H.264 in colour, as the services serve them."""

import io
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

import dunia

RATE = 4
Colors = NDArray[np.uint8]
"""(rows, columns, 3) of red, green and blue."""


def picture(number: int, size: int = 1830) -> Colors:
    """Colours of a made-up image: a ramp, a square of its own place, and nodata on one side."""
    ramp = np.linspace(20, 230, size, dtype=np.uint8)
    colors = np.empty((size, size, 3), np.uint8)
    colors[..., 0] = ramp
    colors[..., 1] = ramp[::-1, None]
    colors[..., 2] = 90
    side = size // 16
    colors[side : 2 * side, (number + 2) * side : (number + 3) * side] = (250, 40, 30)
    colors[:, : size // 8] = 0
    return colors


def encode(
    frames: Sequence[Colors],
    *,
    first: int = 0,
    codec: str = "libx265",
    pixels: str = "yuv420p",
    params: str = "",
    form: str = "mpegts",
) -> bytes:
    """A segment whose frames are shown from `first` / 4 s after the start of the stream on."""
    rows, columns = frames[0].shape[:2]
    file = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if form == "mp4" else {}
    options |= {"max_delay": "700000"} if form == "mpegts" else {}
    with av.open(file, "w", format=form, options=options) as out:
        stream = out.add_stream(codec, rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = columns, rows, pixels
        stream.options = {"preset": "ultrafast", "crf": "20", "g": "4"}
        if codec == "libx265":
            common = "log-level=none:pools=none:frame-threads=1:repeat-headers=1:bframes=0"
            stream.options |= {"x265-params": f"{common}:{params}".rstrip(":")}
        else:
            stream.options |= {"bf": "0"}
        for number, colors in enumerate(frames, start=first):
            frame = av.VideoFrame.from_ndarray(colors, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def fragments(frames: Sequence[Colors], *, codec: str = "libx265") -> list[bytes]:
    """Fragmented MP4: what EXT-X-MAP names, and segments of four frames."""
    params = "keyint=4:scenecut=0" if codec == "libx265" else ""
    whole = encode(frames, codec=codec, params=params, form="mp4")
    starts = (found.start() - 4 for found in re.finditer(b"moof", whole))  # behind a box's size
    return [whole[start:stop] for start, stop in pairwise([0, *starts, len(whole)])]


def oracle(media: bytes, folder: Path) -> list[Colors]:
    """The frames of a segment as the ffmpeg program decodes them to rgb24."""
    path = folder / "oracle.media"
    path.write_bytes(media)
    with av.open(path) as container:
        rows, columns = container.streams.video[0].height, container.streams.video[0].width
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return list(np.frombuffer(raw, np.uint8).reshape(-1, rows, columns, 3))


def images(count: int, *, first: int = 0, **changes: object) -> list[dict[str, Any]]:
    """Metadata of that many images, five days apart, of the seconds of `dunia.images`."""
    start = datetime(2025, 3, 2, 11, 21, 9, tzinfo=UTC)
    return [
        {
            "sensing_time": (start + timedelta(days=5 * number)).strftime("%Y-%m-%dT%H:%M:%S"),
            "image_number": first + number,
            "cloudy_pixel_percentage": 10.0 * number,
            "nodata_pixel_percentage": 12.5,
            **changes,
        }
        for number in range(count)
    ]


def playlist(counts: Sequence[float], *, suffix: str = "ts", head: str = "") -> bytes:
    """A playlist of segments that are said to hold so many frames."""
    entries = (
        f"#EXTINF:{count / RATE:.6f},\ntci_{index:03}.{suffix}"
        for index, count in enumerate(counts)
    )
    return "\n".join(["#EXTM3U", head, *entries, "#EXT-X-ENDLIST", ""]).encode()


def publish(
    server: dunia.Server,
    segments: Sequence[bytes],
    counts: Sequence[int],
    *,
    path: str,
    metadata: list[dict[str, Any]] | None = None,
    tile: str = "29PKR",
) -> None:
    """Serve a stream of true colour in 60 m as the answer at that path, and the tile's bounds."""
    folder = f"/streams/{tile}/TCI"
    for index, segment in enumerate(segments):
        server.content[f"{folder}/tci_{index:03}.ts"] = segment
    server.content[f"{folder}/tci_2k.m3u8"] = playlist(counts)
    names = {"stream_2k": "tci_2k", "stream_4k": "tci_4k", "stream_full": "tci"}
    answer = {
        "metadata": {key: f"@BASE@{folder}/{name}.m3u8" for key, name in names.items()},
        "images": images(sum(counts)) if metadata is None else metadata,
    }
    server.put_json(path, answer)
    server.put_json(f"/api/streaming/s2-tiles/utm-bounds/{tile}", dunia.BOUNDS_29PKR)
