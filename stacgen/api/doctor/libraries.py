"""Versions of stacgen, of Python and of the libraries, and whether these can be loaded."""

import importlib
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from stacgen.api.doctor.findings import Finding, Mark, fine, hushed, said

_PART = "Libraries"
_FOR_DEVELOPERS = ("test", "lint", "docs")
"""Extras that no command needs."""

_MODULES = {
    "odc-stac": "odc.stac",
    "pillow": "PIL",
    "stac-fastapi-api": "stac_fastapi.api",
    "stac-fastapi-extensions": "stac_fastapi.extensions",
    "stac-fastapi-types": "stac_fastapi.types",
}
"""Modules whose names are not those of their distributions."""

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)([^;]*)(;\s*extra == ['\"](?P<extra>[\w-]+)['\"])?")


@dataclass(frozen=True, slots=True)
class Library:
    """A distribution that stacgen declares."""

    name: str
    extras: tuple[str, ...]
    """Any of which brings it; none where it always comes along."""

    @property
    def remedy(self) -> str:
        """The command that installs it."""
        extra = f"[{self.extras[0]}]" if self.extras else ""
        return f"pip install 'stacgen{extra}'"


def declared(lines: list[str]) -> list[Library]:
    """The libraries in the requirements of a distribution, those that always come along first.

    >>> declared(["pillow>=10.1; extra == 'preview'", "av>=15.1"])[1].remedy
    "pip install 'stacgen[preview]'"
    """
    found: dict[str, set[str]] = {}
    for line in lines:
        parts = _REQUIREMENT.match(line)
        if parts is not None and parts["extra"] not in _FOR_DEVELOPERS:
            found.setdefault(parts["name"], set()).add(parts["extra"] or "")
    libraries = (
        Library(name, () if "" in extras else tuple(sorted(extras)))
        for name, extras in found.items()
    )
    return sorted(libraries, key=lambda each: (each.extras != (), each.name))


def versions(version: str) -> Iterator[Finding]:
    """The versions of stacgen itself, of Python, and the machine."""
    cores = os.cpu_count() or 1
    machine = f"{platform.platform()}, {cores} core{'s' * (cores > 1)}"
    yield fine("stacgen", "stacgen", version)
    yield fine("stacgen", "Python", f"{platform.python_version()}, in {sys.prefix}")
    yield fine("stacgen", "platform", machine)


def libraries() -> Iterator[Finding]:
    """Every library that is declared, loaded once to see that it can be."""
    try:
        lines = metadata.requires("stacgen") or []
    except metadata.PackageNotFoundError:
        text = "is on the path but not installed, so what it needs is not known"
        yield Finding(_PART, "stacgen", Mark.WARN, text, "Install it: pip install .")
        return
    yield from map(_examined, declared(lines))


def _examined(library: Library) -> Finding:
    name = library.name
    try:
        version = metadata.version(name)
        with hushed():
            importlib.import_module(_MODULES.get(name, name.replace("-", "_")))
    except metadata.PackageNotFoundError:
        mark = Mark.ABSENT if library.extras else Mark.FAIL
        return Finding(_PART, name, mark, "is not installed", library.remedy)
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        text = f"{version} is broken: {said(error)}"
        return Finding(_PART, name, Mark.FAIL, text, f"pip install --force-reinstall {name}")
    return fine(_PART, name, ", for ".join(filter(None, [version, ", ".join(library.extras)])))
