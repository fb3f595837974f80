"""Segments, painted and encoded when they are first asked for, and kept while there is room."""

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, Final

from numpy.typing import NDArray

from stacgen.dunia.sample import landscape, passes
from stacgen.dunia.sample.streams import TCI, Stream

ROOM: Final = 512 * 1024 * 1024
"""Bytes of segments that are kept."""

_HEAVY = 8_000  # pixels in a row from which one encoder at a time is enough for the memory

_Key = tuple[Stream, int]


class StoppedError(Exception):
    """The server stops: a segment is left half made."""


class Segments:
    """Makes each segment once, however many ask; the next one is begun in the background."""

    def __init__(self, *, room: int = ROOM) -> None:
        """Begin with nothing made, and `room` bytes to keep segments in."""
        self._room = room
        self._bodies: OrderedDict[_Key, bytes] = OrderedDict()
        self._makers: dict[_Key, threading.Lock] = {}
        self._lock = threading.Lock()
        self._one_heavy = threading.Lock()
        self._stopped = threading.Event()
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sample-ahead")
        self._ahead: Future[bytes] | None = None

    def get(self, stream: Stream, index: int) -> bytes:
        """The bytes of a segment.

        Raises:
            StoppedError: `close` was called before it was made.
        """
        body = self._made(stream, index)
        self._begin(stream, index + 1)
        return body

    def close(self) -> None:
        """Make no more; returns when no encoder works in the background."""
        self._stopped.set()
        self._background.shutdown(cancel_futures=True)

    def _begin(self, stream: Stream, index: int) -> None:
        """Has a segment made ahead, if nothing else is, and if it is not a heavy one."""
        if index >= len(stream.numbers) or landscape.size(stream.band) >= _HEAVY:
            return
        with self._lock:
            idle = self._ahead is None or self._ahead.done()
            if idle and not self._stopped.is_set():
                self._ahead = self._background.submit(self._made, stream, index)

    def _made(self, stream: Stream, index: int) -> bytes:
        key = (stream, index)
        with self._lock:
            maker = self._makers.setdefault(key, threading.Lock())
        with maker:
            with self._lock:
                body = self._bodies.get(key)
            if body is None:
                body = self._make(stream, index)
            with self._lock:
                self._keep(key, body)
        return body

    def _keep(self, key: _Key, body: bytes) -> None:
        """Puts a segment last, and drops the first ones until the rest fits."""
        self._bodies[key] = body
        self._bodies.move_to_end(key)
        while len(self._bodies) > 1 and sum(map(len, self._bodies.values())) > self._room:
            old, _ = self._bodies.popitem(last=False)
            self._makers.pop(old, None)

    def _make(self, stream: Stream, index: int) -> bytes:
        from stacgen.dunia.sample import encode  # noqa: PLC0415 - PyAV, only when it is needed

        acquisitions = passes.of_year(stream.tile, stream.year)
        size = landscape.size(stream.band)

        def paint(number: int, out: NDArray[Any]) -> None:
            if self._stopped.is_set():
                raise StoppedError
            if stream.kind is TCI:
                landscape.paint_picture(acquisitions[number], out)
            else:
                landscape.paint(acquisitions[number], stream.band, out)

        with self._one_heavy if size >= _HEAVY else nullcontext():
            return encode.segment(paint, stream.numbers[index], size=size, kind=stream.kind)
