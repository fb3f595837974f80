"""Requests side by side, as many at a time as a store is best asked."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from stacgen.model.protocols import Store

_Thing = TypeVar("_Thing")
_Answer = TypeVar("_Answer")


def abreast(
    store: Store, ask: Callable[[_Thing], _Answer], things: Iterable[_Thing]
) -> Iterator[_Answer]:
    """The answers, in the order of the things that are asked for."""
    if store.at_once == 1:
        yield from map(ask, things)
        return
    with ThreadPoolExecutor(store.at_once) as pool:
        yield from pool.map(ask, things)
