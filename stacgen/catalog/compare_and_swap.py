"""A change of one document that others change at the same time, so that none is lost."""

import random
import time
from collections.abc import Callable

from stacgen.errors import OutputError
from stacgen.model.protocols import Store
from stacgen.stac import stac_json

_PATIENCE = 900.0
"""Seconds after which a change is given up; a lock of a dead builder takes five minutes to go."""

_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 2.0
"""Seconds, at most, before the first try again and before any later one."""


def update(
    store: Store, key: str, media_type: str, change: Callable[[bytes | None], bytes]
) -> bool:
    """Read a file, change it, and put it back if it is still the one that was read; else again.

    Builders that do so to one file at the same time all have their change in it at the end, each
    made on top of the others.

    Args:
        store: Holds the file.
        key: Of the file; it is made where there is none.
        media_type: Of the file.
        change: From the content, or None, to the new content. It may be called several times, with
            other content each time, and must have no other effect.

    Returns:
        Whether something was written. Where nothing changes, nothing is.

    Raises:
        OutputError: The store fails, or others were quicker each time for a quarter of an hour.
    """
    end = time.monotonic() + _PATIENCE
    pause = _FIRST_PAUSE
    while True:
        found = store.read_versioned(key)
        content, version = (None, None) if found is None else found
        changed = change(content)
        if changed == content:
            return False
        if version is None:
            done = store.create(key, changed, media_type)
        else:
            done = store.swap(key, changed, media_type, version)
        if done:
            return True
        if time.monotonic() > end:
            raise OutputError(
                f"{store.address}/{key} was changed by others each time for {_PATIENCE:.0f} s;"
                " nothing was lost. Run again when fewer builders write."
            )
        time.sleep(random.uniform(0, pause))
        pause = min(_LONGEST_PAUSE, 2 * pause)


def update_document(
    store: Store, key: str, change: Callable[[stac_json.Document | None], stac_json.Document]
) -> bool:
    """The same for a document.

    Returns:
        True if it was put.

    Raises:
        OutputError: What is there is no document, or as with `update`.
    """

    def changed(raw: bytes | None) -> bytes:
        before = None if raw is None else stac_json.from_bytes(raw, name=f"{store.address}/{key}")
        return stac_json.to_bytes(change(before))

    return update(store, key, stac_json.JSON, changed)
