"""Read JSON as strictly as it is defined: no NaN, no infinity, no name twice in an object."""

import json
from collections import Counter
from typing import Any


class LooseError(ValueError):
    """Python would read the text, and JSON does not allow it."""


def loads(raw: bytes | str) -> Any:  # noqa: ANN401 - JSON
    """The value of a JSON text.

    Raises:
        LooseError: It holds what is no JSON, though other programs may read it.
        ValueError, RecursionError: It cannot be read at all.

    >>> loads('{"a": [1, null]}')
    {'a': [1, None]}
    >>> loads('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    stacgen.model.strict_json.LooseError: it has "a" twice
    """
    return json.loads(raw, parse_constant=_refuse, object_pairs_hook=_once)


def _refuse(constant: str) -> None:
    raise LooseError(f"it holds {constant}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise LooseError(f"it has {json.dumps(twice)[:40]} twice")
    return found
