"""The sample platform over HTTP: paths to answers, ranges, keep-alive."""

import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

from stacgen.dunia.sample import landscape, streams
from stacgen.dunia.sample.segments import Segments, StoppedError
from stacgen.dunia.sample.streams import Stream
from stacgen.errors import UsageError
from stacgen.model import byte_ranges, mgrs
from stacgen.model.mgrs import TileId

FIRST_YEAR: Final = 2019
"""The first year of which there are streams; the last one is this year."""

JSON: Final = "application/json"
PLAYLIST: Final = "application/vnd.apple.mpegurl"
SEGMENT: Final = "video/mp2t"

_PREFIX = r"/api(?:/streaming)?"
"""DestinE Streamer's prefix, or DUNIA's: both are answered."""

_PATHS = {
    name: re.compile(pattern, re.ASCII)
    for name, pattern in {
        "band": rf"{_PREFIX}/band_metadata/(?P<tile>\w+)/(?P<band>\w+)/(?P<year>\d{{4}})",
        "tci": rf"{_PREFIX}/metadata/s2/(?P<year>\d{{4}})/(?P<tile>\w+)/10",
        "bounds": rf"{_PREFIX}/s2-tiles/utm-bounds/(?P<tile>\w+)",
        "playlist": r"/streams/(?P<tile>\w+)/(?P<band>\w+)/(?P<year>\d{4})/stream\.m3u8",
        "segment": r"/streams/(?P<tile>\w+)/(?P<band>\w+)/(?P<year>\d{4})/seg_(?P<index>\d{3})\.ts",
    }.items()
}
_Request = socket.socket | tuple[bytes, socket.socket]
_HOST = re.compile(r"[\w.:\[\]-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, before it is cut to a range and sent."""

    body: bytes
    kind: str = JSON
    status: HTTPStatus = HTTPStatus.OK


class _NotHereError(Exception):
    """There is no such thing on the platform; the message says what."""


def answer(path: str, *, base: str, segments: Segments) -> Reply:
    """What the platform answers to a path.

    Args:
        path: As in the request, without a query.
        base: Scheme and host that links start with.
        segments: Where segments come from.
    """
    for name, pattern in _PATHS.items():
        if match := pattern.fullmatch(path):
            try:
                return _found(name, match.groupdict(), base=base, segments=segments)
            except _NotHereError as error:
                return _missing(str(error))
    return _missing(f"There is nothing at {path}.")


def _missing(sentence: str) -> Reply:
    return Reply(body=json.dumps({"detail": sentence}).encode(), status=HTTPStatus.NOT_FOUND)


def _found(name: str, words: dict[str, str], *, base: str, segments: Segments) -> Reply:
    tile = _tile(words["tile"])
    if name == "bounds":
        return Reply(body=streams.bounds(tile))
    year = _year(words["year"])
    if name == "tci":
        return Reply(body=streams.tci_metadata(tile, year, base=base))
    of = Stream(tile=tile, band=_band(words["band"], is_metadata=name == "band"), year=year)
    if name == "band":
        return Reply(body=streams.band_metadata(of, base=base))
    if name == "playlist":
        return Reply(body=streams.playlist(of), kind=PLAYLIST)
    index = int(words["index"])
    if index >= len(of.numbers):
        raise _NotHereError(f"The stream has {len(of.numbers)} segments; there is no {index}.")
    return Reply(body=segments.get(of, index), kind=SEGMENT)


def _tile(text: str) -> TileId:
    try:
        tile = mgrs.parse(text)
    except UsageError as error:
        raise _NotHereError(str(error)) from error
    if tile != text:
        raise _NotHereError(f"There is no tile {text!r}; {tile} is written so.")
    return tile


def _band(text: str, *, is_metadata: bool) -> str:
    if text not in landscape.bands() and (is_metadata or text not in landscape.pictures()):
        raise _NotHereError(f"Band {text!r} is not streamed.")
    return text


def _year(text: str) -> int:
    if not FIRST_YEAR <= int(text) <= datetime.now(UTC).year:
        raise _NotHereError(f"There are no streams of {text}.")
    return int(text)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        """Answer a GET, or a HEAD: the same without the body."""
        host = self.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            self.send_error(HTTPStatus.BAD_REQUEST, "Host header needed")
            return
        path = urlsplit(self.path).path
        try:
            reply = answer(path, base=f"http://{host}", segments=self.server.segments)
        except StoppedError:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        self._send(reply)

    do_HEAD = do_GET  # noqa: N815 - the name http.server calls

    def _send(self, reply: Reply) -> None:
        body, status = reply.body, reply.status
        headers = {"Content-Type": reply.kind}
        if reply.kind == SEGMENT:
            headers["Accept-Ranges"] = "bytes"
            try:
                part = byte_ranges.parse(self.headers.get("Range"), len(body))
            except byte_ranges.UnsatisfiableError:
                status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                headers["Content-Range"] = f"bytes */{len(body)}"
                body, part = b"", None
            if part is not None:
                status = HTTPStatus.PARTIAL_CONTENT
                headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(body)}"
                body = body[part.start : part.stop]
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Keep stderr clean."""


class _Server(ThreadingHTTPServer):
    """A thread a connection, all of which end when the server closes."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self.segments = Segments()
        self._open: dict[_Request, threading.Thread] = {}
        self._lock = threading.Lock()

    def process_request(self, request: _Request, client_address: tuple[str, int]) -> None:
        """Give a connection its thread, and remember both as long as it lasts."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._lock:
            self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: _Request) -> None:
        """Close a connection that has ended."""
        super().shutdown_request(request)
        with self._lock:
            self._open.pop(request, None)

    def handle_error(self, request: _Request, client_address: tuple[str, int]) -> None:
        """A client that goes away is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Stop encoding, hang up, and wait for every thread."""
        self.segments.close()
        super().server_close()
        with self._lock:
            connections = list(self._open.items())
        for connection, thread in connections:
            with suppress(OSError):
                if isinstance(connection, socket.socket):
                    connection.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def serve(*, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serves the sample platform as long as the context lasts.

    Args:
        host: Address to listen on.
        port: 0 takes any that is free.

    Yields:
        The base URL, such as `http://127.0.0.1:43211`.
    """
    server = _Server((host, port))
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="sample-server"
    )
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
