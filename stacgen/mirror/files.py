"""Tables to Parquet files and back: stac-geoparquet 1.1, GeoParquet 1.1. Pure.

A file's links are relative to the file, or absolute where the catalog's public URL is known. The
same Items give the same bytes, with the same pyarrow.
"""

import io
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby, pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stacgen.errors import OutputError
from stacgen.mirror import splice
from stacgen.mirror.shape import fitted, joined
from stacgen.mirror.table import Table

ROWS = 16_384
"""Of a row group, at most, where no Collection has more: few enough that a question reads little
and a change costs little, enough that the footer stays small."""

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

    pyarrow's reader is not: two threads in one file at once end the process. All that reads rows
    raises `OutputError` where they are damaged, which their checksums tell.
    """

    def __init__(self, raw: bytes, *, name: str) -> None:
        """Open a file.

        Raises:
            OutputError: It is no mirror that stacgen made.
        """
        self._lock = threading.Lock()
        self._name = name
        with self._sound():
            self.file = pq.ParquetFile(pa.BufferReader(raw), page_checksum_verification=True)
            facts = json.loads(self.file.schema_arrow.metadata[_KEY])
            about = json.loads(self.file.metadata.metadata[_KEY + b":rows"])
            self.raw = raw
            self._recent: tuple[int, Table] | None = None  # the row group read last, and its number
            self.place = Place(folder=facts["folder"], base_url=facts["base_url"])
            self.parts = [Part(key=key, rows=rows, size=size) for key, rows, size in about["parts"]]
            self._nulls = _expanded(about["nulls"])
            paths = [self.file.schema.column(n).path for n in range(len(self.file.schema))]
            self.indexed = {path: n for n, path in enumerate(paths) if path in _INDEXED}

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """What cannot be read is told in one sentence."""
        try:
            yield
        except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
            raise OutputError(
                f"{self._name} is no mirror of Items that stacgen made, or a damaged one; stacgen"
                " index writes it anew."
            ) from error

    @property
    def groups(self) -> int:
        """How many row groups there are."""
        return int(self.file.metadata.num_row_groups)

    @cached_property
    def pieces(self) -> list[splice.Group]:
        """Its row groups as they are, for another mirror to take over."""
        with self._sound():
            return splice.groups(self.raw)

    def runs(self) -> dict[tuple[str, ...], int]:
        """Row groups by the keys of the parts that they are made of, as `grouped` has them."""
        numbers = {span: number for number, span in enumerate(pairwise(self.starts()))}
        found: dict[tuple[str, ...], int] = {}
        for keys in grouped({part.key: part.rows for part in self.parts}):
            span = self._spans[keys[0]][0], self._spans[keys[-1]][1]
            if span in numbers:
                found[keys] = numbers[span]
        return found

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
        with self._sound():
            table = self._read([number])
            return self._whole(table, self.nulls(start, start + table.num_rows))

    def nulls(self, start: int, stop: int) -> Any:  # noqa: ANN401 - pyarrow has no types
        """The column of explicit nulls, from one row to before another."""
        return self._nulls.slice(start, stop - start)

    def columns(self, number: int, names: Sequence[str]) -> Table:
        """Some columns of a row group, as the file has them."""
        with self._sound():
            return self._read([number], names)

    @property
    def kind(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """The struct type of a row, as `stacgen.mirror.table.shape_of` gives it."""
        kind = pa.struct([*self.file.schema_arrow, pa.field("nulls", pa.string())])
        return joined(kind, kind)  # which names what is in lists as no file does

    def part(self, key: str) -> Iterator[Table]:
        """The rows of a part, a row group at a time; parts are best asked for in their order."""
        start, stop = self._spans[key]
        for number, (first, last) in enumerate(pairwise(self.starts())):
            if first < stop and start < last:
                recent = self._recent
                if recent is None or recent[0] != number:
                    recent = self._recent = number, self.group(number)
                low, high = max(start, first), min(stop, last)
                yield recent[1].slice(low - first, high - low)

    @cached_property
    def _spans(self) -> dict[str, tuple[int, int]]:
        ends = accumulate((part.rows for part in self.parts), initial=0)
        spans = pairwise(ends)
        return {part.key: span for part, span in zip(self.parts, spans, strict=True)}

    def table(self) -> Table:
        """All of it."""
        with self._sound():
            return self._whole(self._read(range(self.groups)), self._nulls)

    def _read(self, groups: Sequence[int], names: Sequence[str] | None = None) -> Table:
        """Some row groups in the calling thread, with all columns or those named.

        Never in pyarrow's pool: a thread of it may release `raw`, a Python object, while the
        interpreter ends, and the process then aborts after its work is done.
        """
        with self._lock:
            columns = None if names is None else list(names)
            return self.file.read_row_groups(list(groups), columns=columns, use_threads=False)

    def _whole(self, table: Table, nulls: Any) -> Table:  # noqa: ANN401 - pyarrow has no types
        table = table.replace_schema_metadata(None).append_column("nulls", nulls)
        pairs = [(theirs, ours) for ours, theirs in self.place.prefixes]
        return _relinked(table.combine_chunks(), sorted(pairs, key=lambda pair: len(pair[0])))


class Writer:
    """Makes a mirror of row groups, of rows or as another mirror has them; see `Mirror`."""

    def __init__(self, kind: Any, place: Place) -> None:  # noqa: ANN401 - pyarrow has no types
        """Begin a file of rows of a type that `stacgen.mirror.table.shape_of` gave."""
        self._kind = kind
        self._place = place
        self._groups: list[splice.Group] = []
        self._nulls: list[tuple[int, str]] = []
        schema = pa.schema([field for field in kind if field.name != "nulls"])
        facts = {"folder": place.folder, "base_url": place.base_url}
        values = {b"geo": _GEO, b"stac-geoparquet": _STAC, _KEY: facts}
        self._schema = schema.with_metadata(
            {key: json.dumps(value).encode() for key, value in values.items()}
        )

    def add(self, tables: Iterable[Table]) -> None:
        """Add the rows of some tables as one row group, if there are any."""
        arrays = [
            fitted(each.to_struct_array(), self._kind)
            for table in tables
            for each in _relinked(table, self._place.prefixes).to_batches()
        ]
        if not any(map(len, arrays)):
            return
        table = pa.Table.from_struct_array(pa.concat_arrays(arrays)).combine_chunks()
        self._note(table["nulls"])
        table = table.drop_columns(["nulls"]).replace_schema_metadata(self._schema.metadata)
        self._groups += splice.groups(self._file(table, {}))

    def keep(self, mirror: Mirror, group: int) -> None:
        """Add a row group of another mirror of the same kind and place, byte by byte."""
        starts = mirror.starts()
        self._groups.append(mirror.pieces[group])
        self._note(mirror.nulls(starts[group], starts[group + 1]))

    def finish(self, parts: Iterable[Part] = ()) -> bytes:
        """The file; `parts` are the Collections of which its rows are, where there are several."""
        about = {
            "parts": [(part.key, part.rows, part.size) for part in parts],
            "nulls": self._nulls,
        }
        frame = self._file(None, {_KEY + b":rows": json.dumps(about).encode()})
        return splice.together(frame, self._groups)

    def _file(self, table: Table | None, metadata: dict[bytes, bytes]) -> bytes:
        sink = io.BytesIO()
        with pq.ParquetWriter(
            sink,
            self._schema,
            compression="zstd",
            use_dictionary=False,  # zstd finds what repeats, in less time and space
            write_statistics=list(_INDEXED),
            write_page_checksum=True,  # what is damaged might be read as something else
        ) as file:
            if table is not None:
                file.write_table(table, row_group_size=table.num_rows)
            file.add_key_value_metadata(metadata)
        return sink.getvalue()

    def _note(self, nulls: Any) -> None:  # noqa: ANN401
        """Count how often each value comes in a row."""
        for text, run in groupby(nulls.to_pylist()):
            count = sum(1 for _ in run)
            if self._nulls and self._nulls[-1][1] == text:
                count += self._nulls.pop()[0]
            self._nulls.append((count, text))


def grouped(rows: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Neighbours whose rows make a row group together, `ROWS` at most where one alone has no more.

    Keys that begin alike stay together, so that a Collection that grows changes its own group only.

    Args:
        rows: Of each Collection, by a key that begins with that of its tile, `29PKR/B09/...`.
    """
    return list(_grouped(sorted(rows), rows, 0))


def _grouped(
    keys: Sequence[str], rows: Mapping[str, int], length: int
) -> Iterator[tuple[str, ...]]:
    """Of keys whose first so many characters are the same."""
    if len(keys) < 2 or sum(rows[key] for key in keys) <= ROWS:  # noqa: PLR2004 - no neighbours
        if keys:
            yield tuple(keys)
        return
    for _, alike in groupby(keys, key=lambda key: key[: length + 1]):
        yield from _grouped(list(alike), rows, length + 1)


def to_bytes(table: Table, place: Place) -> bytes:
    """A table as a file that lies at a place."""
    writer = Writer(pa.struct(list(table.schema)), place)
    for start in range(0, table.num_rows, ROWS):
        # Cut as a table: older pyarrows make one of a cut array as if that were whole.
        writer.add([table.slice(start, ROWS).combine_chunks()])
    return writer.finish()


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
