"""Collections as a table: a row for each, with what its table of Items holds in sum. Pure.

Columns follow the rules of stac-geoparquet, which speaks of Items alone: `geometry` is the box of
the extent as WKB, `bbox`, `assets` and `summaries` are structs, `links` is a list. All other fields
of the Collection are columns, too, so `pystac.Collection.from_dict` takes a row.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from stacgen.errors import OutputError
from stacgen.model.query import Query
from stacgen.stac import layout, stac_json, summaries
from stacgen.stac.geoparquet.files import Mirror, Place, multihash, to_bytes
from stacgen.stac.geoparquet.query import areas_of, near_to
from stacgen.stac.geoparquet.table import Table, from_root, to_arrays, together, values

_EXTRA = (
    *("geometry", "bbox", "start_datetime", "end_datetime", "years"),
    *("href", "item_count", "thumbnail", "table_checksum", "nulls"),
)
"""Columns that are no fields of a Collection."""

_PRUNED = ("id", "bbox", "start_datetime", "end_datetime", "href", "table_checksum")
_LISTED = ("title", "bbox", "start_datetime", "end_datetime", "href", "item_count", "thumbnail")
_EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSummary:
    """What the table of a Collection holds in sum."""

    count: int
    """Of its Items."""

    thumbnail: str | None
    """Of the Item that shows most, from the root (`./29PKR/B09/...`)."""

    checksum: str
    """Of the file: SHA-256 as a multihash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A Collection as a list of all names it."""

    key: str
    title: str
    bbox: tuple[float, float, float, float]
    start: datetime
    """Of the first Item, in UTC."""

    end: datetime
    """Of the last."""

    count: int
    """Of its Items."""

    thumbnail: str | None
    """From the root (`./29PKR/B09/...`)."""

    @property
    def name(self) -> str:
        """Of the folder that it lies in: the band."""
        return self.key.split("/")[-2]

    @property
    def group(self) -> str:
        """The tile."""
        return self.key.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReference:
    """A Collection's table, as it was when the Collection's row was made."""

    key: str
    checksum: str


def sum_up(raw: bytes, *, name: str) -> TableSummary:
    """What a Collection's table holds in sum, of which a few columns are read.

    Raises:
        OutputError: It is no table that stacgen made.
    """
    mirror = Mirror(raw, name=name)
    table = mirror.columns(range(mirror.groups), _about_pictures(mirror))
    place = _clearest(table)
    href = None if place is None else table["assets"].combine_chunks().field("thumbnail")[place]
    return TableSummary(
        count=table.num_rows,
        thumbnail=None if href is None else mirror.from_root(href["href"].as_py()),
        checksum=multihash(raw),
    )


def tabulate(rows: Iterable[tuple[str, stac_json.Document, TableSummary]]) -> Table | None:
    """The table of some Collections, each with its key and what its table holds; None for none.

    Raises:
        OutputError: Two of them disagree on the type of a field.
    """
    arrays = to_arrays(_row(*each) for each in rows)
    return together(map(pa.Table.from_struct_array, arrays), ("href",)) if arrays else None


def replaced(old: Table | None, keys: Iterable[str], new: Table | None) -> Table | None:
    """A table in which the rows of some Collections are others, or gone; None for no table.

    Args:
        old: The table as it was, if there is one.
        keys: Of the Collections.
        new: Their rows; a Collection without one is gone.
    """
    parts = [] if new is None else [new]
    if old is not None:
        hrefs = pa.array([f"./{key}" for key in keys], pa.string())
        rest = old.filter(pc.invert(pc.is_in(old["href"], value_set=hrefs)))
        parts += [rest] if rest.num_rows else []
    if parts:
        return together(parts, ("href",))
    return None if old is None else old.slice(0, 0)


class Collections:
    """A table of Collections that was read; safe to use from several threads."""

    def __init__(self, raw: bytes, *, name: str) -> None:
        """Open a file.

        Raises:
            OutputError: It is no table of Collections that stacgen made.
        """
        self._raw = raw
        self._mirror = Mirror(raw, name=name)
        missing = {*_PRUNED, *_LISTED} - set(self._mirror.names)
        if missing:
            raise OutputError(
                f"{name} is no table of Collections that stacgen made: it has no {min(missing)};"
                " stacgen index writes it anew."
            )

    @property
    def place(self) -> Place:
        """Where it lies."""
        return self._mirror.place

    def table(self) -> Table:
        """All of it, links from the root."""
        return self._mirror.table()

    def relocated(self, *, base_url: str | None, checksums: Mapping[str, str]) -> bytes:
        """The file where the root has a public URL, or none, and tables have other checksums.

        Args:
            base_url: Public URL of the root.
            checksums: Of the tables of Items, by their keys; others stay as they are.
        """
        table = self._mirror.table()
        keys = [layout.mirror_key(href.removeprefix("./")) for href in table["href"].to_pylist()]
        old = table["table_checksum"].to_pylist()
        new = [checksums.get(key, was) for key, was in zip(keys, old, strict=True)]
        if new == old and self.place.base_url == base_url:
            return self._raw
        column = table.column_names.index("table_checksum")
        table = table.set_column(column, "table_checksum", pa.array(new, pa.string()))
        table = together([table], ("href",))  # names fields of lists as builds do
        return to_bytes(table, replace(self.place, base_url=base_url))

    def tables(self, query: Query) -> list[TableReference]:
        """The tables of those Collections that may hold what is asked for, by their keys."""
        table = self._read(_PRUNED)
        mask = pc.is_valid(table["id"])
        if query.start is not None:
            mask = pc.and_(mask, pc.greater_equal(table["end_datetime"], pa.scalar(query.start)))
        if query.end is not None:
            mask = pc.and_(mask, pc.less_equal(table["start_datetime"], pa.scalar(query.end)))
        if query.collections is not None:
            asked = pa.array(query.collections, pa.string())
            mask = pc.and_(mask, pc.is_in(table["id"], value_set=asked))
        areas = areas_of(query)
        if areas:
            near = [near_to(table["bbox"], area.bounds) for area in areas]
            mask = pc.and_(mask, pa.array(sum(near[1:], near[0])))
        found = table.filter(pc.fill_null(mask, fill_value=False))
        return [
            TableReference(key=layout.mirror_key(key), checksum=checksum)
            for key, checksum in zip(
                self._keys(found), found["table_checksum"].to_pylist(), strict=True
            )
        ]

    def keys(self) -> dict[str, str]:
        """The key of each Collection by its id, in the order of the keys."""
        table = self._read(("id", "href"))
        return dict(zip(table["id"].to_pylist(), self._keys(table), strict=True))

    def documents(self) -> Iterator[tuple[str, stac_json.Document]]:
        """Each Collection with its key, as its JSON has it."""
        for key, row in _rows(self.table()):
            yield key, {name: value for name, value in row.items() if name not in _EXTRA}

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each row as JSON can have it, with the key of its Collection."""
        return described(self.table())

    def listed(self) -> Iterator[Listed]:
        """Every Collection as lists name it, in the order of the keys."""
        table = self._read(_LISTED)
        for key, row in zip(self._keys(table), table.to_pylist(), strict=True):
            picture = row["thumbnail"]
            yield Listed(
                key=key,
                title=row["title"],
                bbox=tuple(row["bbox"][edge] for edge in _EDGES),
                start=row["start_datetime"],
                end=row["end_datetime"],
                count=row["item_count"],
                thumbnail=None if picture is None else self._mirror.from_root(picture),
            )

    def _read(self, names: Sequence[str]) -> Table:
        return self._mirror.columns(range(self._mirror.groups), names)

    def _keys(self, table: Table) -> list[str]:
        hrefs = table["href"].to_pylist()
        return [self._mirror.from_root(href).removeprefix("./") for href in hrefs]


def described(table: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row of a table as JSON can have it, with the key of its Collection."""
    for key, row in _rows(table):
        yield key, {name: _plain(value) for name, value in row.items() if name != "nulls"}


def _rows(table: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row, its links relative to the Collection as in its JSON."""
    for batch in table.to_batches():
        for row in values(batch.to_struct_array()):
            key = row["href"].removeprefix("./")
            for each in (*row["links"], *row["assets"].values()):
                if each["href"].startswith("./"):
                    each["href"] = layout.href(row["href"], each["href"])
            yield key, row


def _row(key: str, document: stac_json.Document, held: TableSummary) -> dict[str, Any]:
    folder = key.rpartition("/")[0]
    box = document["extent"]["spatial"]["bbox"][0]
    start, end = document["extent"]["temporal"]["interval"][0]
    assets = document["assets"].items()
    return {
        **document,
        "geometry": shapely.to_wkb(_footprint(box), byte_order=1),
        "bbox": dict(zip(_EDGES, map(float, box), strict=True)),
        "start_datetime": datetime.fromisoformat(start),
        "end_datetime": datetime.fromisoformat(end),
        "years": sorted(summaries.years_of(document)),
        "links": [from_root(link, folder) for link in document["links"]],
        "assets": {name: from_root(asset, folder) for name, asset in assets},
        "href": f"./{key}",
        "item_count": held.count,
        "thumbnail": held.thumbnail,
        "table_checksum": held.checksum,
        "nulls": "",
    }


def _footprint(box: Sequence[float]) -> Any:  # noqa: ANN401 - shapely has no types
    """A box as a polygon; as two of them where it crosses the antimeridian."""
    west, south, east, north = box
    if west <= east:
        return shapely.box(*box)
    return shapely.MultiPolygon(
        [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]
    )


def _about_pictures(mirror: Mirror) -> list[str]:
    """Columns that tell how much an Item shows."""
    figures = ("id", "eo:cloud_cover", "s2:nodata_pixel_percentage")
    paths = [mirror.file.schema.column(n).path for n in range(len(mirror.file.schema))]
    hrefs = [each for each in paths if each.startswith("assets.") and each.endswith(".href")]
    return [*(name for name in figures if name in mirror.names), *hrefs]


def _clearest(table: Table) -> int | None:
    """The row of the Item with the most files, of these the least cloudy one that is covered most.

    One whose cloud is not known comes after those of which it is; None where none has a thumbnail.
    """
    assets = table["assets"].combine_chunks()
    names = [field.name for field in assets.type]
    if "thumbnail" not in names:
        return None
    has = {name: assets.field(name).is_valid().to_numpy(zero_copy_only=False) for name in names}
    rows = np.flatnonzero(has["thumbnail"])
    if not len(rows):
        return None
    cloud, nodata = (
        np.array(table[name], float) if name in table.column_names else np.full(len(assets), np.nan)
        for name in ("eo:cloud_cover", "s2:nodata_pixel_percentage")
    )
    files, unknown = np.sum(list(has.values()), axis=0), np.isnan(cloud)
    hidden = np.nan_to_num(cloud) + 2 * np.nan_to_num(nodata)
    order = np.lexsort((rows, hidden[rows], unknown[rows], -files[rows]))
    return int(rows[order[0]])


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a row has
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value
