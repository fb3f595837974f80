"""Which libraries are there, whether they load, and whether they are new enough."""

import importlib
import os
import platform
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from stacgen.doctor.findings import Finding, Mark, hushed, said

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
"""What is imported, where its name is not that of the distribution."""

_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)(\[[^]]*\])?(?P<bounds>[^;]*)(;\s*extra == ['\"](?P<extra>[\w-]+)['\"])?"
)
_BOUND = re.compile(r"(?P<sign>>=|<)\s*(?P<version>[\d.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A distribution that stacgen declares."""

    name: str
    bounds: str
    """On its version, `>=7.0,<8`."""

    extras: tuple[str, ...] = ()
    """Any of which brings it; none where it always comes along."""

    @property
    def module(self) -> str:
        """What is imported."""
        return _MODULES.get(self.name, self.name.replace("-", "_"))

    @property
    def remedy(self) -> str:
        """The command that brings it."""
        extra = f"[{self.extras[0]}]" if self.extras else ""
        return f"pip install 'stacgen{extra}'"

    def suits(self, version: str) -> bool:
        """Whether a version is within the bounds."""
        found = numbers(version)
        for bound in _BOUND.finditer(self.bounds):
            limit = numbers(bound["version"])
            if found < limit if bound["sign"] == ">=" else found >= limit:
                return False
        return True


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with, without zeros at their end: 8 is 8.0.

    >>> numbers("8.1.2"), numbers("2026.10.19.post1"), numbers("n9.0-dev")
    ((8, 1, 2), (2026, 10, 19), (9,))
    """
    plain = re.search(r"\d+(\.\d+)*", version)
    found = [int(each) for each in plain[0].split(".")] if plain else []
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def declared(lines: list[str]) -> list[Library]:
    """The libraries in the requirements of a distribution, those that always come along first.

    >>> declared(["pillow>=10.1; extra == 'preview'", "av>=15.1"])[1].remedy
    "pip install 'stacgen[preview]'"
    """
    bounds: dict[str, str] = {}
    extras: dict[str, list[str]] = {}
    core: set[str] = set()
    for line in lines:
        found = _REQUIREMENT.match(line)
        if found is None or found["extra"] in _FOR_DEVELOPERS:
            continue
        bounds.setdefault(found["name"], found["bounds"].strip())
        if found["extra"]:
            extras.setdefault(found["name"], []).append(found["extra"])
        else:
            core.add(found["name"])
    return [
        Library(
            name=name,
            bounds=bounds[name],
            extras=() if name in core else tuple(extras[name]),
        )
        for name in sorted(bounds, key=lambda name: (name not in core, name))
    ]


def versions(version: str) -> Iterator[Finding]:
    """The versions of stacgen itself, of Python, and the machine."""
    yield Finding(part="stacgen", name="stacgen", mark=Mark.OK, text=version)
    bits = 8 * struct.calcsize("P")
    yield Finding(
        part="stacgen",
        name="Python",
        mark=Mark.OK,
        text=f"{platform.python_version()}, {platform.python_implementation()}, {bits} bits, in"
        f" {sys.prefix}",
    )
    cores = os.cpu_count() or 1
    yield Finding(
        part="stacgen",
        name="platform",
        mark=Mark.OK,
        text=f"{platform.platform()}, {cores} core{'s' * (cores > 1)}",
    )


def libraries() -> Iterator[Finding]:
    """Every library that is declared, loaded once to see that it can be."""
    try:
        lines = metadata.requires("stacgen") or []
    except metadata.PackageNotFoundError:
        yield Finding(
            part=_PART,
            name="stacgen",
            mark=Mark.WARN,
            text="is on the path but not installed, so what it needs is not known",
            advice="Install it: pip install .",
        )
        return
    for each in declared(lines):
        yield _examined(each)


def _examined(library: Library) -> Finding:
    mark, text, advice = Mark.OK, "", ""
    try:
        version = metadata.version(library.name)
        with hushed():
            importlib.import_module(library.module)
    except metadata.PackageNotFoundError:
        needed = not library.extras
        mark, text = (Mark.FAIL if needed else Mark.ABSENT), "is not here"
        advice = library.remedy
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        mark, text = Mark.FAIL, f"{version} is broken: {said(error)}"
        advice = f"pip install --force-reinstall {library.name}"
    else:
        text = f"{version}{', for ' if library.extras else ''}{', '.join(library.extras)}"
        if not library.suits(version):
            mark, text = Mark.FAIL, f"{version} is not {library.bounds}"
            advice = f"pip install --upgrade {library.remedy.removeprefix('pip install ')}"
    return Finding(part=_PART, name=library.name, mark=mark, text=text, advice=advice)
