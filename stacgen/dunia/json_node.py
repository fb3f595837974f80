"""JSON answers whose fields are checked as they are read; errors name URL and field. Pure."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, NoReturn

from stacgen.errors import AnswerError
from stacgen.model import strict_json
from stacgen.model.strict_json import LooseError
from stacgen.model.urls import public_url

_BASELINE = re.compile(r"N(\d\d)(\d\d)|(\d\d?)\.(\d\d)", re.ASCII)
"""`N0511` as in product names, `05.11` or `5.11`: major and minor version."""


_SENSING_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object, with the way to it, so that an error can name the field."""

    value: Mapping[str, Any]
    url: str
    path: str

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise an error that names the URL and the field."""
        field = f"{self.path}.{key}".lstrip(".")
        raise AnswerError(f"The answer of {self.url} cannot be used: {field} {problem}.")

    def _get(self, key: str) -> Any:  # noqa: ANN401 - JSON, narrowed by the callers
        if key not in self.value:
            self.fail(key, "is missing")
        return self.value[key]

    def child(self, key: str) -> "Node":
        """The object in a field."""
        return self._node(key, self._get(key))

    def _node(self, key: str, value: Any) -> "Node":  # noqa: ANN401 - JSON
        if not isinstance(value, dict):
            self.fail(key, f"is {short(value)}, not an object")
        return Node(value, self.url, f"{self.path}.{key}".lstrip("."))

    def children(self, key: str, *, skips: bool = False) -> Iterator["Node"]:
        """The objects of a list; with `skips` other values are left out rather than refused."""
        values = self._get(key)
        if not isinstance(values, list):
            self.fail(key, f"is {short(values)}, not a list")
        for index, value in enumerate(values):
            if isinstance(value, dict) or not skips:
                yield self._node(f"{key}[{index}]", value)

    def text(self, key: str) -> str:
        """A text that is not empty."""
        value = self._get(key)
        if not isinstance(value, str) or not value:
            self.fail(key, f"is {short(value)}, not a text")
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        return self._finite(key, self._get(key))

    def _finite(self, key: str, value: Any) -> float:  # noqa: ANN401 - JSON
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(key, f"is {short(value)}, not a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fail(key, f"is {short(value)}, not a finite number")
        return number

    def numbers(self, key: str, count: int) -> list[float]:
        """A list of so many finite numbers."""
        values = self._get(key)
        if not isinstance(values, list) or len(values) != count:
            self.fail(key, f"is {short(values)}, not a list of {count} numbers")
        return [self._finite(f"{key}[{index}]", value) for index, value in enumerate(values)]

    def baseline(self, key: str) -> str:
        """A processing baseline as `05.11`; JSON numbers such as 5.11 are read, too."""
        value = self._get(key)
        text = f"{value:.2f}" if isinstance(value, float) and round(value, 2) == value else value
        form = _BASELINE.fullmatch(text) if isinstance(text, str) else None
        if form is None:
            self.fail(key, f"is {short(value)}, not of the form 05.11")
        major, minor = (part for part in form.groups() if part)
        return f"{int(major):02}.{minor}"

    def count(self, key: str) -> int:
        """A whole number from 0 on."""
        value = self.number(key)
        if value != int(value) or not 0 <= value < 10**6:
            self.fail(key, f"is {short(self.value[key])}, not a number of a frame")
        return int(value)

    def seconds(self, key: str) -> Fraction:
        """A time in a stream, exactly as the decimal that JSON has."""
        value = self.number(key)
        if not 0 <= value < 10**6:
            self.fail(key, f"is {short(self.value[key])}, not a time in the stream")
        return Fraction(repr(value))

    def percentage(self, key: str) -> float | None:
        """An optional figure; None where it is missing or none, as -1 and 999 for "not known"."""
        value = self.value.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if 0 <= value <= 100 else None  # noqa: PLR2004 - percent

    def moment(self, key: str) -> datetime:
        """A time in UTC."""
        value = self.text(key)
        problem = f"is {short(value)}, not a time such as 2025-03-02T11:21:09.024000"
        if not _SENSING_TIME.fullmatch(value):
            self.fail(key, problem)
        try:
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        except ValueError:
            self.fail(key, problem)

    def epsg(self, key: str) -> int:
        """The code of a CRS, from `EPSG:32629` or 32629."""
        value = self._get(key)
        if isinstance(value, str) and re.fullmatch(r"EPSG:\d{4,6}", value, re.ASCII):
            return int(value.removeprefix("EPSG:"))
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(key, f"is {short(value)}, not a CRS such as EPSG:32629")
        return value


def opened(raw: bytes, url: str) -> Node:
    """The object that an answer is, no name in it twice; errors tell its URL without secrets."""
    url = public_url(url)
    if raw.lstrip()[:1] == b"<":
        raise AnswerError(
            f"The answer of {url} is a web page, not JSON. Is this the address of a DUNIA API?"
        )
    try:
        value = strict_json.loads(raw)
    except LooseError as error:
        raise AnswerError(f"The answer of {url} cannot be used: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"The answer of {url} is not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise AnswerError(f"The answer of {url} is {short(value)}, not a JSON object.")
    return Node(value, url, "")


def short(value: object) -> str:
    """A JSON value on a line, as messages show it."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004 - one line of a terminal
