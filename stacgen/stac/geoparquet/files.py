"""Tables to Parquet files and back: stac-geoparquet 1.1, GeoParquet 1.1. Pure.

Links of a file are relative to the file, or absolute where the catalog's public URL is known. The
same rows give the same bytes, with the same pyarrow.
"""

import io
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stacgen.errors import OutputError
from stacgen.stac import layout, stac_json
from stacgen.stac.geoparquet.shape import fitted, joined
from stacgen.stac.geoparquet.table import Table, decoded, united

ROWS = 16_384
"""Rows of a row group, at most."""

_KEY = b"stacgen"
_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {
        "geometry": {
            "encoding": "WKB",
            "geometry_types": [],
            "edges": "planar",
            "covering": {
                "bbox": {edge: ["bbox", edge] for edge in ("xmin", "ymin", "xmax", "ymax")}
            },
        }
    },
}
_STAC = {"version": "1.1.0"}
_INDEXED = (
    *("id", "collection", "datetime", "eo:cloud_cover"),
    *("bbox.xmin", "bbox.ymin", "bbox.xmax", "bbox.ymax"),
)
"""Columns of which each row group has statistics; those of others would only weigh."""

_OTHER_LINKS = "href", "thumbnail"
"""Columns of text that hold links, of Collections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a table lies, which is what its links are relative to."""

    folder: str = ""
    """Under the root, `29PKR/B09`; empty for the root."""

    base_url: str | None = None
    """The root's public URL, where it is known; links are absolute then."""

    @property
    def prefixes(self) -> list[tuple[str, str]]:
        """How a link from the root begins, and how the same link begins in the file."""
        if self.base_url is not None:
            return [("./", f"{self.base_url.rstrip('/')}/")]
        parts = self.folder.split("/") if self.folder else []
        found = []
        for depth in range(len(parts) + 1):
            above = "".join(f"{part}/" for part in parts[:depth])
            found.append((f"./{above}", "../" * (len(parts) - depth) or "./"))
        return found


class Mirror:
    """A Parquet file that is read a few rows at a time; safe to use from several threads.

    pyarrow's reader is not: two threads in one file at once end the process. All that reads rows
    raises `OutputError` where they are damaged, which their checksums tell.
    """

    def __init__(self, raw: bytes, *, name: str) -> None:
        """Open a file.

        Raises:
            OutputError: It is no table that stacgen made.
        """
        self._lock = threading.Lock()
        self._name = name
        with self._sound():
            self.file = pq.ParquetFile(pa.BufferReader(raw), page_checksum_verification=True)
            facts = json.loads(self.file.metadata.metadata[_KEY])
            self.place = Place(folder=facts["folder"], base_url=facts["base_url"])
            pairs = [(theirs, ours) for ours, theirs in self.place.prefixes]
            self._prefixes = sorted(pairs, key=_length)
            self._nulls = _expanded(facts["nulls"], self.file.metadata.num_rows)
            self.names = [str(name) for name in self.file.schema_arrow.names]
            paths = [self.file.schema.column(n).path for n in range(len(self.file.schema))]
            self.indexed = {path: n for n, path in enumerate(paths) if path in _INDEXED}

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """Turn what pyarrow raises into one sentence."""
        try:
            yield
        except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
            raise OutputError(
                f"{self._name} is no table that stacgen made, or a damaged one; stacgen index"
                " writes it anew."
            ) from error

    @property
    def groups(self) -> int:
        """How many row groups there are."""
        return int(self.file.metadata.num_row_groups)

    def starts(self) -> list[int]:
        """The number of the first row of each group, and that of all rows."""
        found = [0]
        for group in range(self.groups):
            found.append(found[-1] + self.file.metadata.row_group(group).num_rows)
        return found

    def group(self, number: int) -> Table:
        """A row group with all columns."""
        return self.rows(number, range(*self.starts()[number : number + 2]))

    def rows(self, group: int, numbers: Sequence[int]) -> Table:
        """Some rows of a row group, by their numbers in the table."""
        with self._sound():
            return self._whole(*self._picked(group, numbers))

    def documents(
        self, group: int, numbers: Sequence[int], root: str
    ) -> Iterator[stac_json.Document]:
        """The Items of some rows of a row group, each with a link to itself.

        Links of so few rows are written sooner one by one than by columns.

        Args:
            group: The row group.
            numbers: Of the rows, in the table.
            root: What the links begin with: a URL or a path, without a slash at its end.
        """
        with self._sound():
            table, nulls = self._picked(group, numbers)
            for document in decoded(table.append_column("nulls", nulls)):
                links = document["links"]
                for each in (*links, *document["assets"].values()):
                    each["href"] = self.from_root(each["href"])
                if self.place.base_url is None:
                    links.insert(0, self._own_link(document))
                for each in (*links, *document["assets"].values()):
                    if each["href"].startswith("./"):
                        each["href"] = f"{root}{each['href'][1:]}"
                yield document

    def columns(self, groups: Sequence[int], names: Sequence[str]) -> Table:
        """Some columns of row groups, as the file has them; a part of a struct as `a.b`."""
        with self._sound():
            return self._read(groups, names)

    def table(self) -> Table:
        """All of it."""
        with self._sound():
            return self._whole(self._read(range(self.groups)), self._nulls)

    def from_root(self, href: str) -> str:
        """A link of the file, written from the root: `./29PKR/B09/...`."""
        for old, new in reversed(self._prefixes):
            if href.startswith(old):
                return f"{new}{href[len(old) :]}"
        return href

    def _own_link(self, document: stac_json.Document) -> dict[str, str]:
        year = int(document["properties"]["datetime"][:4])
        folder = f"./{self.place.folder}/{layout.item_folder(document['id'], year)}"
        key = layout.ItemPlace(id=document["id"], folder=folder).key
        return {"rel": "self", "href": key, "type": stac_json.GEOJSON}

    def _picked(self, group: int, numbers: Sequence[int]) -> tuple[Table, Any]:
        """Some rows of a row group as the file has them, and their explicit nulls."""
        rows = pa.array(numbers)
        table = self._read([group]).take(pc.subtract(rows, self.starts()[group]))
        return table, self._nulls.take(rows)

    def _read(self, groups: Sequence[int], names: Sequence[str] | None = None) -> Table:
        """Some row groups in the calling thread, with all columns or those named.

        Never in pyarrow's pool: a thread of it may release the content, a Python object, while the
        interpreter ends, and the process then aborts after its work is done.
        """
        with self._lock:
            columns = None if names is None else list(names)
            return self.file.read_row_groups(list(groups), columns=columns, use_threads=False)

    def _whole(self, table: Table, nulls: Any) -> Table:  # noqa: ANN401 - pyarrow has no types
        table = table.replace_schema_metadata(None).append_column("nulls", nulls)
        table = _relinked(table.combine_chunks(), self._prefixes)
        if self.place.base_url is None and "collection" in table.column_names:
            return _with_self(table, self.place.folder)
        return table


def to_bytes(table: Table, place: Place) -> bytes:
    """A table as a file that lies at a place.

    Rows have a link `self` only where it is absolute: readers resolve others against it.
    """
    nulls = [(sum(1 for _ in run), text) for text, run in groupby(table["nulls"].to_pylist())]
    facts = {"folder": place.folder, "base_url": place.base_url, "nulls": nulls}
    values = {b"geo": _GEO, b"stac-geoparquet": _STAC, _KEY: facts}
    metadata = {key: json.dumps(value).encode() for key, value in values.items()}
    if place.base_url is None and "collection" in table.column_names:
        table = _without_self(table)
    table = _relinked(table, place.prefixes).drop_columns(["nulls"])
    table = table.replace_schema_metadata(metadata).combine_chunks()
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        row_group_size=ROWS,
        compression="zstd",
        use_dictionary=False,  # zstd finds what repeats, in less time and space
        write_statistics=[path for path in _INDEXED if path.split(".")[0] in table.column_names],
        write_page_checksum=True,  # what is damaged might be read as something else
    )
    return sink.getvalue()


def from_bytes(raw: bytes, *, name: str) -> Table:
    """The table of a file.

    Raises:
        OutputError: It is no table that stacgen made.
    """
    return Mirror(raw, name=name).table()


def relocated(raw: bytes, *, base_url: str | None, name: str) -> bytes:
    """A file with its hrefs as they are where the root has another public URL, or none.

    Raises:
        OutputError: It is no table that stacgen made.
    """
    found = Mirror(raw, name=name)
    if found.place.base_url == base_url:
        return raw
    table = united([found.table()])  # names fields of lists as builds do, so bytes are the same
    return to_bytes(table, replace(found.place, base_url=base_url))


def multihash(raw: bytes) -> str:
    """The SHA-256 of a file as a multihash."""
    return f"1220{sha256(raw).hexdigest()}"


def _length(pair: tuple[str, str]) -> int:
    return len(pair[0])


def _expanded(runs: Iterable[tuple[int, str]], rows: int) -> Any:  # noqa: ANN401
    """The column of explicit nulls, which a file has as how often each value comes in a row."""
    parts = [pa.repeat(pa.scalar(text, pa.string()), count) for count, text in runs]
    found = pa.concat_arrays(parts) if parts else pa.array([], pa.string())
    if len(found) != rows:
        raise ValueError(rows)
    return found


def _without_self(table: Table) -> Table:
    """A table whose lists of links lack their first, which is `self`."""
    links = pa.concat_arrays([table["links"].combine_chunks()])
    offsets = links.offsets.to_numpy()
    kept = np.ones(len(links.values), bool)
    kept[offsets[:-1]] = False
    rest = pa.array(offsets - np.arange(len(offsets), dtype=offsets.dtype))
    values = links.values.filter(pa.array(kept))
    return _put(table, "links", pa.ListArray.from_arrays(rest, values, type=links.type))


def _with_self(table: Table, folder: str) -> Table:
    """A table whose lists of links begin with `self`, as `layout.Place.item` names the files."""
    links = pa.concat_arrays([table["links"].combine_chunks()])
    ids = table["id"].combine_chunks()
    times = table["datetime"].combine_chunks().cast(pa.timestamp("us"))  # needs no time zones
    years = pc.cast(pc.year(times), pa.string())
    hrefs = pc.binary_join_element_wise(f"./{folder}", years, ids, ids, "/")
    hrefs = pc.binary_join_element_wise(hrefs, ".json", "")
    count = len(ids)
    texts = {
        "rel": pa.repeat("self", count),
        "href": hrefs,
        "type": pa.repeat(stac_json.GEOJSON, count),
    }
    kind = joined(links.type.value_type, pa.struct([(name, pa.string()) for name in texts]))
    own = fitted(pa.StructArray.from_arrays(list(texts.values()), list(texts)), kind)
    offsets = links.offsets.to_numpy()
    values = pa.concat_arrays([fitted(links.values, kind), own])
    order = np.insert(
        np.arange(len(links.values)), offsets[:-1], len(links.values) + np.arange(count)
    )
    begun = pa.array(offsets + np.arange(len(offsets), dtype=offsets.dtype))
    whole = pa.ListArray.from_arrays(begun, values.take(pa.array(order)), type=pa.list_(kind))
    return _put(table, "links", whole)


def _put(table: Table, name: str, column: Any) -> Table:  # noqa: ANN401
    return table.set_column(table.schema.get_field_index(name), name, column)


def _relinked(table: Table, prefixes: list[tuple[str, str]]) -> Table:
    """A table whose links begin otherwise; of the prefixes that fit, the last counts."""
    if all(old == new for old, new in prefixes) or not table.num_rows:
        return table
    assets = table["assets"].combine_chunks()
    moved = [_moved(assets.field(place), prefixes) for place in range(assets.type.num_fields)]
    mask = assets.is_null()
    assets = pa.StructArray.from_arrays(moved, fields=list(assets.type), mask=mask)
    links = pa.concat_arrays([table["links"].combine_chunks()])
    values = _moved(links.values, prefixes)
    links = pa.ListArray.from_arrays(links.offsets, values, type=links.type)
    table = _put(_put(table, "assets", assets), "links", links)
    for name in table.column_names:
        if name in _OTHER_LINKS and table[name].null_count < table.num_rows:
            table = _put(table, name, _begun_anew(table[name].combine_chunks(), prefixes))
    return table


def _moved(linked: Any, prefixes: list[tuple[str, str]]) -> Any:  # noqa: ANN401
    place = linked.type.get_field_index("href")
    columns = [linked.field(each) for each in range(linked.type.num_fields)]
    hrefs = columns[place]
    if hrefs.null_count == len(hrefs):
        return linked
    columns[place] = _begun_anew(hrefs, prefixes)
    mask = linked.is_null() if linked.null_count else None
    return pa.StructArray.from_arrays(columns, fields=list(linked.type), mask=mask)


def _begun_anew(hrefs: Any, prefixes: list[tuple[str, str]]) -> Any:  # noqa: ANN401
    """Links that begin otherwise; the last prefix, which counts before others, mostly fits all."""
    found, done = hrefs, pa.repeat(pa.scalar(value=False), len(hrefs))
    for old, new in reversed(prefixes):
        fits = pc.and_not(pc.starts_with(hrefs, old), done)
        if not pc.any(fits).as_py():
            continue
        rest = pc.utf8_slice_codeunits(hrefs, len(old))
        found = pc.if_else(fits, pc.binary_join_element_wise(new, rest, ""), found)
        done = pc.or_(fits, done)
        if pc.all(done).as_py():
            break
    return found
