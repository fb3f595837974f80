"""The types of tables: one for all Items, whatever each of them has or lacks. Pure.

Fields stand in one order and types are united by rules that know no order either, so that the
same Items always give the same table.
"""

from functools import lru_cache
from typing import Any

import pyarrow as pa

from stacgen.errors import OutputError

_ORDER = (
    *("type", "stac_version", "stac_extensions", "id", "collection", "geometry", "bbox"),
    *("title", "datetime", "created", "updated", "rel", "href"),
)
"""Fields that come first, wherever they are; the others follow by name, then these."""

_LAST = "assets", "links", "nulls"
_BBOX = ("xmin", "ymin", "xmax", "ymax")


def rank(name: str) -> tuple[int, str]:
    """Where a field stands among its siblings."""
    if name in _ORDER:
        return _ORDER.index(name), ""
    if name in _BBOX:
        return len(_ORDER), str(_BBOX.index(name))
    return len(_ORDER) + 1 + (name in _LAST), name


@lru_cache(maxsize=1024)
def joined(first: Any, second: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The type that holds whatever two types hold.

    Raises:
        OutputError: There is none: one Item has a number where another has a text.
    """
    if pa.types.is_struct(first) and pa.types.is_struct(second):
        names = {field.name for each in (first, second) for field in each}
        return pa.struct([_joined_field(first, second, name) for name in sorted(names, key=rank)])
    if pa.types.is_list(first) and pa.types.is_list(second):
        return pa.list_(joined(first.value_type, second.value_type))
    if pa.types.is_null(first) or first == second:
        return second
    if pa.types.is_null(second):
        return first
    if {first, second} == {pa.int64(), pa.float64()}:
        return pa.float64()
    raise OutputError(
        f"Items disagree: one has {first} where another has {second}, so no table can hold both."
    )


def _joined_field(first: Any, second: Any, name: str) -> Any:  # noqa: ANN401
    types = [each.field(name).type for each in (first, second) if each.get_field_index(name) >= 0]
    return pa.field(name, joined(types[0], types[-1]))


def used(array: Any) -> Any:  # noqa: ANN401
    """The type of an array without fields of structs that nothing in it has."""
    if pa.types.is_struct(array.type):
        pairs = zip(array.type, array.flatten(), strict=True)
        return pa.struct(
            [
                pa.field(field.name, used(each))
                for field, each in pairs
                if each.null_count < len(each)
            ]
        )
    if pa.types.is_list(array.type) and _is_nested(array.type.value_type):
        return pa.list_(used(array.flatten()))
    return array.type


def fitted(array: Any, target: Any) -> Any:  # noqa: ANN401
    """An array as one of a type that `joined` made of its own: fields are added, and reordered."""
    if array.type.equals(target) and not (_is_nested(target) and target.num_fields):
        return array  # a struct of no fields could not tell its length by them
    if pa.types.is_struct(target):
        if pa.types.is_null(array.type):
            return pa.nulls(len(array), target)
        columns = [_column(array, field) for field in target]
        mask = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays(columns, fields=list(target), mask=mask)
    if pa.types.is_list(target) and pa.types.is_list(array.type):
        if not _is_nested(target.value_type):
            return array.cast(target)
        whole = pa.concat_arrays([array])  # offsets from 0, as a mask demands
        values = fitted(whole.values, target.value_type)
        mask = whole.is_null() if whole.null_count else None
        return pa.ListArray.from_arrays(whole.offsets, values, type=target, mask=mask)
    return array.cast(target)


def _column(array: Any, field: Any) -> Any:  # noqa: ANN401
    place = array.type.get_field_index(field.name)
    if place < 0:
        return pa.nulls(len(array), field.type)
    return fitted(array.field(place), field.type)


def _is_nested(kind: Any) -> bool:  # noqa: ANN401
    return bool(pa.types.is_nested(kind))
