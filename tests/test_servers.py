"""A catalog built into a bucket is one that its readers can read there."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
from pystac.stac_io import DefaultStacIO

from crashes import tree
from servers import Service
from stacgen.io.folder import Folder
from stacgen.io.stores import open_store
from stacgen.model.protocols import Store
from test_build import timeless

BUILD = ("build", "29PKR", "B01", "--year", "2025", "--sample", "--limit", "2", "--quiet")


def stacgen(*arguments: str, environment: Mapping[str, str]) -> str:
    """Run the command as users do, with that in its environment; what it said to stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "stacgen", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def state(store: Store) -> dict[str, tuple[int, Any]]:
    """Size and time of everything that lies there."""
    return {entry.key: (entry.size, entry.modified) for entry in store.list("")}


class BucketIO(DefaultStacIO):
    """pystac's reader, which gets its bytes from the bucket."""

    def __init__(self, url: str, store: Store) -> None:
        super().__init__()
        self._url = url
        self._store = store

    def read_text_from_href(self, href: str, *_: Any, **__: Any) -> str:  # noqa: ANN401 - pystac
        """The document at a URL under the root's."""
        content = self._store.read(href.removeprefix(f"{self._url}/"))
        assert content is not None, href
        return content.decode()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The same build into a folder."""
    root = tmp_path_factory.mktemp("expected")
    stacgen(*BUILD, "-o", str(root), environment={})
    return Folder(root)


@pytest.fixture(scope="module", params=["moto", "ceph", "azurite"])
def built(request: pytest.FixtureRequest) -> tuple[Service, str]:
    """A bucket, and the URL in it of a catalog that was built there."""
    service: Service = request.getfixturevalue(request.param)
    url = f"{service.bucket()}/sentinel-2/frames"
    stacgen(*BUILD, "-o", url, environment=service.environment)
    return service, url


def test_a_bucket_holds_what_a_folder_would_and_a_second_run_writes_nothing(
    built: tuple[Service, str], expected: Folder
) -> None:
    service, url = built
    store = open_store(url, service.options)
    first = state(store)
    assert sorted(first) == sorted(entry.key for entry in expected.list(""))
    assert timeless(tree(store)) == timeless(tree(expected))
    stacgen(*BUILD, "-o", url, environment=service.environment)
    assert state(store) == first


def test_pystac_and_gdal_read_the_catalog_in_its_bucket(
    built: tuple[Service, str], expected: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, url = built
    store = open_store(url, service.options)
    root = pystac.Catalog.from_file(f"{url}/catalog.json", stac_io=BucketIO(url, store))
    items = list(root.get_items(recursive=True))
    assert len(items) == 2 + 2  # frames, and their scenes over the same COGs
    driver = "vsiaz" if service.scheme == "az" else "vsis3"
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value)
    for item in items:
        href = item.assets["B01"].get_absolute_href()
        assert href is not None
        with rasterio.open(f"/{driver}/{href.partition('//')[2]}") as source:
            pixels = source.read(1)
        with rasterio.open(Path(expected.address) / href.removeprefix(f"{url}/")) as source:
            assert np.array_equal(pixels, source.read(1))
