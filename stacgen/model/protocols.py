"""What the pipeline needs of the world outside, one verb each."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from math import prod
from pathlib import Path
from typing import Protocol

from stacgen.model.stream import ByteRange, Codes, Resource, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server sent."""

    url: str
    """Where it finally came from, after redirects."""

    body: bytes


class Fetch(Protocol):
    """Gets resources; safe to call from several threads."""

    def __call__(self, resource: Resource) -> Answer:
        """The whole resource.

        Raises:
            MissingError: The server has no such thing.
            TransferError: It could not be had, or not wholly.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A segment as it came, and what must come out of it."""

    media: bytes
    """The whole segment, MPEG-TS or (with `initialization`) fragmented MP4."""

    initialization: bytes = b""
    """The bytes of EXT-X-MAP."""

    numbers: range
    """Of the frames that must come, all of them and in this order."""

    is_last: bool = False
    """True for the last segment of a stream, which settles itself how many frames it holds."""

    wanted: frozenset[int]
    """Numbers of those that are used."""

    timeline: Timeline
    shape: tuple[int, int]
    """(rows, columns) that every frame must have."""

    is_color: bool = False
    """True for red, green and blue of a byte each, rather than one plane of codes."""

    twice: bool = False
    """Decode what has no picture hashes in a second way, and compare."""

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """That of the pixels of a frame: (rows, columns), or (rows, columns, 3)."""
        return (*self.shape, 3) if self.is_color else self.shape

    @property
    def frame_bytes(self) -> int:
        """Memory that the pixels of one frame take at most."""
        return prod(self.shape) * (3 if self.is_color else 2)


class Decode(Protocol):
    """Makes codes of segments; safe to call from several threads."""

    def __call__(self, coded: Coded) -> Iterator[Codes]:
        """The wanted frames, each read before the next is asked for.

        What is yielded may be used only once the iterator has ended without an error.

        Raises:
            SegmentError: Anything is amiss with the segment, or went wrong with its decoder.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a store tells of a file without opening it."""

    key: str
    size: int
    """Bytes."""

    modified: datetime
    """In UTC."""


Version = str
"""What tells one content of a file from another; a store gives it, and gets it back as it is."""


class Readable(Protocol):
    """What a published catalog is read from: a `Store`, or a website."""

    @property
    def address(self) -> str:
        """Where it is, as a user would type it; the place of a key is `{address}/{key}`."""

    def read(self, key: str) -> bytes | None:
        """The content, or None where there is no such file."""

    def size(self, key: str) -> int | None:
        """Bytes of a file; None where there is none, or where nobody tells its size."""

    def read_part(self, key: str, part: ByteRange) -> bytes:
        """A part of a file that is there, all of its bytes."""


class Listed(Protocol):
    """A catalog whose files are all known, to be checked: a `Store`, or a website's links."""

    @property
    def address(self) -> str:
        """See `Readable`."""

    def read(self, key: str) -> bytes | None:
        """See `Readable`."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `Store`."""

    def download(self, key: str, path: Path) -> str:
        """See `Store`."""

    def scratch(self) -> AbstractContextManager[Path]:
        """See `Store`."""


class Store(Readable, Protocol):
    """Keeps the files of a catalog by key, a relative path with forward slashes.

    A file appears whole or not at all, and what was written is read and listed from then on. Names
    that begin with a dot are no part of the catalog. Every method raises `OutputError` where the
    place fails.

    Files that several builders change are changed by `create` and `swap` alone, mostly through
    `stacgen.catalog.compare_and_swap`, so that none undoes what another did. Both may be asked
    again when the answer was lost: what lies there already as it should counts as done.
    """

    @property
    def at_once(self) -> int:
        """How many requests are best under way at a time: 1 where answers are as near as memory."""

    def read_versioned(self, key: str) -> tuple[bytes, Version] | None:
        """The content and the version that `swap` expects, or None where there is no such file."""

    def stat(self, key: str) -> Entry | None:
        """Size and time, or None where there is no such file."""

    def stream(self, entry: Entry, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of a file from one place to before another, all of one version of it.

        Raises `OutputError` where the file is no longer that of the entry.
        """

    def sha256(self, key: str) -> str:
        """The checksum of a file that is there, read anew."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """Every file whose key begins with the prefix, in no order.

        The prefix is empty or ends in a slash. Names that begin with a dot show only where the
        prefix has them.
        """

    def download(self, key: str, path: Path) -> str:
        """Copy a file that is there to a path of this machine, and tell its SHA-256."""

    def write(self, key: str, content: bytes | Path, media_type: str) -> None:
        """Put a file in place, over what stood there; a path may be moved rather than copied."""

    def write_all(self, files: Iterable[tuple[str, bytes, str]]) -> None:
        """Put many files in place: keys, contents and media types, in no order among them.

        All are in place when this returns; that is quicker than one after the other.
        """

    def create(self, key: str, content: bytes, media_type: str) -> bool:
        """Put a file in place where there is none; of several who try, one does.

        Returns:
            Whether this content lies there now; False where another does.
        """

    def swap(self, key: str, content: bytes, media_type: str, expected: Version) -> bool:
        """Put a file in place of the version that was read; of several who try, one does.

        Returns:
            Whether this content lies there now; False where the file has changed or gone.
        """

    def delete(self, key: str) -> None:
        """Remove a file; it is no error that there is none."""

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder for files in the making, from which `write` is cheapest; gone afterwards."""

    def hold(self, name: str, owner: str) -> AbstractContextManager[str | None]:
        """Try to take the lock of a name without waiting, and hold it while the context lasts.

        It gives None; or, where another process holds the lock, the owner that it gave, and then
        this context holds nothing. The lock of a dead process is free at once or, without locks of
        the operating system, after five minutes.
        """
