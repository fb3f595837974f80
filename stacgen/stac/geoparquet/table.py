"""Items to tables and back, without loss. Pure.

Properties are columns, as stac-geoparquet has them. What an Item lacks is null in its row. Where
it says null itself (`proj:code` of a picture), the column `nulls` tells so; it never gets into a
file as a column.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import reduce
from itertools import chain, islice, starmap
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stacgen.model.stream import timestamp
from stacgen.stac import layout, stac_json
from stacgen.stac.geoparquet import wkb
from stacgen.stac.geoparquet.shape import fitted, joined, used

Table = Any
"""A pyarrow.Table of Items by time and id, of one chunk, links from the root (`./29PKR/...`)."""

_TOP = ("type", "stac_version", "stac_extensions", "id", "geometry", "bbox")
_ABOVE = (*_TOP, "collection", "links", "assets", "nulls")
"""Columns that are no properties."""

_SHOWN = ("datetime", "updated", "eo:cloud_cover", "s2:nodata_pixel_percentage")
_TOLD = frozenset({"href", "roles", "gsd", "raster:scale", "raster:offset"})
_TOLD_OF = {"thumbnail": _TOLD | {"proj:shape"}}
"""Of the properties and of each asset, what pages show; see `catalog.pages.item_summary`."""

BATCH = 128
"""Items made rows of at a time: as Python has them, rows take ten times the space of a table."""

_TIMES = ("datetime", "created", "updated")
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def load() -> None:
    """Have pyarrow load what its first table needs: pandas, too, where that is installed."""
    pa.array([{}])


def tabulate(items: Iterable[tuple[str, stac_json.Document]]) -> Table:
    """The table of some Items, each with its key; there must be one.

    Raises:
        OutputError: Two of them disagree on the type of a field.
    """
    return _sorted(to_arrays(starmap(_row, items)))


def to_arrays(rows: Iterator[dict[str, Any]]) -> list[Any]:
    """Rows as arrays of structs of one type, some rows in each.

    Raises:
        OutputError: Two of them disagree on the type of a field.
    """
    arrays: list[Any] = []
    while batch := list(islice(rows, BATCH)):
        try:
            arrays.append(pa.array(batch))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            # It joins fewer types than we do, and says less.
            arrays += [pa.array([row]) for row in batch]
    kind = reduce(joined, [array.type for array in arrays], pa.null())
    kind = joined(kind, kind)
    return [fitted(array, kind) for array in arrays]


def united(tables: Iterable[Table]) -> Table:
    """All rows of some tables; where two have an Item, the later one's is taken.

    A field that only Items had whose place was taken is not there any more.
    """
    kept: list[Table] = []
    for part in reversed(list(tables)):
        rest = part
        if kept:
            taken = pa.concat_arrays([each["id"].combine_chunks() for each in kept])
            rest = part.filter(pc.invert(pc.is_in(part["id"], value_set=taken))).combine_chunks()
            if rest.num_rows < part.num_rows:
                rest = _narrowed_to_used(rest)
        kept.append(rest)
    return together(kept)


def together(tables: Iterable[Table], order: Sequence[str] = ("datetime", "id")) -> Table:
    """All rows of some tables, which share none, sorted by some columns."""
    parts = list(tables)
    kind = pa.struct([])
    for each in parts:
        kind = joined(kind, pa.struct(list(each.schema)))
    kind = joined(kind, kind)
    return _sorted([as_struct(each, kind) for each in parts], order)


def _narrowed_to_used(table: Table) -> Table:
    """A table without the columns and fields that none of its rows has."""
    arrays = [each.to_struct_array() for each in table.to_batches()]
    if not arrays:
        return pa.table({})
    whole = pa.concat_arrays(arrays)
    return pa.Table.from_struct_array(fitted(whole, used(whole)))


def as_struct(table: Table, kind: Any) -> Any:  # noqa: ANN401
    """The rows as one array of structs of a type that `joined` gave."""
    parts = [fitted(batch.to_struct_array(), kind) for batch in table.to_batches()]
    return pa.concat_arrays(parts) if parts else pa.array([], kind)


def documents(table: Table) -> Iterator[tuple[str, stac_json.Document]]:
    """Each row's Item with its key, exactly as its JSON has it."""
    for document in decoded(table):
        links = document["links"]
        key = next(link["href"] for link in links if link["rel"] == "self")
        document["links"] = [link for link in links if link["rel"] != "self"]
        for each in (*document["links"], *document["assets"].values()):
            if each["href"].startswith("./"):
                each["href"] = layout.href(key, each["href"])
        yield key.removeprefix("./"), document


def brief(table: Table) -> Table:
    """The same rows with only what a page shows of Items, which decode faster."""
    names = ("geometry", "bbox", *_ABOVE, *_SHOWN)
    table = table.select([name for name in table.column_names if name in names])
    assets, links, extensions = (
        table[name].combine_chunks() for name in ("assets", "links", "stac_extensions")
    )
    told = [_narrowed(assets.field(each.name), each.name) for each in assets.type]
    columns = {
        "assets": pa.StructArray.from_arrays(told, [each.name for each in assets.type]),
        "links": pc.list_slice(links, 0, 1),  # the first link is to itself
        "stac_extensions": pa.array([[]] * len(extensions), extensions.type),
        "nulls": pa.array([""] * table.num_rows, pa.string()),
    }
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _narrowed(asset: Any, name: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    told = _TOLD_OF.get(name, _TOLD)
    names = [each.name for each in asset.type if each.name in told]
    return pa.StructArray.from_arrays(
        [asset.field(each) for each in names], names, mask=asset.is_null()
    )


def decoded(table: Table) -> Iterator[stac_json.Document]:
    """Each row's Item, its links as the table has them."""
    batches = (values(each.to_struct_array()) for each in table.to_batches())
    return map(_document, chain.from_iterable(batches))


def _row(key: str, document: stac_json.Document) -> dict[str, Any]:
    folder = key.rpartition("/")[0]
    found: list[str] = []
    _find_nulls(document, "", found)
    row = {name: value for name, value in document["properties"].items() if value is not None}
    for name in _TIMES:
        if name in row:
            moment = datetime.fromisoformat(row[name])
            row[name] = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    own = {"rel": "self", "href": f"./{key}", "type": stac_json.GEOJSON}
    return {
        **row,
        **{name: document[name] for name in _TOP},
        "collection": document["collection"],
        "geometry": wkb.encode(document["geometry"]),
        "bbox": dict(zip(_EDGES, map(float, document["bbox"]), strict=True)),
        "links": [own, *(from_root(link, folder) for link in document["links"])],
        "assets": {name: from_root(asset, folder) for name, asset in document["assets"].items()},
        "nulls": "\n".join(found),
    }


def _document(row: dict[str, Any]) -> stac_json.Document:
    nulls = row.pop("nulls")
    above = {name: row.pop(name) for name in _ABOVE[:-1]}
    for name in _TIMES:
        if name in row:
            row[name] = timestamp(row[name])
    document = {
        **{name: above[name] for name in _TOP},
        "geometry": wkb.decode(above["geometry"]),
        "bbox": [above["bbox"][edge] for edge in _EDGES],
        "properties": row,
        "links": above["links"],
        "assets": above["assets"],
        "collection": above["collection"],
    }
    for path in filter(None, nulls.split("\n")):
        _set_null(document, path)
    return document


def _find_nulls(value: dict[str, Any], path: str, found: list[str]) -> None:
    """The JSON pointers of what is null; names with a slash or tilde are none of ours."""
    for name, each in value.items():
        if each is None:
            found.append(f"{path}/{name}")
        elif each.__class__ is dict:
            _find_nulls(each, f"{path}/{name}", found)
        elif each.__class__ is list and each and each[0].__class__ is dict:
            for number, member in enumerate(each):
                _find_nulls(member, f"{path}/{name}/{number}", found)


def _set_null(document: stac_json.Document, path: str) -> None:
    *above, name = path[1:].split("/")
    place: Any = document
    for each in above:
        place = place[int(each) if isinstance(place, list) else each]
    place[name] = None


def values(array: Any) -> list[Any]:  # noqa: ANN401 - pyarrow has no types
    """What an array holds, without what is null in structs; by columns, sooner than `to_pylist`."""
    kind = array.type
    if pa.types.is_struct(kind) and kind.num_fields:
        names = [field.name for field in kind]
        rows: list[Any] = [
            {name: value for name, value in zip(names, values, strict=True) if value is not None}
            for values in zip(*map(values, array.flatten()), strict=True)
        ]
        if not array.null_count:
            return rows
        valid = array.is_valid().to_pylist()
        return [row if is_there else None for row, is_there in zip(rows, valid, strict=True)]
    if pa.types.is_list(kind) and pa.types.is_nested(kind.value_type):
        members = iter(values(array.flatten()))
        lengths = pc.list_value_length(array).to_pylist()
        return [None if each is None else list(islice(members, each)) for each in lengths]
    return list(array.to_pylist())


def from_root(linked: dict[str, Any], folder: str) -> dict[str, Any]:
    """A link or asset of an Item in a folder, its href written from the root."""
    href = linked["href"]
    if "://" in href:
        return linked
    while href.startswith(("./", "../")):
        step, _, href = href.partition("/")
        if step == "..":
            folder = folder.rpartition("/")[0]
    return {**linked, "href": f"./{folder}/{href}" if folder else f"./{href}"}


def _sorted(arrays: list[Any], order: Sequence[str] = ("datetime", "id")) -> Table:
    table = pa.Table.from_struct_array(pa.concat_arrays(arrays))
    rows = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in order])
    return table.take(rows).combine_chunks()
