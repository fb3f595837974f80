"""Rows of a table are Items to pystac and stac_geoparquet, and lead odc-stac to the pixels."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import odc.stac
import pyarrow.parquet as pq
import pystac
import pytest
import rasterio
import requests
import shapely
from stac_geoparquet.arrow import stac_table_to_items

import stacgen
from stacgen.api.build import Upstream
from stacgen.catalog import validate
from stacgen.errors import UsageError
from stacgen.io.folder import Folder
from stacgen.model.stream import Selection
from test_mirror import without_nulls

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


SERVER = """
import sys
from pathlib import Path
from browsing import served
with served(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder from a process of its own: GDAL may hold Python's lock while it reads."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog without a public URL: two frames of a band of 60 m, and their scenes."""
    folder = tmp_path_factory.mktemp("catalog")
    stacgen.build(
        "29PKR",
        "B09",
        years=[2025],
        wanted=Selection(limit=2),
        upstream=Upstream(sample=True),
        output=folder,
    )
    return folder


@pytest.fixture(scope="module")
def public(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a catalog that was published with its URL."""
    folder = tmp_path_factory.mktemp("public")
    with served(folder) as url:
        stacgen.publish(root, folder, base_url=url)
        assert not validate.validate(Folder(folder), problems=None, deep=True).findings
        yield url


@pytest.fixture(params=["folder", "web server", "published"])
def place(request: pytest.FixtureRequest, root: Path) -> Iterator[tuple[str, bool]]:
    """The address of a catalog, and true if its tables need no address."""
    if request.param == "published":
        yield request.getfixturevalue("public"), True
    elif request.param == "folder":
        yield str(root), False
    else:
        with served(root) as url:
            yield url, False


def rows(address: str, folder: Path) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The table at an address."""
    if "://" not in address:
        return pq.read_table(address)
    path = folder / "items.parquet"
    path.write_bytes(requests.get(address, timeout=10).content)
    return pq.read_table(path)


@pytest.mark.parametrize("reader", ["pystac", "stac_geoparquet"])
@pytest.mark.parametrize("collection", ["29PKR/B09", "29PKR/scenes"])
def test_an_item_read_from_a_table_finds_its_files(
    place: tuple[str, bool], tmp_path: Path, reader: str, collection: str
) -> None:
    """The pixels that odc-stac loads are those of the COG."""
    catalog, is_absolute = place
    address = f"{catalog}/{collection}/items.parquet"
    table = rows(address, tmp_path)
    found = stac_table_to_items(table) if reader == "stac_geoparquet" else table.to_pylist()
    href = None if is_absolute else address
    items = [read(row, href, reader) for row in found]
    assert len(items) == 2
    for item in items:
        hrefs = {name: asset.get_absolute_href() for name, asset in item.assets.items()}
        assert all(href is not None and href.startswith(catalog) for href in hrefs.values())
        loaded = odc.stac.load([item], bands=["B09"])
        with rasterio.open(hrefs["B09"]) as dataset:
            assert (loaded.B09.values[0] == dataset.read(1)).all()
            assert loaded.B09.values.any()


def read(row: dict[str, Any], href: str | None, reader: str) -> pystac.Item:
    """A row as pystac's Item; pystac's own rows have properties as columns."""
    row = without_nulls(row)
    if reader == "pystac":
        row = as_item(row)
    return pystac.Item.from_dict(row, href=href)


def as_item(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table as an Item: columns that are no fields of an Item are its properties."""
    top = {"type", "stac_version", "stac_extensions", "id", "collection", "links", "assets"}
    properties = {key: value for key, value in row.items() if key not in {*top, "geometry", "bbox"}}
    times = {key: value.isoformat() for key, value in properties.items() if key in TIMES}
    box = row["bbox"]
    return {
        **{key: row[key] for key in top if key in row},
        "type": "Feature",
        "geometry": shapely.geometry.mapping(shapely.from_wkb(row["geometry"])),
        "bbox": [box[edge] for edge in ("xmin", "ymin", "xmax", "ymax")],
        "properties": {**properties, **times},
    }


TIMES = ("datetime", "created", "updated")


def search(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `stacgen search`."""
    command = [sys.executable, "-m", "stacgen", "search", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_search_writes_one_table_with_absolute_hrefs(root: Path, tmp_path: Path) -> None:
    """Other readers open it wherever it lies, and find the Items' files."""
    output = tmp_path / "found.parquet"
    done = search(str(root), "-o", str(output))
    assert done.returncode == 0, done.stderr
    found = geopandas.read_parquet(output)
    assert found.crs.to_string() == "OGC:CRS84"
    assert sorted(found.id) == sorted(item.id for item in stacgen.search(root))
    assert len(found) == 4
    for row in stac_table_to_items(pq.read_table(output)):
        item = pystac.Item.from_dict(without_nulls(row))
        assert item.get_self_href() is not None
        assert pystac.Item.from_file(str(item.get_self_href())).id == item.id
        for asset in item.assets.values():
            assert Path(asset.href).is_absolute()
            assert Path(asset.href).is_file()
        assert odc.stac.load([item], bands=["B09"], chunks={}).B09.size


def test_search_that_finds_nothing_writes_no_table(root: Path, tmp_path: Path) -> None:
    """A table without rows would have no columns."""
    output = tmp_path / "found.parquet"
    done = search(str(root), "--ids", "none", "-o", str(output))
    assert done.returncode == UsageError.exit_code
    assert "No Item answers" in done.stderr
    assert not output.exists()
