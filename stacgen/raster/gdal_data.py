"""Keep GDAL and PROJ to the tables inside rasterio's wheel, whatever the environment names.

`PROJ_LIB`, `PROJ_DATA` and `GDAL_DATA` of conda, QGIS or OSGeo4W are meant for the libraries there.
The tables of one PROJ are not those of another: 9.5 refuses those of 9.3. rasterio reads these
variables again and again, so they are removed from this process; those of other programs stay.
"""

import os
import re
from collections.abc import Iterator, MutableMapping
from importlib.util import find_spec
from pathlib import Path

VARIABLES = ("PROJ_DATA", "PROJ_LIB", "GDAL_DATA", "GDAL_DRIVER_PATH")
"""Those that send GDAL and PROJ elsewhere for their tables and plugins."""

_SKIP = "GDAL_SKIP"
_NEEDED = ("GTIFF", "COG", "MEM")
"""Drivers of GDAL that stacgen cannot do without, in upper case."""


def foreign(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Return the variables that point away from the tables of rasterio, and so are not used.

    None do where rasterio has no tables of its own, as in conda: they are for it there.
    """
    package = _rasterio()
    if package is None or not (package / "proj_data").is_dir():
        return {}
    found = {name: environment[name] for name in VARIABLES if environment.get(name)}
    return {
        name: value
        for name, value in found.items()
        if not Path(value).resolve().is_relative_to(package.resolve())
    }


def notes(environment: MutableMapping[str, str]) -> Iterator[str]:
    """Say in sentences which variables are not used."""
    for name, value in foreign(environment).items():
        yield f"{name} is not used: it names {value}, and rasterio has tables of its own."
    if _needed(environment) != environment.get(_SKIP):
        yield f"{_SKIP} is not used for {', '.join(_NEEDED)}, which COGs need."


def keep_own(environment: MutableMapping[str, str] = os.environ) -> None:
    """Remove from the environment whatever would keep GDAL from its own tables and drivers."""
    for name in foreign(environment):
        del environment[name]
    skipped = _needed(environment)
    if skipped is not None:
        environment[_SKIP] = skipped


def _needed(environment: MutableMapping[str, str]) -> str | None:
    """GDAL_SKIP without the drivers that are needed."""
    value = environment.get(_SKIP)
    if value is None or not any(name.upper() in _NEEDED for name in _names(value)):
        return value
    return ",".join(name for name in _names(value) if name.upper() not in _NEEDED)


def _names(value: str) -> list[str]:
    """Drivers of GDAL_SKIP; blanks separate them where no comma does."""
    return [each.strip() for each in re.split("," if "," in value else r"\s+", value)]


def _rasterio() -> Path | None:
    found = find_spec("rasterio")
    return None if found is None or found.origin is None else Path(found.origin).parent
