"""Filters in CQL2-JSON (OGC 21-065r2) as masks of tables. Pure.

Comparisons with null are null, as in SQL, and a row answers only where its filter is true. A date
means its whole day: `datetime = DATE('2025-03-02')` holds at any time of it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from shapely.errors import ShapelyError

from stacgen.errors import UsageError
from stacgen.model.queryables import QUERYABLES, Kind
from stacgen.model.selection import parse_moment
from stacgen.stac.geoparquet import ground

Column = Any
"""A pyarrow array or scalar; or a numpy array of geometries, or one geometry."""

Evaluate = Callable[[Any], Column]
"""Gives the values of the rows of a pyarrow.Table."""

_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
    Kind.FLAG: pa.bool_(),
    Kind.GEOMETRY: pa.binary(),
}
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)

_COMPARISONS = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_SPATIAL = {
    "s_contains": shapely.contains,
    "s_crosses": shapely.crosses,
    "s_disjoint": shapely.disjoint,
    "s_equals": shapely.equals,
    "s_intersects": shapely.intersects,
    "s_overlaps": shapely.overlaps,
    "s_touches": shapely.touches,
    "s_within": shapely.within,
}
_TEMPORAL: Mapping[str, Sequence[str]] = {
    "=": ("start <= end", "end >= start"),
    "<": ("end < start",),
    "<=": ("start <= end",),
    ">": ("start > end",),
    ">=": ("end >= start",),
    "t_after": ("start > end",),
    "t_before": ("end < start",),
    "t_contains": ("start < start", "end > end"),
    "t_during": ("start > start", "end < end"),
    "t_equals": ("start = start", "end = end"),
    "t_finishedBy": ("start < start", "end = end"),
    "t_finishes": ("start > start", "end = end"),
    "t_intersects": ("start <= end", "end >= start"),
    "t_meets": ("end = start",),
    "t_metBy": ("start = end",),
    "t_overlappedBy": ("start > start", "start < end", "end > end"),
    "t_overlaps": ("start < start", "end > start", "end < end"),
    "t_startedBy": ("start = start", "end > end"),
    "t_starts": ("start = start", "end < end"),
}
"""Conditions that an operator sets to the ends of its first and second operand (OGC 21-065r2,
table 7); all must hold."""

_NEGATED = {"<>": "=", "t_disjoint": "t_intersects"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter that was understood."""

    names: frozenset[str]
    """Columns that it reads."""

    mask: Evaluate
    """True, false or null for each row of a table, which may lack columns that no Item has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operand:
    """A property or a literal. A time has two ends, which for an instant are one."""

    kind: Kind
    start: Evaluate
    end: Evaluate
    text: str | None = None
    """Of a literal that may yet be read as a time or a number."""


def understand(expression: object) -> Filter:
    """The filter that an expression means.

    Raises:
        UsageError: It has an operator, a property or a value that is not known; the message names
            it.
    """
    names: set[str] = set()
    try:
        mask = _condition(expression, names)
    except RecursionError as error:
        raise UsageError("The filter is nested too deeply.") from error
    return Filter(names=frozenset(names), mask=mask)


def _condition(node: object, names: set[str]) -> Evaluate:
    if isinstance(node, bool):
        value = pa.scalar(node)
        return lambda _table: value
    name, args = _call(node)
    for operators, count, make in _MAKERS:
        if name in operators:
            if len(args) != count if count else len(args) < 2:  # noqa: PLR2004 - two to join
                expected = f"{count} arguments" if count else "two arguments at least"
                raise UsageError(f"The operator {name!a} takes {expected}, not {len(args)}.")
            return make(name, args, names)
    raise UsageError(f"This server does not know the operator {name!a} in filters.")


def _logical(name: str, args: list[Any], names: set[str]) -> Evaluate:
    join = pc.and_kleene if name == "and" else pc.or_kleene
    return _joined(join, [_condition(each, names) for each in args])


def _not(_name: str, args: list[Any], names: set[str]) -> Evaluate:
    inner = _condition(args[0], names)
    return lambda table: pc.invert(inner(table))


def _is_null(_name: str, args: list[Any], names: set[str]) -> Evaluate:
    tested = _property(args[0], names)
    return lambda table: pc.is_null(tested.start(table))


def _between(_name: str, args: list[Any], names: set[str]) -> Evaluate:
    tested, *ends = args
    if len(ends) == 1 and isinstance(ends[0], list):  # as drafts of CQL2 had it
        ends = ends[0]
    if len(ends) != 2:  # noqa: PLR2004 - least and most
        raise UsageError("The operator 'between' takes a property, a least and a most value.")
    tested, low, high = (_operand(each, names) for each in (tested, *ends))
    return _joined(pc.and_kleene, [_compared(">=", tested, low), _compared("<=", tested, high)])


def _comparison(name: str, args: list[Any], names: set[str]) -> Evaluate:
    return _compared(name, *(_operand(each, names) for each in args))


def _joined(join: Callable[[Column, Column], Column], parts: Sequence[Evaluate]) -> Evaluate:
    return lambda table: reduce(join, [each(table) for each in parts])


def _call(node: object) -> tuple[str, list[Any]]:
    if not isinstance(node, dict) or not isinstance(node.get("op"), str):
        raise UsageError(f"A filter has {_said(node)} where a condition must be.")
    args = node.get("args")
    if not isinstance(args, list):
        raise UsageError(f"The operator {node['op']!a} has no arguments.")
    return node["op"], args


def _operand(node: object, names: set[str]) -> _Operand:
    if isinstance(node, dict):
        if "property" in node:
            return _property(node, names)
        if "timestamp" in node or "date" in node:
            moment = str(node.get("timestamp", node.get("date")))
            return _interval(moment, moment)
        if "interval" in node:
            return _interval(*_ends(node["interval"]))
    if isinstance(node, bool):
        return _constant(Kind.FLAG, pa.scalar(node))
    if isinstance(node, int | float):
        return _constant(Kind.NUMBER, pa.scalar(float(node)))
    if isinstance(node, str):
        return _constant(Kind.TEXT, pa.scalar(node), text=node)
    raise UsageError(f"A filter has {_said(node)} where a property or a value must be.")


def _constant(kind: Kind, value: Column, text: str | None = None) -> _Operand:
    return _Operand(kind=kind, start=lambda _table: value, end=lambda _table: value, text=text)


def _property(node: object, names: set[str]) -> _Operand:
    name = node.get("property") if isinstance(node, dict) else None
    if not isinstance(name, str):
        raise UsageError(f"A filter has {_said(node)} where a property must be.")
    known = name.removeprefix("properties.")
    if known not in QUERYABLES:
        raise UsageError(f"This server does not know the property {name!a} in filters.")
    queryable = QUERYABLES[known]
    names.add("collection" if queryable.pattern else known)

    def values(table: Any) -> Column:  # noqa: ANN401 - pyarrow has no types
        if queryable.pattern:
            found = pc.extract_regex(table["collection"], queryable.pattern)
            return pc.struct_field(found, "value")
        if known not in table.column_names:
            return pa.nulls(table.num_rows, _TYPES[queryable.kind])
        return table[known]

    return _Operand(kind=queryable.kind, start=values, end=values)


def _ends(value: object) -> list[str]:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - start and end
        raise UsageError(f"A filter has the interval {_said(value)}, which has not two ends.")
    if not all(isinstance(each, str) for each in value):
        raise UsageError("A filter has an interval whose ends are no dates or times.")
    return value


def _interval(first: str, last: str) -> _Operand:
    start = parse_moment(first) or _FIRST
    end = parse_moment(last, is_end=True) or _LAST
    if end < start:
        raise UsageError(f"The interval of a filter ends ({last}) before it starts ({first}).")
    low, high = (pa.scalar(each, _TYPES[Kind.TIME]) for each in (start, end))
    return _Operand(kind=Kind.TIME, start=lambda _table: low, end=lambda _table: high)


def _read_as(kind: Kind, operand: _Operand) -> _Operand:
    """A text that is compared with a time or a number, as that; any other operand as it is."""
    if operand.text is None or kind not in (Kind.TIME, Kind.NUMBER):
        return operand
    if kind is Kind.TIME:
        return _interval(operand.text, operand.text)
    try:
        return _constant(kind, pa.scalar(float(operand.text)))
    except ValueError as error:
        raise UsageError(f"{operand.text!a} is compared with a number, and is none.") from error


def _compared(name: str, left: _Operand, right: _Operand) -> Evaluate:
    left, right = _read_as(right.kind, left), _read_as(left.kind, right)
    is_temporal = left.kind is right.kind is Kind.TIME
    if left.kind is not right.kind or left.kind is Kind.GEOMETRY:
        raise UsageError(
            f"The operator {name!a} cannot compare a {left.kind.value} with a {right.kind.value}."
        )
    if is_temporal and name in _NEGATED:
        inner = _compared(_NEGATED[name], left, right)
        return lambda table: pc.invert(inner(table))
    if is_temporal:
        return _joined(pc.and_kleene, [_ordered(each, left, right) for each in _TEMPORAL[name]])
    if name not in _COMPARISONS:
        raise UsageError(f"The operator {name!a} compares times, not a {left.kind.value}.")
    return lambda table: _COMPARISONS[name](left.start(table), right.start(table))


def _ordered(condition: str, left: _Operand, right: _Operand) -> Evaluate:
    """One of the conditions of `_TEMPORAL`."""
    first, sign, second = condition.split()
    one, two = getattr(left, first), getattr(right, second)
    return lambda table: _COMPARISONS[sign](one(table), two(table))


def _like(_name: str, args: list[Any], names: set[str]) -> Evaluate:
    tested, pattern = _operand(args[0], names), args[1]
    if tested.kind is not Kind.TEXT or not isinstance(pattern, str):
        raise UsageError("The operator 'like' compares a text with a pattern such as 'T29%'.")
    return lambda table: pc.match_like(tested.start(table), pattern)


def _among(_name: str, args: list[Any], names: set[str]) -> Evaluate:
    tested, values = _property(args[0], names), args[1]
    if not isinstance(values, list) or not values:
        raise UsageError("The operator 'in' takes a property and a list of values.")
    if tested.kind is Kind.TEXT and all(isinstance(each, str) for each in values):
        return lambda table: _is_in(tested.start(table), pa.array(values))
    return _joined(pc.or_kleene, [_compared("=", tested, _operand(each, names)) for each in values])


def _is_in(column: Column, values: Column) -> Column:
    """As `pc.is_in`, but null is in no list and out of none."""
    return pc.if_else(pc.is_valid(column), pc.is_in(column, value_set=values), None)


def _spatial(name: str, args: list[Any], names: set[str]) -> Evaluate:
    left, right = (_place(name, each, names) for each in args)
    relation = _SPATIAL[name]

    def mask(table: Any) -> Column:  # noqa: ANN401 - pyarrow has no types
        try:
            found = relation(left(table), right(table))
        except ShapelyError as error:
            raise UsageError(f"The operator {name!a} does not take these geometries.") from error
        return pa.array(found) if isinstance(found, np.ndarray) else pa.scalar(bool(found))

    return mask


def _place(name: str, node: object, names: set[str]) -> Evaluate:
    """The geometries of Items, or one that was given."""
    if isinstance(node, dict) and "property" in node:
        tested = _property(node, names)
        if tested.kind is Kind.GEOMETRY:
            return lambda table: _footprints(tested.start(table))
        raise UsageError(f"The operator {name!a} compares geometries, not {node['property']!a}.")
    if isinstance(node, dict) and "bbox" in node:
        area = ground.of_bbox(node["bbox"])
    else:
        area = ground.of_geojson(node)
    shapely.prepare(area)
    return lambda _table: area


def _footprints(column: Any) -> Column:  # noqa: ANN401 - pyarrow has no types
    return shapely.from_wkb(np.array(column.to_pylist(), dtype=object))


def _said(node: object) -> str:
    text = ascii(node)
    return text if len(text) < 60 else f"{text[:60]}..."  # noqa: PLR2004 - of a line


_Make = Callable[[str, list[Any], set[str]], Evaluate]

_MAKERS: Sequence[tuple[Collection[str], int, _Make]] = (
    (("and", "or"), 0, _logical),
    (("not",), 1, _not),
    (("isNull",), 1, _is_null),
    (("between",), 0, _between),
    (("in",), 2, _among),
    (("like",), 2, _like),
    (_SPATIAL, 2, _spatial),
    ((*_COMPARISONS, *_TEMPORAL, *_NEGATED), 2, _comparison),
)
"""Operators, how many arguments they take (0 for two or more), and how their masks are made."""
