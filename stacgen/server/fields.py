"""Which fields of Items are sent (the STAC API's Fields extension). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

_ALWAYS = ("id", "collection")
_DEFAULT = ("type", "stac_version", "geometry", "bbox", "links", "assets", "properties.datetime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Fields to send and to leave out, as paths with dots; what is left out wins."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Self:
        """As the body of a search has them."""
        return cls(
            include=tuple(sorted(asked.get("include") or ())),
            exclude=tuple(sorted(asked.get("exclude") or ())),
        )

    def of_document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent of an Item; its id and Collection always are."""
        sent: dict[str, Any] = dict(document)
        if self.include:
            sent = {}
            for path in (*_ALWAYS, *_DEFAULT, *self.include):
                _copy(document, sent, path)
        for path in self.exclude:
            if path not in _ALWAYS:
                sent = _without(sent, path)
        return sent


def parse(asked: Iterable[str]) -> Chosen:
    """As the query of a URL has them: `id,+bbox,-links`.

    >>> parse(["id", "+bbox", "-links"])
    Chosen(include=('id', 'bbox'), exclude=('links',))
    """
    names = [each.strip() for each in asked]
    return Chosen(
        include=tuple(each.removeprefix("+") for each in names if not each.startswith("-")),
        exclude=tuple(each[1:] for each in names if each.startswith("-")),
    )


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
