"""Questions put to tables: which rows of which table, in what order, and their Items. Pure.

Row groups that cannot hold an answer are passed over by their statistics. Of the others, only the
columns that the question is about are read; all columns only where the answers lie. Footprints
are compared exactly.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from stacgen.errors import UsageError
from stacgen.model.query import Query, SortKey
from stacgen.model.queryables import QUERYABLES
from stacgen.stac import stac_json
from stacgen.stac.geoparquet import filter as filters
from stacgen.stac.geoparquet import ground
from stacgen.stac.geoparquet.files import Mirror
from stacgen.stac.geoparquet.filter import Filter
from stacgen.stac.geoparquet.table import Table, united
from stacgen.stac.versions import DEPRECATED

_CLOUD = "eo:cloud_cover"
_NO_PROPERTY = ("assets", "links", "bbox", "geometry", "stac_extensions")

_DECODERS = 2
"""Row groups that are decoded at a time; half of the time one takes, Python can do other things."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The rows of tables that answer to a question, in its order."""

    tables: Sequence[Mirror]
    """Those that hold an answer, as they were when they were asked."""

    keys: Any
    """A pyarrow.Table of all that answer: `table` (its number), `row`, `id`, `collection`."""

    def __len__(self) -> int:
        """How many Items answer, whatever the limit."""
        return int(self.keys.num_rows)

    def place_of(self, collection: str, item_id: str) -> int | None:
        """Where an Item stands among the answers, or None where it does not."""
        found = pc.and_(
            pc.equal(self.keys["id"], item_id), pc.equal(self.keys["collection"], collection)
        )
        place = pc.index(found, value=True).as_py()
        return None if place < 0 else int(place)

    def documents(self, part: slice, root: str) -> list[stac_json.Document]:
        """The Items of some of the answers, each with a link to itself.

        Args:
            part: Which of the answers.
            root: What the catalog's links begin with: a URL or a path, without a slash at its end.
        """

        def read(
            number: int, group: int, rows: list[int]
        ) -> list[tuple[tuple[int, int], stac_json.Document]]:
            documents = self.tables[number].documents(group, rows, root)
            return [((number, row), each) for row, each in zip(rows, documents, strict=True)]

        with ThreadPoolExecutor(_DECODERS) as pool:
            parts = pool.map(lambda group: read(*group), self._groups(part))
            found = dict(chain.from_iterable(parts))
        return [found[place] for place in self._places(part)]

    def table(self, part: slice) -> Table | None:
        """The rows of some of the answers as a table; None where there are none."""
        tables = [
            self.tables[number].rows(group, rows) for number, group, rows in self._groups(part)
        ]
        return united(tables) if tables else None

    def _places(self, part: slice) -> list[tuple[int, int]]:
        """Table and row of some of the answers."""
        columns = (self.keys[name].to_numpy()[part].tolist() for name in ("table", "row"))
        return list(zip(*columns, strict=True))

    def _groups(self, part: slice) -> Iterator[tuple[int, int, list[int]]]:
        """Some of the answers by row groups: table, row group, rows of the table."""
        by_table: dict[int, list[int]] = {}
        for number, row in self._places(part):
            by_table.setdefault(number, []).append(row)
        for number, wanted in sorted(by_table.items()):
            starts, rows = np.array(self.tables[number].starts()), np.array(wanted)
            groups = np.searchsorted(starts, rows, side="right") - 1
            for group in np.unique(groups).tolist():
                yield number, group, rows[groups == group].tolist()


def answer(tables: Iterable[Mirror], query: Query) -> Answer:
    """Which Items of some tables answer to a question; the limit is left to the caller.

    Args:
        tables: Asked one after the other; those that hold no answer are not kept.
        query: What is asked.

    Raises:
        UsageError: It is sorted by what no Item has, the geometry to intersect is none, or the
            filter is not understood.
    """
    areas = areas_of(query)
    asked = None if query.filter is None else filters.understand(query.filter)
    kept: list[Mirror] = []
    parts, names = [], set(QUERYABLES)
    for mirror in tables:
        names.update(mirror.names)
        found = _answers(mirror, query, areas, asked)
        if found is not None and found.num_rows:
            number = pa.array(np.full(found.num_rows, len(kept)))
            parts.append(found.append_column("table", number))
            kept.append(mirror)
    for each in query.order:
        if each.field in _NO_PROPERTY or each.field not in names:
            raise UsageError(f"No Item has {each.field!r} to sort by.")
    columns = ["table", "row", "id", "collection"]
    if not parts:
        empty = pa.table({name: pa.array([], pa.int64()) for name in columns[:2]})
        for name in columns[2:]:
            empty = empty.append_column(name, pa.array([], pa.string()))
        return Answer(tables=kept, keys=empty)
    whole = pa.concat_tables(parts, promote_options="permissive")
    order = [*query.order, SortKey(field="id"), SortKey(field="collection")]
    first = {each.field: each for each in reversed(order)}
    sort = [
        (each.field, _direction(each))
        for each in order
        if first[each.field] is each and each.field in whole.column_names
    ]
    rows = pc.sort_indices(whole, sort_keys=sort)
    return Answer(tables=kept, keys=whole.select(columns).take(rows))


def _answers(
    mirror: Mirror, query: Query, areas: Sequence[Any], asked: Filter | None
) -> Table | None:
    """The rows of a table that answer: `row`, and what they are sorted by; None for none."""
    groups = [each for each in range(mirror.groups) if _may_hold(mirror, each, query, areas)]
    if not groups:
        return None
    starts = mirror.starts()
    table = mirror.columns(groups, _names(mirror, query, asked))
    rows = np.concatenate([np.arange(starts[each], starts[each + 1]) for each in groups])
    table = table.append_column("row", pa.array(rows)).filter(_mask(table, query, asked))
    return _meeting(table, areas).select(
        [
            name
            for name in dict.fromkeys(
                ["row", "id", "collection", *(each.field for each in query.order)]
            )
            if name in table.column_names
        ]
    )


def _direction(key: SortKey) -> str:
    return "descending" if key.descending else "ascending"


def _names(mirror: Mirror, query: Query, asked: Filter | None) -> list[str]:
    """The columns that a question is about, of those that a table has."""
    names = ["id", "collection", "datetime", *(each.field for each in query.order)]
    if query.boxes or query.intersects is not None:
        names += ["bbox", "geometry"]
    if query.max_cloud is not None:
        names.append(_CLOUD)
    if not query.deprecated:
        names.append(DEPRECATED)
    if asked is not None:
        names += asked.names
    known = set(mirror.names)
    return [name for name in dict.fromkeys(names) if name in known]


def areas_of(query: Query) -> list[Any]:
    """The ground that is asked about, in parts; none for all."""
    if query.intersects is not None:
        areas = list(shapely.get_parts(ground.of_geojson(query.intersects)))
    else:
        areas = [shapely.box(*box) for box in query.boxes]
    shapely.prepare(areas)
    return areas


def _mask(table: Any, query: Query, asked: Filter | None) -> Any:  # noqa: ANN401
    """Which rows answer to all but the ground."""
    masks = [pc.is_valid(table["id"])]
    if query.start is not None:
        masks.append(pc.greater_equal(table["datetime"], pa.scalar(query.start)))
    if query.end is not None:
        masks.append(pc.less_equal(table["datetime"], pa.scalar(query.end)))
    if query.max_cloud is not None:
        if _CLOUD in table.column_names:
            masks.append(pc.less_equal(table[_CLOUD], query.max_cloud))
        else:
            masks.append(pc.invert(masks[0]))
    if not query.deprecated and DEPRECATED in table.column_names:
        masks.append(pc.invert(pc.fill_null(table[DEPRECATED], fill_value=False)))
    for name, values in (("id", query.ids), ("collection", query.collections)):
        if values is not None:
            masks.append(pc.is_in(table[name], value_set=pa.array(values, pa.string())))
    if asked is not None:
        masks.append(asked.mask(table))
    mask = masks[0]
    for each in masks[1:]:
        mask = pc.and_(mask, each)
    return pc.fill_null(mask, fill_value=False)


def _meeting(table: Any, areas: Sequence[Any]) -> Any:  # noqa: ANN401
    """The rows whose footprint meets one of some areas: by their boxes first, then exactly."""
    if not areas or not table.num_rows:
        return table
    footprints = np.array(table["geometry"].to_pylist(), dtype=object)
    meets = np.zeros(len(footprints), dtype=bool)
    for area in areas:
        near = near_to(table["bbox"], area.bounds) & ~meets
        meets[near] = shapely.intersects(area, shapely.from_wkb(footprints[near]))
    return table.filter(pa.array(meets))


def near_to(boxes: Any, bounds: Sequence[float]) -> Any:  # noqa: ANN401
    """Which boxes of a column meet one that does not cross the antimeridian, as numpy has it."""
    column = boxes.combine_chunks()
    west, south, east, north = (
        column.field(edge).to_numpy() for edge in ("xmin", "ymin", "xmax", "ymax")
    )
    low_x, low_y, high_x, high_y = bounds
    across = np.where(
        west <= east,
        (west <= high_x) & (east >= low_x),
        (west <= high_x) | (east >= low_x),
    )
    return across & (south <= high_y) & (north >= low_y)


def _may_hold(mirror: Mirror, group: int, query: Query, areas: Sequence[Any]) -> bool:
    """Whether a row group may hold an answer, as far as its statistics tell."""
    ranges = dict(_ranges(mirror, group))
    wanted: list[tuple[str, Any, Any]] = [
        ("datetime", query.start, query.end),
        (_CLOUD, None, query.max_cloud),
    ]
    for name, values in (("id", query.ids), ("collection", query.collections)):
        if values:
            wanted.append((name, min(values), max(values)))
    if areas:
        low_x, low_y, high_x, high_y = shapely.total_bounds(areas).tolist()
        wanted += [("bbox.ymin", None, high_y), ("bbox.ymax", low_y, None)]
        # A box across the antimeridian has its west above its east; then these say little.
        west, east = ranges.get("bbox.xmin"), ranges.get("bbox.xmax")
        if west and east and (west[1] <= 0 or east[0] >= 0):
            wanted += [("bbox.xmin", None, high_x), ("bbox.xmax", low_x, None)]
    for name, low, high in wanted:
        if name not in ranges:
            continue
        least, most = ranges[name]
        if (low is not None and most < low) or (high is not None and least > high):
            return False
    return True


def _ranges(mirror: Mirror, group: int) -> Iterator[tuple[str, Sequence[Any]]]:
    """Least and most of the columns that a question may be about."""
    about = mirror.file.metadata.row_group(group)
    for name, place in mirror.indexed.items():
        statistics = about.column(place).statistics
        if statistics is not None and statistics.has_min_max:
            yield name, (statistics.min, statistics.max)
