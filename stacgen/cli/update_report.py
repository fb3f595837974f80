"""What an update did to a Collection, as a line for people and as a record for machines. Pure."""

from collections.abc import Iterator
from typing import Any

from stacgen.model.outcomes import Change


def line(change: Change) -> str:
    """One line, fit for a mail of cron.

    >>> line(Change(collection="29PKR B09"))
    '29PKR B09: nothing.'
    """
    return f"{change.collection}: {', '.join(_done(change)) or 'nothing'}."


def record(change: Change) -> dict[str, Any]:
    """The same as a JSON object, with ids and reasons."""
    return {
        "collection": change.collection,
        "built": [each.ref.item_id for each in change.built],
        "deprecated": list(change.deprecated),
        "dropped": list(change.dropped),
        "changed_sources": list(change.changed_sources),
        "failed": [{"id": each.ref.item_id, "reason": each.reason} for each in change.failed],
        "lost": [{"stream": each.stream, "reason": each.reason} for each in change.lost],
    }


def _done(change: Change) -> Iterator[str]:
    for count, what in (
        (len(change.built), "built"),
        (len(change.deprecated), "deprecated"),
        (len(change.dropped), "dropped"),
        (len(change.failed), "failed"),
        (len(change.lost), "lost of its years"),
    ):
        if count:
            yield f"{count} {what}"
    for each in change.changed_sources:
        yield f"{each} has changed upstream"
