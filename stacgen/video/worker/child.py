"""The child: takes a segment, decodes it within limits, and shows a frame at a time.

It ends when its parent does, whatever it is at: a thread of its own waits for that, and an alarm of
the kernel goes off even where FFmpeg lets no thread of Python run.
"""

import mmap
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from stacgen.errors import SegmentError, WrongStreamError
from stacgen.video.worker.here import wanted
from stacgen.video.worker.limits import Limits
from stacgen.video.worker.wire import Gone, Wire, asked

_MARGIN = 5.0
"""Seconds that the parent has to notice by itself that time is over."""

_WANTED_FIRST = "500"
"""Of 1000: how much rather the kernel should end this process than another, out of memory."""


def main() -> None:
    """Decode what the parent sends, until it ends."""
    wire, plane = Wire(socket.socket(fileno=int(sys.argv[1]))), int(sys.argv[2])
    for each in (signal.SIGINT, signal.SIGTERM):  # both are for the parent, which then ends this
        signal.signal(each, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_WANTED_FIRST)
    Thread(target=_end_with, args=(wire.socket,), daemon=True).start()
    from stacgen.video import decoder  # noqa: F401, PLC0415 - loaded while the first segment is fetched

    with suppress(Gone):
        while True:
            _serve(wire, plane)


def _end_with(parent: socket.socket) -> None:
    """Wait until nobody is at the other end of the socket."""
    poll = select.poll()
    poll.register(parent, 0)
    poll.poll()
    os._exit(1)


def _serve(wire: Wire, plane: int) -> None:
    """Show the wanted frames of a segment one after another; then say how it went.

    Each is put in the plane once the parent has said that it is free.
    """
    coded, limits = asked(wire)
    shared = _shared(plane, coded.frame_bytes)
    try:
        with _bounded(limits):
            for codes in wanted(coded):
                with _paused():
                    wire.hear()
                pixels = codes.pixels
                np.frombuffer(shared, pixels.dtype, pixels.size).reshape(pixels.shape)[:] = pixels
                wire.say(
                    {
                        "number": codes.number,
                        "type": pixels.dtype.name,
                        "bits": codes.bits,
                        "seconds": str(codes.seconds),
                        "verified": codes.verified,
                        "jump": codes.jump,
                        "software": dict(codes.software),
                    }
                )
        word: dict[str, Any] = {"end": True}
    except MemoryError:
        word = {"memory": True}
    except SegmentError as error:
        word = {"error": str(error), "is_wrong_stream": isinstance(error, WrongStreamError)}
    wire.hear()
    wire.say(word)


@lru_cache(maxsize=1)
def _shared(plane: int, size: int) -> mmap.mmap:
    """The memory that the parent sees, too; mapped once, as that takes a while."""
    return mmap.mmap(plane, size)


@contextmanager
def _bounded(limits: Limits) -> Iterator[None]:
    """Memory, processor time and time, each bounded by the kernel."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit("RLIMIT_CPU", int(used.ru_utime + used.ru_stime + limits.seconds + _MARGIN) + 1)
    with suppress(OSError):  # where what is used already is not told, there is no limit
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _limit("RLIMIT_AS", pages * mmap.PAGESIZE + limits.memory)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + _MARGIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _limit("RLIMIT_AS", None)


@contextmanager
def _paused() -> Iterator[None]:
    """Time that the parent takes does not count."""
    left = max(signal.setitimer(signal.ITIMER_REAL, 0)[0], _MARGIN)
    yield
    signal.setitimer(signal.ITIMER_REAL, left)


def _limit(name: str, value: int | None) -> None:
    """Set a limit, where the system has it; None for as much as it allows."""
    with suppress(AttributeError, OSError, ValueError):
        kind = getattr(resource, name)
        most = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if value is None else value, most))
