"""The shape of the code: imports point down, and each dependency has one door."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stacgen"

FLOORS = (
    "errors",
    "model",
    "io dunia video raster stac",
    "pipeline catalog access",
    "api",
    "cli",
)
"""A package imports from the floors below its own; those of one floor do not know each other."""

FLOOR = {name: number for number, row in enumerate(FLOORS) for name in row.split()}

DOORS = {
    "PIL": {"access/contact_sheet"},
    "antimeridian": {"model/geometry"},
    "av": {"access/mp4", "api/doctor", "dunia/sample", "video/decoder"},
    "botocore": {"io/credentials"},
    "click": {"rio"},
    "cql2": {"access/server"},
    "distributed": {"pipeline/dask_executor"},
    "fastapi": {"access/server"},
    "isal": {"raster/cog_writer", "raster/png"},
    "jinja2": {"catalog/pages"},
    "jsonschema": {"stac/schemas"},
    "m3u8": {"dunia/playlist"},
    "matplotlib": {"access/chart"},
    "obstore": {"io/bucket", "io/conditional_put", "io/credentials"},
    "odc": {"access/dataset"},
    "orjson": {"stac/stac_json"},
    "pyarrow": {"stac/geoparquet"},
    "pyproj": {"api/doctor", "model/geometry"},
    "pystac": {
        "api/items",
        "model/outcomes",
        "stac/catalogs",
        "stac/item",
        "stac/scene",
        "stac/schemas",
        "stac/stac_json",
    },
    "rasterio": {"api/doctor", "raster/gdal"},
    "referencing": {"stac/schemas"},
    "requests": {"io/http", "io/pinned_connections"},
    "rich": {"cli"},
    "rio_cogeo": {"raster/gdal"},
    "shapely": {"model/geometry", "model/tile_lookup", "raster/footprint", "stac/geoparquet"},
    "stac_fastapi": {"access/server"},
    "starlette": {"access/server"},
    "typer": {"cli"},
    "urllib3": {"io/http", "io/pinned_connections"},
    "uvicorn": {"access/server"},
    "xarray": {"access/dataset"},
}
EXTRAS = {
    *("PIL", "botocore", "distributed", "matplotlib", "odc"),
    *("cql2", "fastapi", "stac_fastapi", "starlette", "uvicorn", "xarray"),
}
"""Dependencies of extras, which are there only where they were asked for."""

HELP = """
import sys; sys.argv = ["stacgen", "--help"]
from stacgen.__main__ import main
try: main()
except SystemExit: pass
"""


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    """The package, the module (or the package within it), and the syntax of each file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = parts[0] if parts[0] == "cli" else "/".join(parts[:2])
        yield parts[0], name, ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield from (f"{base}.{alias.name}" for alias in node.names)


def test_imports_point_down_and_packages_of_one_floor_do_not_know_each_other() -> None:
    for room, name, tree in modules():
        for used in imports(tree):
            parts = used.split(".")
            if room in FLOOR and parts[0] == "stacgen" and parts[1] in FLOOR:
                is_below = parts[1] == room or FLOOR[parts[1]] < FLOOR[room]
                assert is_below, f"{name} imports {used}"


def test_every_package_has_its_floor() -> None:
    assert {room for room, _, _ in modules()} - {"__init__", "__main__", "rio"} == set(FLOOR)


def test_each_dependency_has_one_door() -> None:
    found: dict[str, set[str]] = {}
    for _, name, tree in modules():
        for used in imports(tree):
            if used.partition(".")[0] in DOORS:
                found.setdefault(used.partition(".")[0], set()).add(name)
    assert found == DOORS


def test_every_dependency_is_declared_and_no_other() -> None:
    declared = {line for line in requires("stacgen") or [] if "extra ==" not in line}
    names = {line.partition(">")[0].replace("-", "_") for line in declared}
    assert names == (set(DOORS) - EXTRAS) | {"numpy"}


def test_importing_and_asking_for_help_load_no_heavy_library() -> None:
    heavy = {
        "PIL",
        "av",
        "matplotlib",
        "rasterio",
        "pyproj",
        "numpy",
        "pystac",
        "obstore",
        "shapely",
    }
    for script in ("import stacgen", HELP):
        listing = script + "\nimport sys; print('loaded', *sys.modules, sep=' ')"
        done = subprocess.run(
            [sys.executable, "-c", listing], check=True, capture_output=True, text=True
        )
        loaded = set(done.stdout.rpartition("loaded")[2].split())
        assert not loaded & heavy


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 420
