"""A catalog on a website as `validate` reads it: nobody lists its files, so links are followed."""

import hashlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stacgen.errors import OutputError
from stacgen.model.protocols import Entry, Readable
from stacgen.stac import files, layout, stac_json

_READERS = 8
"""Requests under way at a time."""

_UNKNOWN = datetime.fromtimestamp(0, UTC)
"""Time of change of every file, since links do not tell it."""


class Crawled:
    """The files that the links of a catalog lead to; see `model.protocols.Listed`.

    Files to which no link leads are not found. Documents are fetched once and kept, so memory grows
    with their number, by a few kB each.
    """

    def __init__(self, place: Readable) -> None:
        self._place = place
        self._documents: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        """See `model.protocols.Readable`."""
        return self._place.address

    def list(self, prefix: str) -> Iterator[Entry]:
        """Every file below a prefix that links lead to, level by level from the root."""
        seen, level = set[str](), {layout.ROOT, layout.COLLECTIONS}
        with ThreadPoolExecutor(_READERS) as pool:
            while level:
                seen |= level
                found = list(pool.map(self._look, sorted(level)))
                level = {target for _, targets in found for target in targets} - seen
                for entry, _ in found:
                    if entry is not None and entry.key.startswith(prefix):
                        yield entry

    def read(self, key: str) -> bytes | None:
        """See `model.protocols.Readable`."""
        return self._documents.get(key) or self._place.read(key)

    def download(self, key: str, path: Path) -> str:
        """See `model.protocols.Store`."""
        content = self._place.read(key)
        if content is None:
            raise OutputError(f"{self.address}/{key} was there, and is no more; validate again.")
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder of this machine, gone afterwards."""
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)

    def _look(self, key: str) -> tuple[Entry | None, set[str]]:
        """A file, or None where there is none, and the files it links to."""
        size = None if key.endswith(".json") else self._place.size(key)
        targets: set[str] = set()
        if size is None:  # a document, or a file of which the server does not tell the size
            content = self._place.read(key)
            if content is None:
                return None, targets
            size = len(content)
            if key.endswith(".json"):
                self._documents[key] = content
                targets = _targets(key, content)
        return Entry(key=key, size=size, modified=_UNKNOWN), targets


def _targets(key: str, content: bytes) -> set[str]:
    """The files of a catalog that a document links to; none where it cannot be read."""
    try:
        found = set(files.targets(key, stac_json.from_bytes(content, name=key)))
    except (OutputError, KeyError, TypeError, AttributeError, ValueError):
        return set()  # validate tells what is wrong with it
    if files.kind(key) is files.Kind.COLLECTION:
        found.add(layout.mirror_key(key))
    return {target for target in found if files.kind(target) is not None}
