"""The parent's side: as many children as segments are decoded at a time, each used again."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from stacgen.errors import SegmentError
from stacgen.model.protocols import Coded
from stacgen.model.stream import Codes
from stacgen.video.worker.limits import Limits

if TYPE_CHECKING:
    from stacgen.video.worker.parent import Child


def _is_possible() -> bool:
    try:
        import fcntl  # noqa: F401, PLC0415 - Unix has it
    except ImportError:
        return False
    return bool(sys.executable) and not hasattr(sys, "frozen")


IS_POSSIBLE = _is_possible()
"""Whether there can be children: with sockets and memory passed on, of a Python to be started."""


class Children:
    """Decodes each segment in a child; see `model.protocols.Decode`.

    A child is begun when a segment finds none that is idle, and again after one was lost.
    """

    def __init__(self, limits: Callable[[Coded], Limits] = Limits.of) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._is_closed = False

    def prepare(self, count: int) -> None:
        """Begin children, up to that many in all: loading FFmpeg takes them a while."""
        with self._lock, suppress(OSError):  # who needs one then says so
            while not self._is_closed and len(self._idle) + len(self._busy) < count:
                self._idle.append(_born())

    def __call__(self, coded: Coded) -> Iterator[Codes]:
        """See `model.protocols.Decode`."""
        child = self._take()
        try:
            yield from child.frames(coded, self._limits(coded))
        except SegmentError:
            if self._is_closed:
                raise KeyboardInterrupt from None  # it was we who ended it
            raise
        finally:
            self._give_back(child)

    def close(self) -> None:
        """End all children, whatever they are at; their segments are given up."""
        with self._lock:
            self._is_closed = True
            for child in self._busy:
                child.kill()  # whose thread then ends it
            for child in self._idle:
                child.end()
            self._idle.clear()

    def _take(self) -> "Child":
        with self._lock:
            if self._is_closed:
                raise KeyboardInterrupt
            try:
                child = self._idle.pop() if self._idle else _born()
                if not child.is_alive:  # it was killed while it waited
                    child.end()
                    child = _born()
            except OSError as error:
                raise SegmentError(f"no decoder can be begun: {error}") from error
            self._busy.add(child)
            return child

    def _give_back(self, child: "Child") -> None:
        with self._lock:
            self._busy.discard(child)
            if child.is_idle and not self._is_closed:
                self._idle.append(child)
            else:
                child.end()


def _born() -> "Child":
    from stacgen.video.worker.parent import Child  # noqa: PLC0415 - its sockets are not everywhere

    return Child()
