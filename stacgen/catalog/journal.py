"""Entries that say which tiles a run is changing, so that another run can finish what it began.

A run holds a lock of its own from before its first entry until it ends. So an entry whose lock can
be taken is of a run that is dead: the operating system released it, or its lease ran out. No clock
of ours decides that. An entry is written before the first change to a tile, and deleted once all
that is derived from its Items is written.
"""

import os
import secrets
import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from stacgen.errors import OutputError
from stacgen.model import bands
from stacgen.model.mgrs import TileId
from stacgen.model.protocols import Store
from stacgen.stac import stac_json

FOLDER = ".stacgen/journal/"
"""Entries lie below it, as `<tile>/<run>.json`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Changes to a tile that have begun."""

    bands: frozenset[str] = frozenset()
    """Names of the bands of which Items may have been written or replaced."""

    purge: frozenset[str] = frozenset()
    """Keys of Items that are to be unlinked, and then deleted with their files."""

    def __or__(self, other: "Entry") -> "Entry":
        """Both together."""
        return Entry(bands=self.bands | other.bands, purge=self.purge | other.purge)


class Journal:
    """The entries of one run, a tile each; without `finish` they stay for another run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._run = secrets.token_hex(8)
        self._lock = ExitStack()
        self._entries: dict[TileId, Entry] = {}

    def __enter__(self) -> Self:
        """Nothing is written yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the lock."""
        self._lock.close()

    def note(self, tile: TileId, names: Iterable[str] = (), *, purge: Iterable[str] = ()) -> None:
        """Say that bands of a tile are about to change, unless an entry says so already.

        Args:
            tile: The tile.
            names: Of the bands.
            purge: Keys of Items that are about to be taken out.
        """
        if not self._entries:
            who = f"process {os.getpid()} on {socket.gethostname()}"
            self._lock.enter_context(self._store.hold(_lock(self._run), who))
        known = self._entries.get(tile)
        entry = Entry(bands=frozenset(names), purge=frozenset(purge)) | (known or Entry())
        if entry != known:
            self._entries[tile] = entry
            self._write(tile)

    def keep(self, tile: TileId) -> None:
        """Write the entry of a tile again if it is gone.

        Another run takes it over if this one was suspended for so long that its lease ran out.
        """
        if tile in self._entries and self._store.read(self._key(tile)) is None:
            self._write(tile)

    def take_over(self, tiles: Collection[TileId] | None = None) -> dict[TileId, Entry]:
        """Make the entries of dead runs entries of this one.

        Of several runs that try at once, one does. The entries of runs that are alive stay.

        Args:
            tiles: Whose entries; None for those of all tiles.

        Returns:
            What the dead runs had begun.
        """
        found: dict[TileId, Entry] = {}
        for tile, run, key in _listed(self._store):
            if run == self._run or not (tiles is None or tile in tiles):
                continue
            with self._store.hold(_lock(run), "a run that takes over") as holder:
                raw = None if holder is not None else self._store.read(key)
                if raw is None:  # its run is alive, or another has taken it over
                    continue
                entry = _read(raw, key)
                self.note(tile, entry.bands, purge=entry.purge)
                self._store.delete(key)
                found[tile] = entry | found.get(tile, Entry())
        return found

    def finish(self) -> None:
        """Delete the entries, since all that follows from the changes is written."""
        for tile in self._entries:
            self._store.delete(self._key(tile))
        self._entries.clear()
        self._lock.close()

    def _key(self, tile: TileId) -> str:
        return f"{FOLDER}{tile}/{self._run}.json"

    def _write(self, tile: TileId) -> None:
        entry = self._entries[tile]
        content = {"bands": sorted(entry.bands), "purge": sorted(entry.purge)}
        self._store.write(self._key(tile), stac_json.to_bytes(content), stac_json.JSON)


def _lock(run: str) -> str:
    return f"run-{run}"


def _listed(store: Store) -> Iterator[tuple[TileId, str, str]]:
    """Tile, run and key of each entry, in the order of the keys."""
    for key in sorted(entry.key for entry in store.list(FOLDER)):
        tile, _, name = key.removeprefix(FOLDER).partition("/")
        yield TileId(tile), name.removesuffix(".json"), key


def _read(raw: bytes, key: str) -> Entry:
    """An entry; one that cannot be read stands for all bands."""
    try:
        said = stac_json.from_bytes(raw, name=key)
        return Entry(bands=frozenset(said["bands"]), purge=frozenset(said["purge"]))
    except (OutputError, KeyError, TypeError):
        return Entry(bands=frozenset(bands.NAMES))
