"""A DUNIA of the tests' own: real HTTP on loopback, real HEVC, and faults on request."""

import io
import json
import socket
import struct
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from stacgen.model import mgrs

RATE = 25
ORIGIN = Fraction("1.4")
_FORMATS = {8: "gray", 10: "gray10le", 12: "gray12le"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server sends, when it is not simply the content."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    """Content-Length to claim; None for the truth."""

    raw: bytes | None = None
    """What to say instead of all that, word for word, status line included; see `ending`."""

    ending: str = "fin"
    """What follows `raw`: `fin` closes, `rst` resets, `stall` says no more, `drip` a byte at times,
    `keep` leaves the connection for another request."""


Handler = Callable[["Request"], Reply | bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked of the server."""

    method: str
    path: str
    headers: dict[str, str]
    count: int
    """How often this path was asked for, this time included."""


class Server:
    """Serves `content` by path; a handler in `faults` goes first, and None from it passes on."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.faults: dict[str, Handler] = {}
        self.requests: list[Request] = []
        self.over = threading.Event()
        """Set when nobody waits any more for what has stalled."""
        self._counts: Counter[str] = Counter()
        server = self

        class _Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body are written apart

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                server._answer(self)

            do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._http.server_address[1]}"

    def paths(self) -> list[str]:
        """Paths asked for, in order."""
        return [request.path for request in self.requests]

    def put_json(self, path: str, value: Any) -> None:  # noqa: ANN401 - JSON
        """Serve a JSON document."""
        self.content[path] = json.dumps(value).encode()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        self._counts[path] += 1
        request = Request(
            method=handler.command,
            path=path,
            headers=dict(handler.headers),
            count=self._counts[path],
        )
        self.requests.append(request)
        fault = self.faults.get(path)
        reply = fault(request) if fault is not None else None
        if reply is None:
            reply = self._plain(request)
        if isinstance(reply, bytes):
            reply = Reply(body=reply)
        if reply.raw is not None:
            self._say(handler, reply.raw, reply.ending)
            return
        body = reply.body.replace(b"@BASE@", self.base.encode())
        try:
            handler.send_response(reply.status)
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            if "Transfer-Encoding" not in reply.headers and reply.announced != -1:
                length = len(body) if reply.announced is None else reply.announced
                handler.send_header("Content-Length", str(length))
            if reply.announced is not None:
                handler.close_connection = True
                handler.send_header("Connection", "close")
            handler.end_headers()
            if handler.command != "HEAD":
                handler.wfile.write(body)
        except OSError:
            handler.close_connection = True

    def _say(self, handler: BaseHTTPRequestHandler, raw: bytes, ending: str) -> None:
        """Bytes on the wire, and what follows them."""
        handler.close_connection = ending != "keep"
        with suppress(OSError):
            handler.wfile.write(raw)
            handler.wfile.flush()
            if ending == "rst":
                linger = struct.pack("ii", 1, 0)
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                handler.connection.close()
            while ending in ("stall", "drip") and not self.over.wait(0.05):
                handler.wfile.write(b"x" if ending == "drip" else b"")

    def _plain(self, request: Request) -> Reply:
        body = self.content.get(request.path)
        if body is None:
            return Reply(status=404)
        part = request.headers.get("Range", "")
        if not part.startswith("bytes="):
            return Reply(body=body)
        first, _, last = part.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last or len(body)) + 1, len(body))
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(body)}"}
        return Reply(status=206, body=body[start:stop], headers=headers)

    @contextmanager
    def running(self) -> Iterator["Server"]:
        """Serve until the context ends."""
        thread = threading.Thread(target=self._http.serve_forever, args=(0.005,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self._http.shutdown()
            self._http.server_close()
            thread.join()


Codes = NDArray[np.uint16] | NDArray[np.uint8]


def encode(
    frames: Sequence[Codes],
    *,
    first: int = 0,
    bits: int = 12,
    origin: Fraction = ORIGIN,
    params: str = "lossless=1:bframes=0",
) -> bytes:
    """A segment of HEVC in MPEG-TS whose frames have the numbers from `first` on.

    FFmpeg's muxer adds twice its delay of 0.7 s, as in DUNIA's streams; another origin must lie
    whole frames later.
    """
    rows, columns = frames[0].shape
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts", options={"max_delay": "700000"}) as out:
        stream = out.add_stream("libx265", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = columns, rows, _FORMATS[bits]
        stream.options = {
            "preset": "ultrafast",
            "x265-params": f"log-level=none:pools=none:frame-threads=1:repeat-headers=1:{params}",
        }
        later = first + int((origin - ORIGIN) * RATE)
        for number, codes in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(codes, format=_FORMATS[bits])
            frame.pts = number + later
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def cut(media: bytes, *, each: int) -> tuple[bytes, ...]:
    """A transport stream cut into segments by FFmpeg, whose counters go on from one to the next."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/cut.m3u8"
        options = {
            "hls_time": str(each / RATE),
            "hls_list_size": "0",
            "hls_segment_options": "mpegts_copyts=1",
        }
        with (
            av.open(io.BytesIO(media), "r", format="mpegts") as source,
            av.open(path, "w", format="hls", options=options) as out,
        ):
            stream = out.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
        return tuple(file.read_bytes() for file in sorted(Path(folder).glob("*.ts")))


def playlist(durations: Sequence[int], *, names: Sequence[str] | None = None) -> bytes:
    """A playlist of segments that last so many frames."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-PLAYLIST-TYPE:VOD"]
    for index, duration in enumerate(durations):
        name = f"seg_{index:03}.ts" if names is None else names[index]
        lines += [f"#EXTINF:{duration / RATE:.6f},", name]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()


def images(count: int, *, start: datetime | None = None, **changes: object) -> list[dict[str, Any]]:
    """Metadata of that many frames, five days apart; `changes` go into each."""
    start = start or datetime(2025, 3, 2, 11, 21, 9, 24000, tzinfo=UTC)
    return [
        {
            "sensing_time": (start + timedelta(days=5 * number)).strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "image_number": number,
            "pts_time": float(ORIGIN + Fraction(number, RATE)),
            "baseline": "05.11",
            "scale_factor": 2.5,
            "add_offset": 0.0,
            **changes,
        }
        for number in range(count)
    ]


def bounds(tile: str) -> dict[str, Any]:
    """The bounds of a tile as the API gives them."""
    checked = mgrs.parse(tile)
    return {"utm": {"epsg": f"EPSG:{mgrs.epsg(checked)}", "bbox": list(mgrs.bounds(checked))}}


BOUNDS_29PKR = {"utm": {"epsg": "EPSG:32629", "bbox": [199980, 1490220, 309780, 1600020]}}


def landscape(number: int, *, size: int = 1830, peak: int = 4000) -> NDArray[np.uint16]:
    """Codes of a made-up frame: valid everywhere, cheap to encode, different for each number."""
    ramp = np.linspace(120, peak - 50 * number, size, dtype=np.uint16)
    return np.ascontiguousarray(np.broadcast_to(ramp, (size, size)))


def tci_path(tile: str = "29PKR", year: int = 2025) -> str:
    """The path of a TCI stream's metadata, which have the cloud and nodata figures."""
    return f"/api/streaming/metadata/s2/{year}/{tile}/10"


def publish(
    server: Server,
    frames: Sequence[Codes],
    *,
    tile: str = "29PKR",
    band: str = "B09",
    year: int = 2025,
    each: int = 4,
    metadata: list[dict[str, Any]] | None = None,
    bits: int = 12,
) -> None:
    """Serve frames as a stream of 29PKR or another tile, with cloud and nodata."""
    metadata = images(len(frames)) if metadata is None else metadata
    folder = f"/streams/{tile}/{band}/{year}"
    starts = range(0, len(frames), each)
    for index, first in enumerate(starts):
        segment = encode(frames[first : first + each], first=first, bits=bits)
        server.content[f"{folder}/seg_{index:03}.ts"] = segment
    server.content[f"{folder}/stream.m3u8"] = playlist(
        [len(frames[first : first + each]) for first in starts]
    )
    server.put_json(
        f"/api/streaming/band_metadata/{tile}/{band}/{year}",
        {"metadata": {"stream_full": f"@BASE@{folder}/stream.m3u8"}, "images": metadata},
    )
    server.put_json(f"/api/streaming/s2-tiles/utm-bounds/{tile}", bounds(tile))
    figures = [
        {
            "sensing_time": image["sensing_time"].partition(".")[0],
            "image_number": image["image_number"],
            "cloudy_pixel_percentage": 10.0 * number % 100,
            "nodata_pixel_percentage": 0.0,
        }
        for number, image in enumerate(metadata)
    ]
    server.put_json(
        tci_path(tile, year),
        {
            "metadata": {
                "stream_2k": "@BASE@/tci_2k.m3u8",
                "stream_4k": "@BASE@/tci_4k.m3u8",
                "stream_full": "@BASE@/tci.m3u8",
            },
            "images": figures,
        },
    )
