"""What an examination finds; an error while looking is a finding, too."""

import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from enum import StrEnum

from stacgen.errors import StacgenError


class Mark(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    ABSENT = "absent"
    """Not there, and not needed unless asked for."""

    WARN = "warn"
    """Works, with something to know."""

    FAIL = "fail"


@dataclass(frozen=True, slots=True)
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


def fine(part: str, name: str, text: str) -> Finding:
    """A finding that needs nothing done."""
    return Finding(part, name, Mark.OK, text)


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
        found.append(Finding(part, name, Mark.FAIL, str(error)))
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        found.append(Finding(part, name, Mark.FAIL, f"cannot be used: {said(error)}", advice))
    return found


@contextmanager
def hushed() -> Iterator[None]:
    """Drop warnings of libraries, and what they print where they cannot raise."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def said(error: Exception) -> str:
    """The kind of an error and the first line of its text, which may have many."""
    line = str(error).strip().partition("\n")[0].rstrip(". ")
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
