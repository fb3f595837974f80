"""Filters as requests have them, to CQL2-JSON: the only door to the package cql2."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from stacgen.errors import UsageError

_WORDS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[0-9][0-9.eE]*|(?P<word>[\w:.]+|[^\s,])")
_MOST_WORDS = 250
_MOST_OPERATIONS = 1000
"""Bounds of what is parsed. The parser of cql2 0.6 recurses, and ends the process where the stack
of a thread does: at 300 brackets with 1 MB of it, at more than 1000 with the usual 8 MB. It bounds
the depth of JSON itself."""


def _parsed_text(text: str) -> dict[str, Any]:
    """The expression that a filter in CQL2-Text means.

    Raises:
        UsageError: It is none, or too long.
    """
    from cql2 import parse_text  # noqa: PLC0415 - few requests have filters

    words = sum(found["word"] is not None for found in _WORDS.finditer(text))
    if words > _MOST_WORDS:
        raise UsageError(f"The filter has {words} words and signs; the most are {_MOST_WORDS}.")
    return _parsed(parse_text, text)


def _parsed_json(text: str) -> dict[str, Any]:
    """The expression that a filter in CQL2-JSON means.

    Raises:
        UsageError: It is none, or too long.
    """
    from cql2 import parse_json  # noqa: PLC0415 - few requests have filters

    operations = text.count('"op"')
    if operations > _MOST_OPERATIONS:
        raise UsageError(
            f"The filter has {operations} operations; the most are {_MOST_OPERATIONS}."
        )
    return _parsed(parse_json, text)


def _parsed(parse: Callable[[str], Any], text: str) -> dict[str, Any]:
    from cql2 import ParseError  # noqa: PLC0415 - few requests have filters

    try:
        expression: dict[str, Any] = parse(text).to_json()
    except (ParseError, UnicodeEncodeError, ValueError) as error:
        reason = " ".join(str(error).split()).encode("ascii", "backslashreplace").decode()
        raise UsageError(f"The filter is no CQL2: {reason[:300]}.") from error
    return expression


def _of_query(query: object) -> dict[str, Any] | bool:
    """The expression that conditions of the Query extension mean.

    Raises:
        UsageError: An operator is not known, or has a value that it does not take.

    >>> _of_query({"eo:cloud_cover": {"lt": 20}})
    {'op': '<', 'args': [{'property': 'eo:cloud_cover'}, 20]}
    """
    if not isinstance(query, dict) or not all(isinstance(each, dict) for each in query.values()):
        raise UsageError('A query is an object such as {"eo:cloud_cover": {"lt": 20}}.')
    parts = [
        _condition(name, sign, value)
        for name, conditions in query.items()
        for sign, value in conditions.items()
    ]
    if len(parts) > 1:
        return {"op": "and", "args": parts}
    return parts[0] if parts else True


_SIGNS = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "in": "in"}
_PATTERNS = {"startsWith": "{}%", "endsWith": "%{}", "contains": "%{}%"}


def _condition(name: str, sign: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    if sign in _SIGNS:
        return {"op": _SIGNS[sign], "args": [{"property": name}, value]}
    if sign not in _PATTERNS:
        raise UsageError(f"This server does not know the operator {sign!a} in queries.")
    if not isinstance(value, str):
        raise UsageError(f"The operator {sign!a} takes a text.")
    literal = re.sub(r"([\\%_])", r"\\\1", value)
    return {"op": "like", "args": [{"property": name}, _PATTERNS[sign].format(literal)]}


def of_request(asked: Mapping[str, Any]) -> dict[str, Any] | bool | None:
    """The expression of a search that must be true of Items; None where nothing restricts them.

    Args:
        asked: `filter` with `filter-lang`, and `query`.

    Raises:
        UsageError: A part of it is not known, or makes no sense.
    """
    parts: list[dict[str, Any] | bool] = []
    if asked.get("filter") is not None:
        parts.append(_of_filter(asked["filter"], asked.get("filter-lang")))
    if asked.get("query") is not None:
        parts.append(_of_query(asked["query"]))
    return {"op": "and", "args": parts} if len(parts) > 1 else next(iter(parts), None)


def _of_filter(expression: Any, language: str | None) -> dict[str, Any]:  # noqa: ANN401 - JSON
    is_text = isinstance(expression, str)
    if language in (None, "cql2-text") and is_text:
        return _parsed_text(expression)
    if language != "cql2-text":
        return _parsed_json(expression if is_text else json.dumps(expression))
    raise UsageError("A filter in cql2-text is a text.")
