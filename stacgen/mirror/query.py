"""Questions put to a mirror: which rows, in what order, and their Items. Pure.

Row groups that cannot hold an answer are passed over by their statistics. Of the others, only the
columns that the question is about are read; all columns only where the answers lie. Footprints
are compared exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from stacgen import stac
from stacgen.errors import UsageError
from stacgen.mirror import filter as filters
from stacgen.mirror import ground
from stacgen.mirror.files import Mirror
from stacgen.mirror.filter import Filter
from stacgen.mirror.table import resolved
from stacgen.query import Query, SortKey
from stacgen.succession import DEPRECATED

_CLOUD = "eo:cloud_cover"
_NO_PROPERTY = ("assets", "links", "bbox", "geometry", "stac_extensions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The rows of a mirror that answer to a question, in its order."""

    mirror: Mirror
    keys: Any
    """A pyarrow.Table of all that answer: `row`, `id`, `collection`."""

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

    def documents(self, part: slice, root: str) -> list[stac.Document]:
        """The Items of some of the answers, each with a link to itself.

        Args:
            part: Which of the answers.
            root: What the catalog's links begin with: a URL or a path, without a slash at its end.
        """
        rows = self.keys["row"].to_numpy()[part]
        starts = np.array(self.mirror.starts())
        groups = np.searchsorted(starts, rows, side="right") - 1
        found: dict[int, stac.Document] = {}
        for group in np.unique(groups).tolist():
            here = rows[groups == group]
            table = self.mirror.group(group).take(pa.array(here - starts[group]))
            found |= zip(here.tolist(), resolved(table, root), strict=True)
        return [found[row] for row in rows.tolist()]


def answer(mirror: Mirror, query: Query) -> Answer:
    """Which Items answer to a question; the limit is left to the caller.

    Raises:
        UsageError: It is sorted by what no Item has, the geometry to intersect is none, or the
            filter is not understood.
    """
    areas = _areas(query)
    asked = None if query.filter is None else filters.understand(query.filter)
    names = _names(mirror, query, asked)
    starts = mirror.starts()
    parts = []
    for group in range(mirror.groups):
        if not _may_hold(mirror, group, query, areas):
            continue
        table = mirror.columns(group, names)
        rows = pa.array(np.arange(starts[group], starts[group + 1]))
        table = table.append_column("row", rows).filter(_mask(table, query, asked))
        parts.append(_meeting(table, areas).drop_columns(["geometry", "bbox"]))
    if not parts:
        empty = {name: pa.array([], pa.string()) for name in ("id", "collection")}
        return Answer(mirror=mirror, keys=pa.table({"row": pa.array([], pa.int64()), **empty}))
    keys = pa.concat_tables(parts)
    order = [*query.order, SortKey(field="id"), SortKey(field="collection")]
    first = {each.field: each for each in reversed(order)}
    sort = [(each.field, _direction(each)) for each in order if first[each.field] is each]
    rows = pc.sort_indices(keys, sort_keys=sort)
    return Answer(mirror=mirror, keys=keys.take(rows).select(["row", "id", "collection"]))


def _direction(key: SortKey) -> str:
    return "descending" if key.descending else "ascending"


def _names(mirror: Mirror, query: Query, asked: Filter | None) -> list[str]:
    """The columns that a question is about."""
    sortable = [name for name in mirror.names if name not in _NO_PROPERTY]
    for each in query.order:
        if each.field not in sortable:
            raise UsageError(f"No Item has {each.field!r} to sort by.")
    names = ["id", "collection", "datetime", "bbox", "geometry"]
    if query.max_cloud is not None and _CLOUD in mirror.names:
        names.append(_CLOUD)
    if not query.deprecated and DEPRECATED in mirror.names:
        names.append(DEPRECATED)
    if asked is not None:
        names += [name for name in mirror.names if name in asked.names]
    return list(dict.fromkeys([*names, *(each.field for each in query.order)]))


def _areas(query: Query) -> list[Any]:
    """The ground that is asked about, in parts; none for all."""
    if query.intersects is not None:
        return list(shapely.get_parts(ground.of_geojson(query.intersects)))
    return [shapely.box(*box) for box in query.boxes]


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
    box = table["bbox"].combine_chunks()
    west, south, east, north = (
        box.field(edge).to_numpy() for edge in ("xmin", "ymin", "xmax", "ymax")
    )
    footprints = np.array(table["geometry"].to_pylist(), dtype=object)
    meets = np.zeros(len(footprints), dtype=bool)
    for area in areas:
        low_x, low_y, high_x, high_y = area.bounds
        across = np.where(
            west <= east,
            (west <= high_x) & (east >= low_x),
            (west <= high_x) | (east >= low_x),
        )
        near = across & (south <= high_y) & (north >= low_y) & ~meets
        shapely.prepare(area)
        meets[near] = shapely.intersects(area, shapely.from_wkb(footprints[near]))
    return table.filter(pa.array(meets))


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
