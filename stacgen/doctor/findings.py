"""What an examination finds; an error while looking is a finding, too."""

import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from enum import StrEnum

from stacgen.errors import StacgenError


class Mark(StrEnum):
    """What to think of it."""

    OK = "ok"
    ABSENT = "absent"
    """Not there, and not needed unless asked for."""

    WARN = "warn"
    """Works, with something to know."""

    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    part: str
    """Heading under which it is shown, `GDAL`."""

    name: str
    mark: Mark
    text: str
    """What was found, for people."""

    advice: str = ""
    """What to do about it; empty where there is nothing to do."""


def look(
    part: str, name: str, at: Callable[[], Iterable[Finding]], *, advice: str
) -> list[Finding]:
    """What looking finds, and after it the error that ended it, if one did.

    Args:
        part: Heading of that error.
        name: What was looked at, likewise.
        at: Looks; may raise anything.
        advice: What to do about an error that has no sentence of stacgen's own.
    """
    found: list[Finding] = []
    try:
        with hushed():
            found.extend(at())
    except StacgenError as error:
        found.append(Finding(part=part, name=name, mark=Mark.FAIL, text=str(error)))
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        text = f"cannot be used: {said(error)}"
        found.append(Finding(part=part, name=name, mark=Mark.FAIL, text=text, advice=advice))
    return found


@contextmanager
def hushed() -> Iterator[None]:
    """What libraries warn of, and print where they cannot raise: findings say the same."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def said(error: Exception) -> str:
    """The kind of an error and the first line of what it says, which may have many."""
    line = str(error).strip().partition("\n")[0].rstrip(". ")
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
