"""STAC Browser itself, as npm has it, opens catalogs in a real Chromium and draws their COGs."""

import io
import itertools
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, expect

import browsing
import scenery
import stacgen
from browsing import Visit, Visiting
from stacgen.api.build import Upstream
from stacgen.model.stream import Selection

Serving = Callable[[Path], AbstractContextManager[str]]


@contextmanager
def stacgen_serve(root: Path) -> Iterator[str]:
    """The catalog behind the command `stacgen serve`, at the address that it says."""
    command = [sys.executable, "-m", "stacgen", "serve", str(root), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield re.findall(r"http://\S+", process.stderr.readline())[0]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0


SERVERS: dict[str, Serving] = {"plain files": browsing.served, "stacgen serve": stacgen_serve}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visiting]:
    with browsing.visits(browser) as visiting:
        yield visiting


@pytest.fixture(scope="module")
def program() -> Iterator[str]:
    """URL of STAC Browser."""
    with browsing.served(browsing.stac_browser()) as url:
        yield url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of the sample."""
    root = tmp_path_factory.mktemp("catalog")
    stacgen.build(
        "29PKR",
        "B09",
        years=[2025],
        wanted=Selection(limit=3),
        upstream=Upstream(sample=True),
        output=root,
    )
    return root


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of four fields, each of a colour of its own, with its picture in true colour."""
    root = tmp_path_factory.mktemp("coloured")
    fields = {
        "B04": (1300, 2900, 1700, 1500),
        "B03": (1900, 2100, 2300, 1500),
        "B02": (1300, 1500, 2900, 1500),
    }
    half = scenery.SIZE // 2
    pixels = {
        band: np.kron(np.reshape(values, (2, 2)), np.ones((half, half))).astype(np.uint16)
        for band, values in fields.items()
    }
    scenery.file(root, [(scenery.shot(0, cloud_cover=3.0), pixels)])
    assert all(each.size for each in stacgen.rgb(root, "29PKR"))
    return root


@pytest.fixture(params=SERVERS)
def catalog(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """URL of the catalog's root."""
    with SERVERS[request.param](folder) as url:
        yield url


def external(program: str, url: str) -> str:
    """The address at which STAC Browser shows a document, in the manner of the pages' links."""
    return f"{program}/#/external/{url.replace('://', ':/')}"


def test_it_leads_from_the_root_to_the_thumbnails(
    visit: Visiting, program: str, catalog: str
) -> None:
    seen = visit(external(program, f"{catalog}/catalog.json"))
    links = "29PKR", "Sentinel-2 L2A 29PKR B09 (60 m)", "2025"
    for name in links:
        seen.page.get_by_role("main").get_by_role("link", name=name, exact=True).click()
    thumbnails = seen.page.locator("img[src$='thumbnail.png']")
    expect(thumbnails).to_have_count(3)
    seen.page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth)")
    titles = seen.page.get_by_role("link", name=re.compile("29PKR B09, 2025-01-"))
    expect(titles).to_have_count(3)


def test_the_collection_links_its_page(visit: Visiting, program: str, catalog: str) -> None:
    seen = visit(external(program, f"{catalog}/29PKR/B09/collection.json"))
    link = seen.page.locator("a[href$='/29PKR/B09/index.html']")
    expect(link).to_have_count(1)


def test_the_link_of_a_page_is_one_that_it_understands(
    visit: Visiting, program: str, catalog: str
) -> None:
    page = visit(f"{catalog}/29PKR/B09/index.html").page
    href = page.get_by_role("link", name="STAC Browser").get_attribute("href") or ""
    own = href.replace("https://radiantearth.github.io/stac-browser", program)
    seen = visit(own)
    expect(seen.page.get_by_role("heading", level=1)).to_have_text(
        "Sentinel-2 L2A 29PKR B09 (60 m)"
    )


def test_it_draws_the_cog_from_ranges(
    visit: Visiting, program: str, catalog: str, folder: Path, tmp_path: Path
) -> None:
    document = next((folder / "29PKR/B09/2025").glob("T29PKR_20250110*/T*.json"))
    key = document.relative_to(folder).as_posix()
    seen = visit("about:blank")
    parts: list[str] = []
    seen.page.on("request", lambda r: parts.append(f"{r.url} {r.headers.get('range')}"))
    seen.page.goto(external(program, f"{catalog}/{key}"))
    expect(seen.page.get_by_text(re.compile(r"^\s*shown\s*$", re.IGNORECASE)).first).to_be_visible()
    cog = document.with_suffix(".tif")
    drawn = within_the_outline(seen).mean(2)
    seen.page.screenshot(path=browsing.pictures(tmp_path) / "stac-browser.png")
    with rasterio.open(cog) as dataset:
        truth = coarse(dataset.read(1).astype(np.float64))
    assert likeness(coarse(drawn), truth) > 0.85
    assert likeness(coarse(drawn), truth[::-1]) < 0.5
    asked = [each for each in parts if cog.name in each]
    assert asked
    assert all("bytes=" in each for each in asked)


@pytest.mark.parametrize("serving", SERVERS.values(), ids=SERVERS)
def test_it_draws_a_scene_in_the_colours_of_its_picture(
    visit: Visiting, program: str, serving: Serving, coloured: Path, tmp_path: Path
) -> None:
    document = next(coloured.glob("29PKR/scenes/*/*/T*.json"))
    with serving(coloured) as url:
        key = document.relative_to(coloured).as_posix()
        seen = visit(external(program, f"{url}/{key}"))
        drawn = within_the_outline(seen)
        seen.page.screenshot(path=browsing.pictures(tmp_path) / "stac-browser-colour.png")
        seen.page.get_by_role("tab", name="Thumbnails").click()
        thumbnail = seen.page.locator("img[src$='thumbnail.png']")
        expect(thumbnail).to_be_visible()
        assert thumbnail.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        seen.page.screenshot(path=browsing.pictures(tmp_path) / "stac-browser-thumbnail.png")
    with rasterio.open(next(coloured.rglob("*_visual.tif"))) as dataset:
        truth = np.moveaxis(dataset.read(), 0, -1)
    assert np.ptp(truth.reshape(-1, 3), axis=0).min() > 100
    for row, column in itertools.product((0.25, 0.75), repeat=2):
        shown, stored = (at(picture, row, column) for picture in (drawn, truth))
        assert abs(shown - stored).max() <= 3


def at(picture: NDArray[Any], row: float, column: float) -> NDArray[np.float64]:
    """The colour at a place that is given in parts of the picture's height and width."""
    rows, columns, _ = picture.shape
    colour: NDArray[np.float64] = picture[int(row * rows), int(column * columns)]
    return colour.astype(np.float64)


def within_the_outline(seen: Visit) -> NDArray[np.float64]:
    """Colours (rows, columns, 3) within the blue outline of the footprint, when all are drawn.

    Tiles come one after another, so two pictures must be alike.
    """
    view = seen.page.locator(".ol-viewport")
    before = b""
    for _ in range(40):
        now = view.screenshot()
        rgb = np.asarray(Image.open(io.BytesIO(now)).convert("RGB")).astype(np.float64)
        blue = (rgb[..., 2] > 180) & (rgb[..., 0] < 90)
        rows, columns = np.flatnonzero(blue.sum(1) > 40), np.flatnonzero(blue.sum(0) > 40)
        if now == before and len(rows) > 1 and len(columns) > 1:
            drawn = rgb[rows[0] + 4 : rows[-1] - 4, columns[0] + 4 : columns[-1] - 4]
            if drawn.std() > 5:
                return drawn
        before = now
        seen.page.wait_for_timeout(500)
    pytest.fail("nothing was drawn")


def coarse(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 24 by 24 fields, in which a pixel beside its place makes no difference."""
    picture = Image.fromarray(values.astype(np.float32))
    return np.asarray(picture.resize((24, 24), Image.Resampling.BOX)).astype(np.float64)


def likeness(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Correlation, from -1 to 1."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
