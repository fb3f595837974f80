"""What the pipeline needs of the world outside, one verb each."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from stacgen.models import ByteRange, Resource


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
class Entry:
    """What a store tells of a file without opening it."""

    key: str
    size: int
    """Bytes."""

    modified: datetime
    """In UTC."""


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


class Store(Readable, Protocol):
    """Keeps the files of a catalog by key, a relative path with forward slashes.

    A file appears whole or not at all. Every method raises `OutputError` where the place fails.
    """

    def stat(self, key: str) -> Entry | None:
        """Size and time, or None where there is no such file."""

    def sha256(self, key: str) -> str:
        """The checksum of a file that is there, read anew."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """Every file whose key begins with the prefix, which ends in a slash."""

    def write(self, key: str, content: bytes | Path, media_type: str) -> None:
        """Put a file in place, over what stood there; a path may be moved rather than copied."""

    def write_all(self, files: Iterable[tuple[str, bytes, str]]) -> None:
        """Put many files in place: keys, contents and media types, in no order among them.

        All are in place when this returns; that is quicker than one after the other.
        """

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder for files in the making, from which `write` is cheapest; gone afterwards."""
