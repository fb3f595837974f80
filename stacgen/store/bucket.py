"""A catalog in object storage; the only module that knows obstore."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from stacgen.errors import OutputError, UsageError
from stacgen.models import ByteRange
from stacgen.ports import Entry

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "memory")
"""Kinds of object storage; `memory` lives as long as the process and is for trying out."""

_OF_CLIENT = ("allow_http", "allow_invalid_certificates", "connect_timeout", "proxy_url", "timeout")
"""Settings of the connection rather than of the cloud; obstore takes them apart."""

_WRITERS = 16
"""Objects put at once by `write_all`."""

_COG_AGE = "public, max-age=31536000"
_DOCUMENT_AGE = "public, max-age=60"


class Bucket:
    """Keeps files as objects; an object appears when its last byte has arrived, as stores promise.

    Credentials, endpoint and region come from the environment, as each cloud's own tools have
    them.
    """

    def __init__(
        self,
        store: obstore.store.ObjectStore,
        address: str,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._address = address.rstrip("/")
        self._options = dict(options or {})

    @classmethod
    def at(cls, url: str, options: Mapping[str, str], *, retries: int = 10) -> "Bucket":
        """The bucket and prefix that a URL names; `retries` are for what may pass."""
        client: dict[str, Any] = {key: options[key] for key in options if key in _OF_CLIENT}
        settings: dict[str, Any] = {key: options[key] for key in options if key not in _OF_CLIENT}
        opened: Any = from_url  # typed a cloud at a time, and the URL tells which only now
        try:
            store = opened(
                url, client_options=client, retry_config={"max_retries": retries}, **settings
            )
            return cls(store, url, options)
        except (BaseError, ValueError, TypeError) as error:
            raise UsageError(f"The store {url} cannot be opened: {_reason(error)}.") from error

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Opened anew elsewhere, where the environment has credentials of its own."""
        return Bucket.at, (self._address, self._options)

    @property
    def address(self) -> str:
        """The URL, as it was given."""
        return self._address

    def read(self, key: str) -> bytes | None:
        """See `stacgen.ports.Store`."""
        with _translated(key):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

    def size(self, key: str) -> int | None:
        """See `stacgen.ports.Readable`."""
        entry = self.stat(key)
        return None if entry is None else entry.size

    def read_part(self, key: str, part: ByteRange) -> bytes:
        """See `stacgen.ports.Readable`."""
        with _translated(key):
            return bytes(obstore.get_range(self._store, key, start=part.offset, length=part.length))

    def stat(self, key: str) -> Entry | None:
        """See `stacgen.ports.Store`."""
        with _translated(key):
            try:
                found = obstore.head(self._store, key)
            except FileNotFoundError:
                return None
        return Entry(key=key, size=found["size"], modified=found["last_modified"])

    def sha256(self, key: str) -> str:
        """See `stacgen.ports.Store`."""
        digest = hashlib.sha256()
        with _translated(key):
            for chunk in obstore.get(self._store, key):
                digest.update(chunk)
        return digest.hexdigest()

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `stacgen.ports.Store`."""
        with _translated(prefix):
            for page in obstore.list(self._store, prefix):
                for found in page:
                    yield Entry(
                        key=found["path"], size=found["size"], modified=found["last_modified"]
                    )

    def write(self, key: str, content: bytes | Path, media_type: str) -> None:
        """See `stacgen.ports.Store`; documents are cached for a minute, pixels for a year."""
        is_document = "json" in media_type
        attributes = {
            "Content-Type": media_type,
            "Cache-Control": _DOCUMENT_AGE if is_document else _COG_AGE,
        }
        with _translated(key):
            obstore.put(self._store, key, content, attributes=attributes)

    def write_all(self, files: Iterable[tuple[str, bytes, str]]) -> None:
        """See `stacgen.ports.Store`."""
        with ThreadPoolExecutor(_WRITERS) as pool:
            for _ in pool.map(lambda file: self.write(*file), files):
                pass

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """See `stacgen.ports.Store`; a temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix="stacgen-") as folder:
            yield Path(folder)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise OutputError(f"The store failed at {key}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """The first line; obstore adds a dump of its own state, which helps nobody who reads this."""
    return str(error).partition("\n")[0].strip(" .")
