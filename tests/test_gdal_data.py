"""GDAL and PROJ with an environment that is meant for another installation of them."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import rasterio

import dunia
from stacgen.raster import gdal_data
from test_build import tree

EXAMPLE = Path(__file__).parents[1] / "catalogs"
PLACE = ["--point", "7.1", "46.4"]
OWN = Path(rasterio.__file__).parent

if not (OWN / "proj_data").is_dir():
    pytest.skip("rasterio has no tables of its own here", allow_module_level=True)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of an installation with an older PROJ, and a GDAL whose tables are gone."""
    folder = tmp_path_factory.mktemp("other")
    shutil.copy(OWN / "proj_data" / "proj.db", folder)
    with sqlite3.connect(folder / "proj.db") as database:
        layout = "key = 'DATABASE.LAYOUT.VERSION.MINOR'"
        database.execute(f"UPDATE metadata SET value = '0' WHERE {layout}")  # noqa: S608 - ours
    database.close()
    named = {name: str(folder) for name in ("PROJ_DATA", "PROJ_LIB", "GDAL_DATA")}
    return {**named, "GDAL_SKIP": "JPEG GTiff COG MEM", "GDAL_DRIVER_PATH": str(folder)}


def run(*command: str, variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, *command],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_tables_are_of_no_use_to_rasterio(other: dict[str, str]) -> None:
    """Or the other tests would show nothing."""
    script = "import rasterio.crs; rasterio.crs.CRS.from_epsg(32629)"
    with pytest.raises(AssertionError, match="comes from another PROJ installation"):
        run("-c", script, variables=other)


def test_a_place_is_plotted_as_ever(other: dict[str, str]) -> None:
    command = ["-m", "stacgen", "plot", f"{EXAMPLE}/32TLS/B01", "--json", *PLACE]
    lines = run(*command, variables=other).stdout.splitlines()
    assert lines == run(*command, variables={}).stdout.splitlines()
    assert all(json.loads(line)["mean"] > 0 for line in lines)


def test_a_build_through_gdal_makes_the_same_files_and_says_what_is_not_used(
    server: dunia.Server, other: dict[str, str], tmp_path: Path
) -> None:
    dunia.publish(server, [dunia.landscape(0)])
    command = ["-m", "stacgen", "build", "29PKR", "B09", "--year", "2025", "--api", server.base]
    command += ["--compress", "zstd", "-v", "-o"]
    said = run(*command, str(tmp_path / "other"), variables=other).stderr
    quiet = run(*command, str(tmp_path / "own"), variables={}).stderr
    for name in other:
        assert f"Note: {name} is not used" in said
        assert name not in quiet
    made = [
        {name: content for name, content in tree(tmp_path / root).items() if name.endswith(".tif")}
        for root in ("own", "other")
    ]
    assert made[0] == made[1]
    assert len(made[0]) == 1


DEEP = """
import sys, rasterio
from pathlib import Path
from rasterio.crs import CRS
try:
    CRS.from_epsg(32629)  # the caller's own use of rasterio, before
    sys.exit("The tables are of use.")
except rasterio.errors.CRSError:
    pass
import stacgen
found = stacgen.validate(sys.argv[1], deep=True, schemas=[Path(sys.argv[1])])
print(found.cogs, [each.text for each in found.findings])
"""


def test_cogs_are_sound_whatever_rasterio_read_before(other: dict[str, str]) -> None:
    done = run("-c", DEEP, str(EXAMPLE), variables={**other, "GDAL_SKIP": ""})
    count, _, findings = done.stdout.partition(" ")
    assert int(count) >= 2  # users build beside the example
    assert findings == "[]\n"


def test_variables_that_mean_what_rasterio_has_are_kept() -> None:
    own = {"PROJ_DATA": str(OWN / "proj_data"), "GDAL_SKIP": "JPEG,PNG", "GDAL_CACHEMAX": "5"}
    environment = dict(own)
    gdal_data.keep_own(environment)
    assert environment == own
    assert list(gdal_data.notes(environment)) == []


def test_the_cache_of_gdal_is_what_the_user_says() -> None:
    script = (
        "import stacgen.raster.gdal as gdal, rasterio\n"
        "with rasterio.Env(**gdal._ENV) as env: print(env.options.get('GDAL_CACHEMAX'))"
    )
    assert run("-c", script, variables={"GDAL_CACHEMAX": "5"}).stdout == "None\n"
    assert run("-c", script, variables={}).stdout == "64000000\n"
