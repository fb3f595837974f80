"""The recipes of docs/howto.md for other tools: each with the real one, in a venv of its own."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import requests
import shapely
from rasterio.io import MemoryFile

import dunia
import stacgen
from stacgen.api.build import Upstream
from stacgen.api.search import search_table
from stacgen.model.stream import Selection

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

HOWTO = Path(__file__).parents[1] / "docs" / "howto.md"
RECIPE = re.compile(
    r"^<!-- in a venv of its own: (?P<packages>[^>]+) -->\n```python\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SHELL = re.compile(r"^```sh\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)

Venv = Callable[..., Path]
"""The folder of the programs of a venv that has some packages."""


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Venv:
    def make(*packages: str) -> Path:
        programs = tmp_path_factory.mktemp("venv") / "bin"
        subprocess.run([sys.executable, "-m", "venv", programs.parent], check=True)
        done = subprocess.run(
            [programs / "pip", "install", "--quiet", *packages],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"pip cannot install {' '.join(packages)}: {done.stderr.splitlines()[-1]}")
        return programs

    return make


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `catalogs` holds 29PKR B09 2025."""
    place = tmp_path_factory.mktemp("recipes")
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(3)])
        upstream = Upstream(api=server.base)
        output = place / "catalogs"
        report = stacgen.build("29PKR", "B09", years=[2025], output=output, upstream=upstream)
    assert len(report.built) == 3
    return place


def run(package: str, venv: Venv, folder: Path) -> str:
    """What the recipe that needs a package prints."""
    found = next(each for each in RECIPE.finditer(HOWTO.read_text()) if package in each["packages"])
    python = venv(*found["packages"].split()) / "python"
    done = subprocess.run(
        [python, "-c", found["body"]], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def items(folder: Path, tile: str = "29PKR", name: str = "B09") -> list[pystac.Item]:
    collection = pystac.Collection.from_file(
        str(folder / "catalogs" / tile / name / "collection.json")
    )
    return list(collection.get_items(recursive=True))


def pixels(item: pystac.Item) -> Any:  # noqa: ANN401 - rasterio has no types
    with rasterio.open(item.assets["B09"].get_absolute_href()) as dataset:
        return dataset.read(1)


def test_every_recipe_is_run_here() -> None:
    packages = [each["packages"].split()[0] for each in RECIPE.finditer(HOWTO.read_text())]
    assert packages == ["stackstac", "rasterstats", "duckdb"]


def test_stackstac_reads_the_digital_numbers(venv: Venv, folder: Path) -> None:
    total = sum(int(pixels(item).sum(dtype=np.uint64)) for item in items(folder))
    assert run("stackstac", venv, folder).split() == ["3", "1", "1830", "1830", str(total)]


def test_rasterstats_and_exactextract_measure_a_polygon(venv: Venv, folder: Path) -> None:
    """Its edges are those of pixels, so that both mean the same pixels."""
    field = geopandas.GeoSeries([shapely.box(229980, 1530060, 259980, 1560060)], crs=32629)
    field.to_crs(4326).to_file(folder / "field.geojson", driver="GeoJSON")
    inside = pixels(items(folder)[0])[666:1166, 500:1000].astype(np.float64)
    number, *reflectances = map(float, re.findall(r"\d+\.\d+", run("rasterstats", venv, folder)))
    assert number == pytest.approx(inside.mean(), abs=0.5)
    assert reflectances == pytest.approx([inside.mean() * 0.0001 - 0.1] * 2, abs=1e-4)


def test_duckdb_queries_the_table_of_items(venv: Venv, folder: Path) -> None:
    clear = [each for each in items(folder) if each.properties["eo:cloud_cover"] < 20]
    lines = run("duckdb", venv, folder).splitlines()
    assert [line.split()[0] for line in lines] == [each.id for each in clear]
    assert 0 < len(lines) < 3


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_titiler_draws_the_renders_of_an_item(venv: Venv, folder: Path) -> None:
    """The tile is the band, stretched as the Item says."""
    programs, (item, *_) = venv("titiler.application", "uvicorn"), items(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(programs / "uvicorn"), "titiler.application.main:app", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}/stac"
        told = get(f"{base}/renders", url=item.get_self_href()).json()["renders"]
        assert list(told) == ["grey"]
        assert told["grey"]["valid"]
        (href,) = [each["href"] for each in told["grey"]["links"] if "tilejson" in each["href"]]
        tiles = get(href.replace("%7BtileMatrixSetId%7D", "WebMercatorQuad")).json()["tiles"]
        picture = get(tiles[0].format(z=9, x=239, y=235)).content
        plain = get(
            f"{base}/tiles/WebMercatorQuad/9/239/235.tif?tilesize=512",
            url=item.get_self_href(),
            assets="B09",
        ).content
    finally:
        server.terminate()
        server.wait(10)
    with MemoryFile(picture) as file, file.open() as drawn, MemoryFile(plain) as raw:
        grey, valid = drawn.read(1).astype(float), drawn.read(drawn.count) > 0
        with raw.open() as dataset:
            numbers = dataset.read(1).astype(float)
    assert valid.any()
    wanted = np.clip((numbers - 1000) / 4000 * 255, 0, 255)
    np.testing.assert_allclose(grey[valid], wanted[valid], atol=1)


def get(address: str, /, **params: str | None) -> requests.Response:
    """An answer of a server that may have just been started."""
    for _ in range(300):
        with suppress(requests.ConnectionError):
            answer = requests.get(address, params=params, timeout=60)
            assert answer.ok, answer.text
            return answer
        time.sleep(0.1)
    pytest.fail(f"nothing answers at {address}")


@pytest.fixture
def postgres() -> Iterator[dict[str, str]]:
    """A PostgreSQL with PostGIS, as the variables by which clients find it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or not list(Path("/usr/share/postgresql").glob("*/extension/postgis.control")):
        pytest.skip("no PostgreSQL with PostGIS: apt-get install postgresql postgresql-postgis")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    programs = found[-1].parent
    home = Path(tempfile.mkdtemp(prefix="stacgen-postgres-"))
    other = [] if os.geteuid() else ["runuser", "-u", "postgres", "--"]
    if other:
        shutil.chown(home, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    control = [*other, str(programs / "pg_ctl"), "-D", str(home / "data"), "--silent"]
    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        subprocess.run(
            [*control, "initdb", "-o", "-A trust -U postgres"], check=True, cwd="/", timeout=120
        )
        subprocess.run(
            [*control, "start", "-w", "-o", options, "-l", str(home / "log")],
            check=True,
            cwd="/",
            timeout=60,
        )
        yield {
            "PGHOST": "127.0.0.1",
            "PGPORT": port,
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
        }
    finally:
        subprocess.run([*control, "stop", "-m", "immediate"], check=False, cwd="/", timeout=60)
        shutil.rmtree(home)


def test_pgstac_gives_back_what_was_loaded(
    venv: Venv, folder: Path, postgres: dict[str, str]
) -> None:
    """All but the nulls, which pgSTAC drops; and it puts other links there."""
    if shutil.which("jq") is None or shutil.which("psql") is None:
        pytest.skip("no jq, or no psql")
    programs = venv("pypgstac[psycopg]", "pystac")
    section = HOWTO.read_text().partition("## Load it into pgSTAC\n")[2]
    match = SHELL.search(section)
    assert match is not None
    script = re.sub(r"^pip install .*\n", "", match["body"])
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, **postgres, "PATH": path}
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, check=True
    )

    def ask(query: str) -> Any:  # noqa: ANN401 - JSON
        command = ["psql", "-qAt", "-c", "set search_path=pgstac,public", "-c", query]
        return json.loads(subprocess.check_output(command, env=environment))

    wanted = [item.to_dict() for item in stacgen.search(folder / "catalogs")]
    found = ask("select search('{\"limit\": 100}')")["features"]
    assert len(found) == len(wanted) == 6
    ours, theirs = (
        {(each["id"], each["collection"]): comparable(each) for each in several}
        for several in (wanted, found)
    )
    assert ours == theirs
    collections = {each["id"]: each for each in ask("select all_collections()")}
    for path_ in (folder / "catalogs").glob("*/*/collection.json"):
        document = json.loads(path_.read_bytes())
        assert collections[document["id"]]["item_assets"] == document["item_assets"]
        assert collections[document["id"]]["renders"] == document["renders"]


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """An Item without links, and without what is null."""
    assets = {
        key: {name: value for name, value in asset.items() if value is not None}
        for key, asset in document["assets"].items()
    }
    return {**document, "assets": assets, "links": []}


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `catalogs` holds neighbours in two UTM zones, and a tile across 180 degrees."""
    place = tmp_path_factory.mktemp("edges")
    for tile in ("28PHA", "29PKR", "01KAB"):
        stacgen.build(
            tile,
            "B09",
            years=[2025],
            wanted=Selection(limit=1),
            upstream=Upstream(sample=True),
            output=place / "catalogs",
        )
    return place


def test_tiles_of_two_zones_become_one_mosaic(edges: Path) -> None:
    """It shows ground that only one of the tiles has, on either side."""
    pair = [*items(edges, "28PHA", "scenes"), *items(edges, "29PKR", "scenes")]
    mosaic = odc.stac.load(
        pair, bands=["B09"], crs="EPSG:32629", resolution=60, groupby=lambda *_: 0, chunks={}
    ).B09.isel(time=0)
    alone = odc.stac.load(pair[1:], bands=["B09"], resolution=60).B09.isel(time=0)
    assert mosaic.sizes["x"] > 1.4 * alone.sizes["x"]
    values = mosaic.sel(x=alone.x, y=alone.y).values
    only = (alone.values > 0) & (mosaic.x.sel(x=alone.x).values > 280_000)
    np.testing.assert_array_equal(values[only], alone.values[only])
    assert (mosaic.sel(x=slice(None, 190_000)).values > 0).mean() > 0.9


def test_degrees_lose_pixels_at_180_degrees(edges: Path) -> None:
    (item,) = items(edges, "01KAB", "scenes")
    assert item.bbox is not None
    assert item.bbox[0] > item.bbox[2]
    around = odc.stac.load([item], bands=["B09"], crs="EPSG:4326", resolution=0.001, chunks={})
    assert around.sizes["longitude"] == 360_000
    east = (-180, -17.2, -179.8, -16.3)
    lost = odc.stac.load([item], bands=["B09"], crs="EPSG:4326", resolution=0.001, bbox=east)
    assert (lost.B09.values > 0).mean() < 0.9
    for crs in ("EPSG:32701", "EPSG:3832"):
        whole = odc.stac.load([item], bands=["B09"], bbox=east, crs=crs, resolution=60)
        assert (whole.B09.values > 0).all()


def test_geopandas_loses_rows_at_180_degrees_by_bbox_and_not_by_footprint(edges: Path) -> None:
    content, _, _ = search_table(edges / "catalogs")
    table = edges / "found.parquet"
    table.write_bytes(content)
    box = (179, -18, 180, -15)
    assert not len(geopandas.read_parquet(table, bbox=box))
    found = geopandas.read_parquet(table).cx[box[0] : box[2], box[1] : box[3]]
    asked = stacgen.search(edges / "catalogs", bbox=box)
    assert sorted(found.id) == sorted(item.id for item in asked)
    assert len(found) == 2
