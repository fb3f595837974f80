"""Who does the segments: threads of this process, bounded by cores and memory."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from stacgen.model.bands import Band
from stacgen.model.outcomes import Received, Watch
from stacgen.model.protocols import Answer, Decode, Fetch
from stacgen.model.stream import Resource
from stacgen.pipeline.plan import Task
from stacgen.pipeline.task import Context, Result
from stacgen.video import worker

LOCAL = "local"
"""Instead of the address of a Dask scheduler: processes on this machine, as long as the build."""

_AHEAD = 2
"""Segments fetched, or being fetched, beyond those being decoded."""

_FRAMES_IN_FLIGHT = 8
"""Frames' worth of memory that a segment takes at its peak: the decoder's picture buffer of up to
six, the digital numbers, and overviews with the file in the making. Measured at 10 m."""

_SHARE = 0.8
"""Of the machine's memory that is used unless told."""

_FEW = 4_000_000_000
"""Bytes that a machine is taken to have where it does not say."""


class Crew(Protocol):
    """Takes segments and hands back what became of their frames."""

    @property
    def capacity(self) -> int:
        """Segments to hand over before waiting for one to come back."""

    def submit(self, task: Task, context: Context) -> "Future[list[Result]]":
        """Begin on a segment, at once or when one before it is done."""

    def stop(self) -> None:
        """Drop what has not begun, and wait for what runs to stop, which it soon does."""


class Threads:
    """Has segments decoded side by side, each in a child, and encodes in threads of this process.

    Fetching runs ahead of decoding by a bounded number of segments; a child decodes a frame while
    that before it is encoded.
    """

    def __init__(self, workers: int, fetch: Fetch, watch: Watch) -> None:
        self._children = worker.Children() if worker.IS_POSSIBLE else None
        if self._children is not None:
            self._children.prepare(1)  # which loads FFmpeg while this process loads the rest
        # GDAL and PROJ are loaded only where there is something to do for them.
        from stacgen.pipeline.segment import process  # noqa: PLC0415

        self._process = process
        self._fetch = _told(fetch, watch)
        self._workers, self._submitted = workers, 0
        self._fetchers = ThreadPoolExecutor(_AHEAD, "stacgen-fetch")
        self._decoders = ThreadPoolExecutor(workers, "stacgen-decode")

    @property
    def capacity(self) -> int:
        """See `Crew`."""
        return self._workers + _AHEAD

    def submit(self, task: Task, context: Context) -> "Future[list[Result]]":
        """See `Crew`."""
        media = task.segment.media
        ahead = _Ahead(media, self._fetchers.submit(self._fetch, media), self._fetch)
        if self._children is None:
            decode: Decode = worker.here
        else:
            self._submitted += 1
            self._children.prepare(min(self._submitted, self._workers))
            decode = self._children
        return self._decoders.submit(self._process, task, context, fetch=ahead, decode=decode)

    def stop(self) -> None:
        """See `Crew`."""
        self._fetchers.shutdown(wait=False, cancel_futures=True)
        if self._children is not None:
            self._children.close()
        self._decoders.shutdown(wait=True, cancel_futures=True)
        self._fetchers.shutdown(wait=True)


def workers_for(band: Band, *, memory: int | None, cores: int | None = None) -> int:
    """How many segments fit side by side, in cores and in memory; at least one.

    Args:
        band: That of the largest frames.
        memory: Bytes to use; None for four fifths of what the machine has.
        cores: None for those of the machine.

    >>> from stacgen.model import bands
    >>> workers_for(bands.find("B02"), memory=4_000_000_000, cores=8)
    2
    """
    cores = cores or os.cpu_count() or 1
    memory = memory or int(_SHARE * _installed())
    frame = (3 if band.is_color else 2) * band.size**2
    return max(1, min(cores, memory // (_FRAMES_IN_FLIGHT * frame)))


def _installed() -> int:
    """Bytes of memory of this machine; few where it does not say, as Windows does not."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _FEW


def _told(fetch: Fetch, watch: Watch) -> Fetch:
    """A fetch that tells of the bytes which arrive."""

    def told(resource: Resource) -> Answer:
        answer = fetch(resource)
        watch(Received(size=len(answer.body)))
        return answer

    return told


class _Ahead:
    """A fetch that has one answer at hand already, or on its way, and gives it once."""

    def __init__(self, resource: Resource, answer: "Future[Answer]", fetch: Fetch) -> None:
        self._resource = resource
        self._answer: Future[Answer] | None = answer
        self._fetch = fetch

    def __call__(self, resource: Resource) -> Answer:
        if resource == self._resource and self._answer is not None:
            answer, self._answer = self._answer, None
            return answer.result()
        return self._fetch(resource)
