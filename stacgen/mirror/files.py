"""Tables to Parquet files and back: stac-geoparquet 1.1, GeoParquet 1.1. Pure.

A file's links are relative to the file, or absolute where the catalog's public URL is known. The
same Items give the same bytes, with the same pyarrow.
"""

import io
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stacgen.errors import OutputError
from stacgen.mirror.shape import fitted, joined
from stacgen.mirror.table import Table

ROWS = 8192
"""Of a row group: few enough that a question reads little, enough that the footer stays small."""

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
"""Columns whose least and most are kept a row group; those of others would only weigh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a mirror lies, which is what its links are relative to."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a root mirror has of one Collection."""

    key: str
    """Of the Collection's own mirror."""

    rows: int
    size: int
    """Of that mirror, in bytes."""


class Mirror:
    """A Parquet file of Items that is read a few rows at a time; safe to use from several threads.

    pyarrow's reader is not: two threads in one file at once end the process.
    """

    def __init__(self, raw: bytes, *, name: str) -> None:
        """Open a file.

        Raises:
            OutputError: It is no mirror that stacgen made.
        """
        self._lock = threading.Lock()
        try:
            self.file = pq.ParquetFile(pa.BufferReader(raw))
            facts = json.loads(self.file.schema_arrow.metadata[_KEY])
            about = json.loads(self.file.metadata.metadata[_KEY + b":rows"])
            self.place = Place(folder=facts["folder"], base_url=facts["base_url"])
            self.parts = [Part(key=key, rows=rows, size=size) for key, rows, size in about["parts"]]
            self._nulls = _expanded(about["nulls"])
            paths = [self.file.schema.column(n).path for n in range(len(self.file.schema))]
            self.indexed = {path: n for n, path in enumerate(paths) if path in _INDEXED}
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise OutputError(
                f"{name} is no mirror of Items that stacgen made; stacgen index writes it anew."
            ) from error

    @property
    def groups(self) -> int:
        """How many row groups there are."""
        return int(self.file.metadata.num_row_groups)

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return [str(name) for name in self.file.schema_arrow.names]

    def starts(self) -> list[int]:
        """The number of the first row of each group, and that of all rows."""
        found = [0]
        for group in range(self.groups):
            found.append(found[-1] + self.file.metadata.row_group(group).num_rows)
        return found

    def group(self, number: int) -> Table:
        """A row group with all columns."""
        start = self.starts()[number]
        with self._lock:
            table = self.file.read_row_group(number, use_threads=False)
        nulls = self._nulls.slice(start, table.num_rows)
        return self._whole(table, nulls)

    def columns(self, number: int, names: Sequence[str]) -> Table:
        """Some columns of a row group, as the file has them."""
        with self._lock:
            return self.file.read_row_group(number, columns=list(names), use_threads=False)

    @property
    def kind(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """The struct type of a row, as `stacgen.mirror.table.shape_of` gives it."""
        kind = pa.struct([*self.file.schema_arrow, pa.field("nulls", pa.string())])
        return joined(kind, kind)  # which names what is in lists as no file does

    def rows(self, start: int, stop: int) -> Iterator[Table]:
        """Rows from one number to before another, a row group at a time."""
        for number, (first, last) in enumerate(pairwise(self.starts())):
            if first < stop and start < last:
                low, high = max(start, first), min(stop, last)
                yield self.group(number).slice(low - first, high - low)

    def table(self) -> Table:
        """All of it."""
        with self._lock:
            table = self.file.read(use_threads=False)
        return self._whole(table, self._nulls)

    def _whole(self, table: Table, nulls: Any) -> Table:  # noqa: ANN401 - pyarrow has no types
        table = table.replace_schema_metadata(None).append_column("nulls", nulls)
        pairs = [(theirs, ours) for ours, theirs in self.place.prefixes]
        return _relinked(table.combine_chunks(), sorted(pairs, key=lambda pair: len(pair[0])))


class Writer:
    """Writes a mirror row group by row group; see `Mirror`."""

    def __init__(self, sink: Path | io.BytesIO, kind: Any, place: Place) -> None:  # noqa: ANN401
        """Begin a file of rows of a type that `stacgen.mirror.table.shape_of` gave."""
        self._kind = kind
        self._place = place
        self._waiting: list[Any] = []
        self._count = 0
        self._nulls: list[tuple[int, str]] = []
        schema = pa.schema([field for field in kind if field.name != "nulls"])
        facts = {"folder": place.folder, "base_url": place.base_url}
        values = {b"geo": _GEO, b"stac-geoparquet": _STAC, _KEY: facts}
        self._schema = schema.with_metadata(
            {key: json.dumps(value).encode() for key, value in values.items()}
        )
        self._file = pq.ParquetWriter(
            sink,
            self._schema,
            compression="zstd",
            use_dictionary=False,  # zstd finds what repeats, in less time and space
            write_statistics=list(_INDEXED),
        )

    def add(self, table: Table) -> None:
        """Add rows."""
        table = _relinked(table, self._place.prefixes)
        self._waiting += [fitted(each.to_struct_array(), self._kind) for each in table.to_batches()]
        self._count += table.num_rows
        while self._count >= ROWS:
            self._flush(ROWS)

    def finish(self, parts: Iterable[Part] = ()) -> None:
        """Write the rest, and of which Collections the rows are where they are of several."""
        if self._count:
            self._flush(self._count)
        about = {
            "parts": [(part.key, part.rows, part.size) for part in parts],
            "nulls": self._nulls,
        }
        self._file.add_key_value_metadata({_KEY + b":rows": json.dumps(about).encode()})
        self._file.close()

    def _flush(self, rows: int) -> None:
        array = pa.concat_arrays(self._waiting)
        self._waiting = [array[rows:]] if len(array) > rows else []
        self._count = len(array) - rows
        # Cut as a table: older pyarrows make one of a cut array as if that were whole.
        table = pa.Table.from_struct_array(array).slice(0, rows).combine_chunks()
        for text in table["nulls"].to_pylist():
            if self._nulls and self._nulls[-1][1] == text:
                self._nulls[-1] = (self._nulls[-1][0] + 1, text)
            else:
                self._nulls.append((1, text))
        table = table.drop_columns(["nulls"]).replace_schema_metadata(self._schema.metadata)
        self._file.write_table(table, row_group_size=ROWS)


def to_bytes(table: Table, place: Place) -> bytes:
    """A table as a file that lies at a place."""
    sink = io.BytesIO()
    writer = Writer(sink, pa.struct(list(table.schema)), place)
    writer.add(table)
    writer.finish()
    return sink.getvalue()


def from_bytes(raw: bytes, *, name: str) -> Table:
    """The table of a file.

    Raises:
        OutputError: It is no mirror that stacgen made.
    """
    return Mirror(raw, name=name).table()


def _expanded(runs: Iterable[tuple[int, str]]) -> Any:  # noqa: ANN401
    """The column of explicit nulls, which a file has as how often each value comes in a row."""
    parts = [pa.repeat(pa.scalar(text, pa.string()), count) for count, text in runs]
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())


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
    for name, column in (("assets", assets), ("links", links)):
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def _moved(linked: Any, prefixes: list[tuple[str, str]]) -> Any:  # noqa: ANN401
    place = linked.type.get_field_index("href")
    columns = [linked.field(each) for each in range(linked.type.num_fields)]
    hrefs = columns[place]
    if hrefs.null_count == len(hrefs):
        return linked
    columns[place] = hrefs
    for old, new in prefixes:
        rest = pc.utf8_slice_codeunits(hrefs, len(old))
        other = pc.binary_join_element_wise(new, rest, "")
        fits = pc.starts_with(hrefs, old)
        columns[place] = pc.if_else(fits, other, columns[place])
    mask = linked.is_null() if linked.null_count else None
    return pa.StructArray.from_arrays(columns, fields=list(linked.type), mask=mask)
