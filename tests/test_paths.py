"""Roots with odd characters: their files are found by pystac and GDAL, or the root is refused."""

from pathlib import Path

import pystac
import pytest
import rasterio
import requests

import stacgen
from items import Scene, file
from stacgen.api import search
from stacgen.catalog.commit import check_address, check_root
from stacgen.errors import UsageError
from stacgen.io.folder import Folder
from stacgen.io.stores import open_store
from stacgen.raster.gdal import opened

NAMES = ["a b", "a%20b", "a%", "a'b\"c", "ü é 漢", "x" * 200, "a&b=c;d,e+f", "[ab]*", "a:b"]
REFUSED = ["a#b", "a?b", "a\nb", "a\tb", "c\\d"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_found_by_its_readers(tmp_path: Path, name: str) -> None:
    """pystac, `search` with GDAL, GDAL through stacgen, a list, and `serve`."""
    root = tmp_path / name
    store = open_store(root)
    check_root(store, is_sample=False)
    file(store, [Scene(day="2025-03-02")])
    for item in stacgen.search(root):
        for asset in item.assets.values():
            path = Path(asset.href)
            if path.suffix != ".tif":
                path.write_bytes(b"")
            else:
                _write_tif(path)
                with rasterio.open(asset.href) as dataset:
                    assert dataset.width == 8
    items = list(pystac.Catalog.from_file(str(root / "catalog.json")).get_items(recursive=True))
    hrefs = [asset.get_absolute_href() for item in items for asset in item.assets.values()]
    assert hrefs
    assert all(Path(href or "").is_file() for href in hrefs)
    with opened(store, str(Path(hrefs[0] or "").relative_to(root))) as dataset:
        assert dataset.width == 8
    assert sum(1 for _ in store.list("")) == sum(path.is_file() for path in root.rglob("*"))
    with search.serve(root, port=0) as base:
        found = requests.get(f"{base}/search", timeout=60).json()["features"][0]
        href = next(iter(found["assets"].values()))["href"]
        assert requests.get(href, timeout=60).status_code == 200


def _write_tif(path: Path) -> None:
    shape = {"width": 8, "height": 8, "count": 1, "dtype": "uint16"}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        crs="EPSG:32629",
        transform=rasterio.Affine(60, 0, 0, 0, -60, 0),
        **shape,
    ):
        pass


@pytest.mark.parametrize("name", REFUSED)
def test_a_root_that_pystac_would_look_for_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """The oracle is pystac itself: it does not find a catalog there."""
    root = tmp_path / name
    root.mkdir()
    (root / "catalog.json").write_text(
        '{"type": "Catalog", "id": "x", "stac_version": "1.1.0", "description": "x", "links": []}'
    )
    with pytest.raises((OSError, pystac.STACError, ValueError)):
        pystac.Catalog.from_file(str(root / "catalog.json"))
    with pytest.raises(UsageError, match="No catalog can be kept at"):
        check_root(Folder(root), is_sample=False)
    with pytest.raises(UsageError, match="Rename the folder, or choose another"):
        check_address(f"s3://bucket/{name}")
