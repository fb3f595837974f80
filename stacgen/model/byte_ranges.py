"""What part of a file a Range header asks for (RFC 9110, section 14). Pure."""

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes=(?P<first>[0-9]*)-(?P<last>[0-9]*)")
_DIGITS = 18
"""More of them than the size of any file has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Bytes of a file, from `start` to before `stop`."""

    start: int
    stop: int


class UnsatisfiableError(Exception):
    """The range begins beyond the end of the file, or is empty."""


def parse(header: str | None, size: int) -> Part | None:
    """The part that is asked for, or None for the whole.

    A header that is no byte range, or asks for several, is passed over, as the RFC allows.

    Raises:
        UnsatisfiableError: No byte of the file is asked for.

    >>> parse("bytes=0-99", 1000), parse("bytes=-100", 1000), parse("bytes=0-1,5-9", 1000)
    (Part(start=0, stop=100), Part(start=900, stop=1000), None)
    """
    found = _ONE.fullmatch((header or "").strip())
    if found is None or found["first"] == found["last"] == "":
        return None
    if not found["first"]:
        length = _number(found["last"])
        if not length or not size:
            raise UnsatisfiableError
        return Part(start=max(0, size - length), stop=size)
    first = _number(found["first"])
    if found["last"] and _number(found["last"]) < first:
        return None
    if first >= size:
        raise UnsatisfiableError
    last = _number(found["last"]) if found["last"] else size - 1
    return Part(start=first, stop=min(last + 1, size))


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS
