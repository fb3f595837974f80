"""A catalog in object storage; the only module that knows obstore."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from stacgen.errors import OutputError, UsageError
from stacgen.io import conditional_put, lease
from stacgen.io.conditional_put import Means, ObjectTokens
from stacgen.io.credentials import endpoint, settings
from stacgen.io.lease import HeldError
from stacgen.io.proxies import is_loopback
from stacgen.model.protocols import Entry, Version
from stacgen.model.stream import ByteRange

if TYPE_CHECKING:
    from obstore import Attributes

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "memory")
"""Kinds of object storage; `memory` lives as long as the process and is for trying out."""

_OF_CLIENT = (
    *("allow_http", "allow_invalid_certificates", "connect_timeout", "timeout"),
    *("proxy_url", "proxy_excludes"),
)
"""Settings of the connection rather than of the cloud; obstore takes them apart."""

_DIRECT = {"proxy_url": "http://127.0.0.1:9", "proxy_excludes": "*,0.0.0.0/0,::/0"}
"""Settings with which obstore asks no proxy: it takes those of the environment unless one is named,
and this one is for no host."""

_AT_ONCE = 16
"""Objects put at once by `write_all`."""

_WHOLE = 64 * 1024 * 1024
"""Bytes up to which an object is put in one request."""

_PART = 16 * 1024 * 1024
"""Bytes of each part of a larger one; stores take 10,000 parts."""

_PARTS = 4
"""Of them, at the same time."""

_LONGEST_BUILD = 2 * 24 * 3600
"""Seconds after which a scratch folder is taken to be left over."""

_SCRATCH = "stacgen-"
"""What the names of scratch folders begin with, and those of folders that others made, too."""

_LASTING = "public, max-age=31536000"
"""Cache-Control of pixels."""

_PASSING = "public, max-age=60"
"""Cache-Control of all that may change: documents, pages, tables."""


class Bucket:
    """Keeps files as objects; an object appears when its last byte has arrived, as stores promise.

    Credentials, endpoint and region come from the environment, as each cloud's own tools have
    them; see `stacgen.io.credentials`. Lists are complete whatever their length.
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
        """The bucket and prefix that a URL names; `retries` are for what may pass.

        A prefix is meant literally, as in the clouds' own tools: `a%20b` has a percent sign.
        """
        found = settings(url.partition(":")[0], options)
        client: dict[str, Any] = {key: found[key] for key in found if key in _OF_CLIENT}
        if is_loopback(urlsplit(endpoint(found)).hostname or "") and ("proxy_url" not in client):
            client |= _DIRECT
        cloud: dict[str, Any] = {key: found[key] for key in found if key not in _OF_CLIENT}
        opened: Any = from_url  # typed a cloud at a time, and the URL tells which only now
        try:
            store = opened(
                _literal(url), client_options=client, retry_config={"max_retries": retries}, **cloud
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

    @property
    def at_once(self) -> int:
        """See `model.protocols.Store`; a bucket is far away, and takes many requests."""
        return _AT_ONCE

    def read(self, key: str) -> bytes | None:
        """See `model.protocols.Store`."""
        found = self.read_versioned(key)
        return None if found is None else found[0]

    def read_versioned(self, key: str) -> tuple[bytes, Version] | None:
        """See `model.protocols.Store`; the version is the store's and the content's checksum."""
        with _translated(key):
            try:
                found = obstore.get(self._store, key)
                content = bytes(found.bytes())
            except FileNotFoundError:
                return None
        return content, f"{conditional_put.version_of(found.meta)}\n{sha256(content).hexdigest()}"

    def size(self, key: str) -> int | None:
        """See `model.protocols.Readable`."""
        entry = self.stat(key)
        return None if entry is None else entry.size

    def read_part(self, key: str, part: ByteRange) -> bytes:
        """See `model.protocols.Readable`."""
        with _translated(key):
            return bytes(obstore.get_range(self._store, key, start=part.offset, length=part.length))

    def stat(self, key: str) -> Entry | None:
        """See `model.protocols.Store`."""
        with _translated(key):
            try:
                found = obstore.head(self._store, key)
            except FileNotFoundError:
                return None
        return Entry(key=key, size=found["size"], modified=found["last_modified"])

    def stream(self, entry: Entry, start: int, stop: int) -> Iterator[bytes]:
        """See `model.protocols.Store`."""
        with _translated(entry.key):
            found = obstore.get(self._store, entry.key, options={"range": (start, stop)})
            size, modified = found.meta["size"], found.meta["last_modified"]
        if (size, modified) != (entry.size, entry.modified):
            raise OutputError(f"{self._address}/{entry.key} has changed.")
        return (bytes(chunk) for chunk in found)

    def sha256(self, key: str) -> str:
        """See `model.protocols.Store`."""
        digest = sha256()
        with _translated(key):
            for chunk in obstore.get(self._store, key):
                digest.update(chunk)
        return digest.hexdigest()

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `model.protocols.Store`."""
        with _translated(prefix):
            for page in obstore.list(self._store, prefix):
                for found in page:
                    key = found["path"]
                    if not any(name.startswith(".") for name in key[len(prefix) :].split("/")):
                        yield Entry(key=key, size=found["size"], modified=found["last_modified"])

    def download(self, key: str, path: Path) -> str:
        """See `model.protocols.Store`."""
        digest = sha256()
        with _translated(key), path.open("xb") as file:
            for chunk in obstore.get(self._store, key):
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    def write(self, key: str, content: bytes | Path, media_type: str) -> None:
        """See `model.protocols.Store`; what is large goes in parts, and shows with the last."""
        with _translated(key):
            size = content.stat().st_size if isinstance(content, Path) else len(content)
            obstore.put(
                self._store,
                key,
                content,
                attributes=_attributes(media_type),
                use_multipart=size > _WHOLE,
                chunk_size=_PART,
                max_concurrency=_PARTS,
            )

    def write_all(self, files: Iterable[tuple[str, bytes, str]]) -> None:
        """See `model.protocols.Store`."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(lambda file: self.write(*file), files):
                pass

    def create(self, key: str, content: bytes, media_type: str) -> bool:
        """See `model.protocols.Store`."""
        with _translated(key):
            try:
                obstore.put(
                    self._store, key, content, mode="create", attributes=_attributes(media_type)
                )
            except AlreadyExistsError:
                return self.read(key) == content
            except NotImplementedError:
                return self._change_locked(key, content, media_type, None)
        return True

    def swap(self, key: str, content: bytes, media_type: str, expected: Version) -> bool:
        """See `model.protocols.Store`; the means are found out when they are first needed."""
        with _translated(key):
            unchanged = conditional_put.mode(expected.rpartition("\n")[0], self._means)
            if self._means is Means.LOCK or not unchanged:
                return self._change_locked(key, content, media_type, expected)
            try:
                obstore.put(
                    self._store,
                    key,
                    content,
                    mode=unchanged,
                    attributes=_attributes(media_type),
                )
            except conditional_put.REFUSED:
                return self.read(key) == content
        return True

    def delete(self, key: str) -> None:
        """See `model.protocols.Store`."""
        with _translated(key):
            conditional_put.remove(self._store, key)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """See `model.protocols.Store`; a temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix=_SCRATCH) as name:
            folder = Path(name)
            _mark(folder).touch()
            _sweep(folder.parent, now=_mark(folder).stat().st_mtime)
            yield folder

    @contextmanager
    def hold(self, name: str, owner: str) -> Iterator[str | None]:
        """See `model.protocols.Store`; a lock whose holder died is free after five minutes."""
        with ExitStack() as held:
            holder = None
            with _translated(name):
                try:
                    held.enter_context(lease.hold(ObjectTokens(self._store, name), owner))
                except HeldError as error:
                    holder = error.holder
            yield holder

    @property
    def means(self) -> str:
        """By what `swap` lets one writer through at a time, for people."""
        with _translated(conditional_put.HIDDEN):
            return self._means.value

    @cached_property
    def _means(self) -> Means:
        return conditional_put.probe(self._store)

    def _change_locked(
        self, key: str, content: bytes, media_type: str, expected: Version | None
    ) -> bool:
        """Put an object under a lock; `expected` is None where there must be none."""
        tokens = ObjectTokens(self._store, sha256(key.encode()).hexdigest()[:16])
        with lease.wait(tokens) as is_held:
            found = self.read_versioned(key)
            if _digest(found and found[1]) != _digest(expected):
                return found is not None and found[0] == content
            if not is_held():
                return False
            self.write(key, content, media_type)
        return True


def _literal(url: str) -> str:
    """The URL from which obstore, which decodes percent signs, reads the prefix as it is."""
    scheme, _, rest = url.partition("://")
    bucket, slash, prefix = rest.partition("/")
    return f"{scheme}://{bucket}{slash}{quote(prefix)}"


def _digest(version: Version | None) -> str | None:
    """The checksum in a version."""
    return None if version is None else version.rpartition("\n")[2]


def _attributes(media_type: str) -> "Attributes":
    lasts = media_type.startswith("image/")
    return {"Content-Type": media_type, "Cache-Control": _LASTING if lasts else _PASSING}


def _mark(folder: Path) -> Path:
    """The file by which a scratch folder is known; a copy of the folder has another name."""
    return folder / f".{folder.name}.scratch"


def _sweep(temporary: Path, *, now: float) -> None:
    """Remove scratch folders that killed builds left long ago, and nothing that others made.

    All may write into a temporary folder, and a name proves nothing: the mark has to be there.

    Args:
        temporary: The folder that holds them.
        now: Seconds, by the clock of the file system, which may differ from that of the machine.
    """
    for path in temporary.glob(f"{_SCRATCH}*"):
        with suppress(OSError):
            is_ours = _mark(path).is_file() and not path.is_symlink()
            if is_ours and now - path.stat().st_mtime > _LONGEST_BUILD:
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise OutputError(f"The store failed at {key}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """The first line; obstore adds a dump of its own state, which helps nobody who reads this."""
    return str(error).partition("\n")[0].strip(" .")
