"""The shape of the code: imports point down, and each dependency has one door."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stacgen"

LAYERS = (
    "errors",
    "gdal_data profile streams tiles",
    "bands",
    "models rasters",
    "outcomes ports layout query queryables figures",
    "opener",
    "gdal geotiff png pyramid stac nodata sketch transport hevc blocks gate",
    "endpoints proof proxies visual",
    "answers recheck",
    "api selection playlist fetch decode rescale thumbnail footprint store sample origin",
    "destination isolation picture film series schemas bulletin succession renders true_colour",
    "chart tile_lookup",
    "item",
    "collection_summary",
    "cards mirror cog",
    "catalog publication page",
    "validation scene",
    "pipeline lookup",
    "server",
    "library look reader doctor",
    "load plan_file upkeep",
    "screen",
    "painting tables",
    "cli",
    "rio",
    "__main__",
)
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row.split()}

DOORS = {
    "PIL": {"picture"},
    "antimeridian": {"footprint"},
    "av": {"decode", "doctor", "film", "sample"},
    "click": {"rio"},
    "cql2": {"server"},
    "distributed": {"pipeline"},
    "fastapi": {"server"},
    "isal": {"geotiff", "png"},
    "jinja2": {"page"},
    "jsonschema": {"schemas"},
    "m3u8": {"playlist"},
    "matplotlib": {"chart"},
    "obstore": {"store"},
    "odc": {"load"},
    "orjson": {"stac"},
    "pyarrow": {"mirror"},
    "pyproj": {"doctor", "footprint"},
    "pystac": {"load"},
    "rasterio": {"doctor", "gdal"},
    "referencing": {"schemas"},
    "requests": {"fetch"},
    "rich": {"painting", "screen", "tables"},
    "rio_cogeo": {"gdal"},
    "shapely": {"footprint", "mirror", "tile_lookup"},
    "stac_fastapi": {"server"},
    "starlette": {"server"},
    "typer": {"cli"},
    "urllib3": {"fetch"},
    "uvicorn": {"server"},
    "xarray": {"load"},
}
EXTRAS = {
    *("PIL", "distributed", "jsonschema", "matplotlib", "odc", "pystac", "referencing"),
    *("cql2", "fastapi", "stac_fastapi", "starlette", "uvicorn", "xarray"),
}
"""Dependencies of extras, which are there only where they were asked for."""

HELP = """
import sys; sys.argv = ["stacgen", "--help"]
from stacgen.__main__ import main
try: main()
except SystemExit: pass
"""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        yield name, ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield from (f"{base}.{alias.name}" for alias in node.names)


def test_imports_point_down_and_stages_do_not_know_each_other() -> None:
    for name, tree in modules():
        if name == "__init__":
            continue
        for used in imports(tree):
            parts = used.split(".")
            if parts[0] != "stacgen" or len(parts) < 2 or parts[1] not in RANK:
                continue
            inside = parts[1] == name
            assert inside or RANK[parts[1]] < RANK[name], f"{name} imports {used}"


def test_every_module_has_its_place() -> None:
    assert {name for name, _ in modules()} - {"__init__"} == set(RANK)


def test_each_dependency_has_one_door() -> None:
    found: dict[str, set[str]] = {}
    for name, tree in modules():
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
