"""Row groups of Parquet files put together as they are, byte by byte. Pure.

pyarrow can write rows only, so that a file of which a few change would cost as much as one of which
all do. But a row group is a run of bytes that only the footer refers to, by places in the file. So
it can be taken over into another file of the same columns, once these places are made right.

The footer is a `FileMetaData` [1] in Thrift's compact protocol [2], of which no more is read here
than where the numbers stand that have to change. The rest is copied.

[1] apache/parquet-format 2.11, *parquet.thrift*.
[2] apache/thrift, *doc/specs/thrift-compact-protocol.md*.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Union

MAGIC = b"PAR1"
"""At both ends of a file; before the second one stands the length of the footer, in four bytes."""

_TAIL = 8

Fields = Mapping[int, Union["Fields", None]]
"""Numbers of fields of a struct, or of the structs in a list: None for a number that is wanted,
else what is wanted of what is in it."""

_ROWS, _GROUPS, _ORDINAL = 3, 4, 7
_OF_A_COLUMN: Fields = {2: None, 3: {9: None, 10: None, 11: None, 14: None}, 4: None, 6: None}
_OF_A_GROUP: Fields = {1: _OF_A_COLUMN, _ROWS: None, 5: None, _ORDINAL: None}
"""Places in the file, of pages, indexes and filters; the count of rows; the number of the group."""

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_WORD = 8
"""Bytes of a double."""

_LONG = 15
"""Of members of a list, from which on their count has bytes of its own."""


@dataclass(frozen=True, slots=True)
class _Number:
    """A number as it stands in a footer."""

    field: int
    """Of the struct that it is directly in."""

    depth: int
    """How many structs these are in."""

    begin: int
    end: int
    value: int

    @property
    def is_ordinal(self) -> bool:
        """Whether it is the number of a row group."""
        return self.depth == 1 and self.field == _ORDINAL

    @property
    def is_rows(self) -> bool:
        """Whether it is the count of rows of a row group."""
        return self.depth == 1 and self.field == _ROWS

    @property
    def is_place(self) -> bool:
        """Whether it is a place in the file; some writers put 0 where there is nothing."""
        return self.value > 0 and not self.is_ordinal and not self.is_rows


@dataclass(frozen=True, slots=True)
class Group:
    """A row group of a file."""

    content: memoryview
    """Its pages."""

    footer: bytes
    """Of its file."""

    begin: int
    end: int
    """Where in the footer its `RowGroup` stands, and where that ends."""

    numbers: tuple[_Number, ...]
    """Those in it that may have to change."""

    start: int
    """Of its pages, in its file."""

    @property
    def rows(self) -> int:
        """How many there are."""
        return next(each.value for each in self.numbers if each.is_rows)


def groups(raw: bytes) -> list[Group]:
    """The row groups of a file, without a copy of their pages.

    Raises:
        ValueError: Its groups do not stand one behind the other.
    """
    footer, end = _footer(raw)
    cursor = _Cursor(footer)
    found: list[tuple[int, int, tuple[_Number, ...]]] = []
    for field, kind in cursor.fields():
        if field != _GROUPS:
            cursor.skip(kind)
            continue
        for _ in range(cursor.members()):
            begin = cursor.at
            numbers = tuple(cursor.numbers(_OF_A_GROUP))
            found.append((begin, cursor.at, numbers))
    starts = [min(each.value for each in numbers if each.is_place) for *_, numbers in found]
    spans = list(pairwise([*starts, end]))
    if any(start >= stop for start, stop in spans):
        raise ValueError("its row groups do not stand in their order")
    view = memoryview(raw)
    return [
        Group(view[start:stop], footer, *about, start)
        for about, (start, stop) in zip(found, spans, strict=True)
    ]


def together(frame: bytes, parts: Sequence[Group]) -> bytes:
    """A file with these row groups, and all else as another file says it, which has no rows.

    Args:
        frame: A file of the same columns, with no row group.
        parts: Of files of the same columns.
    """
    footer, _ = _footer(frame)
    cursor = _Cursor(footer)
    spans: dict[int, tuple[int, int]] = {}
    for field, kind in cursor.fields():
        begin = cursor.at
        cursor.skip(kind)
        spans[field] = begin, cursor.at
    abouts, at = [], len(MAGIC)
    for number, part in enumerate(parts):
        abouts.append(_moved(part, at - part.start, number))
        at += len(part.content)
    replaced = {
        _ROWS: _varint(_zigzag(sum(part.rows for part in parts))),
        _GROUPS: _list_of_structs(abouts),
    }
    pieces, done = [], 0
    for field, (begin, end) in sorted(spans.items()):
        if field in replaced:
            pieces += [footer[done:begin], replaced[field]]
            done = end
    written = b"".join([*pieces, footer[done:]])
    size = len(written).to_bytes(4, "little")
    return b"".join([MAGIC, *(part.content for part in parts), written, size, MAGIC])


def _footer(raw: bytes) -> tuple[bytes, int]:
    """The footer, and where it begins."""
    size = int.from_bytes(raw[-_TAIL:-4], "little")
    begin = len(raw) - _TAIL - size
    if not raw.startswith(MAGIC) or not raw.endswith(MAGIC) or begin < len(MAGIC):
        raise ValueError("it is no Parquet file")
    return raw[begin:-_TAIL], begin


def _moved(group: Group, shift: int, ordinal: int) -> bytes:
    """The `RowGroup` of one whose pages lie so many bytes further on."""
    pieces, done = [], group.begin
    for each in group.numbers:
        if each.is_ordinal:
            value = ordinal
        elif each.is_place:
            value = each.value + shift
        else:
            continue
        if value != each.value:
            pieces += [group.footer[done : each.begin], _varint(_zigzag(value))]
            done = each.end
    return b"".join([*pieces, group.footer[done : group.end]])


class _Cursor:
    """A place in Thrift's compact protocol, which goes on with what is read."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.at = 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            octet = self._raw[self.at]
            self.at += 1
            value |= (octet & 0x7F) << shift
            if octet < 0x80:  # noqa: PLR2004 - the bit that says that more follows
                return value
            shift += 7

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and kind of each field of a struct; whoever asks has to go past its value."""
        field = 0
        while octet := self._raw[self.at]:
            self.at += 1
            delta = octet >> 4
            field = field + delta if delta else _unzigzag(self.varint())
            yield field, octet & 0x0F
        self.at += 1

    def members(self) -> int:
        """How many members a list has that begins here."""
        return self._list()[1]

    def _list(self) -> tuple[int, int]:
        octet = self._raw[self.at]
        self.at += 1
        count = octet >> 4
        return octet & 0x0F, self.varint() if count == _LONG else count

    def skip(self, kind: int) -> None:
        """Go past a value of a field."""
        if kind == _BYTE:
            self.at += 1
        elif kind == _DOUBLE:
            self.at += _WORD
        elif kind == _BINARY:
            length = self.varint()
            self.at += length
        elif kind in {_LIST, _SET}:
            member, count = self._list()
            for _ in range(count):
                self.skip(_BYTE if member in {_TRUE, _FALSE} else member)
        elif kind == _STRUCT:
            for _, each in self.fields():
                self.skip(each)
        elif kind == _MAP:
            raise ValueError("a Parquet footer has no maps")
        elif kind not in {_TRUE, _FALSE}:
            self.varint()

    def numbers(self, wanted: Fields, depth: int = 1) -> Iterator[_Number]:
        """The wanted numbers of a struct that begins here."""
        for field, kind in self.fields():
            inner = wanted.get(field, {})
            if inner is None:
                begin = self.at
                value = _unzigzag(self.varint())
                yield _Number(field, depth, begin, self.at, value)
            elif inner and kind == _LIST:
                for _ in range(self.members()):
                    yield from self.numbers(inner, depth + 1)
            elif inner and kind == _STRUCT:
                yield from self.numbers(inner, depth + 1)
            else:
                self.skip(kind)


def _list_of_structs(members: Sequence[bytes]) -> bytes:
    count = len(members)
    if count < _LONG:
        head = bytes([count << 4 | _STRUCT])
    else:
        head = bytes([_LONG << 4 | _STRUCT]) + _varint(count)
    return b"".join([head, *members])


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _unzigzag(value: int) -> int:
    return value >> 1 ^ -(value & 1)
