"""Choice of the fields that are sent (the STAC API's Fields extension). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

_ALWAYS = ("type", "stac_version", "id", "collection")
"""Short, and needed to read what was asked for as a part of an Item."""

_DEFAULT = (*_ALWAYS, "geometry", "bbox", "links", "assets", "properties.datetime")
"""Fields that make a valid Item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Fields to send and to leave out, as paths with dots; a longer path wins, then the former."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]
    otherwise: tuple[str, ...] | None = _DEFAULT
    """Fields of which to leave out where `include` is empty; None for all that there are."""

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Self:
        """The choice in the body of a search, without keys that were not sent.

        >>> Chosen.of({"exclude": ["links"]}).otherwise is None
        True
        """
        exclude = tuple(sorted(asked.get("exclude") or ()))
        return cls(
            include=tuple(sorted(asked.get("include") or ())),
            exclude=exclude,
            otherwise=None if exclude and "include" not in asked else _DEFAULT,
        )

    def of_document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The part of an Item or Collection that is sent."""
        included = self.include or self.otherwise
        sent: dict[str, Any] = dict(document) if included is None else {}
        for path in (*_ALWAYS, *(included or ())):
            _copy(document, sent, path)
        for path in self.exclude:
            if path not in _ALWAYS:
                sent = _without(sent, path)
        for path in self.include:
            if any(f"{path}.".startswith(f"{each}.") for each in self.exclude):
                _copy(document, sent, path)
        return sent


def parse(asked: Iterable[str]) -> Chosen:
    """The choice in the query of a URL: `id,+bbox,-links`.

    >>> chosen = parse(["id", "+bbox", "-links"])
    >>> chosen.include, chosen.exclude
    (('bbox', 'id'), ('links',))
    """
    names = [each.strip() for each in asked]  # a plus that was not written as %2B came as a space
    include = [each.removeprefix("+") for each in names if each and not each.startswith("-")]
    exclude = [each[1:] for each in names if each.startswith("-")]
    return Chosen.of({"exclude": exclude} | ({"include": include} if include else {}))


def _copy(source: Mapping[str, Any], target: dict[str, Any], path: str) -> None:
    name, dot, rest = path.partition(".")
    if name not in source:
        return
    value = source[name]
    if not dot or not isinstance(value, dict):
        target[name] = value
        return
    inner = target.setdefault(name, {})
    if inner is not value:
        _copy(value, inner, rest)


def _without(source: Mapping[str, Any], path: str) -> dict[str, Any]:
    name, dot, rest = path.partition(".")
    kept = dict(source)
    if not dot:
        kept.pop(name, None)
    elif isinstance(kept.get(name), dict):
        kept[name] = _without(kept[name], rest)
    return kept
