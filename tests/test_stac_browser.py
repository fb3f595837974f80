"""STAC Browser itself, as npm has it, opens the catalog in a real Chromium and draws a COG."""

import io
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
import typer
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, expect

import browsing
import stacgen
from browsing import Visiting
from stacgen import cli
from stacgen.library import Upstream
from stacgen.models import Selection

COMMANDS = vars(typer.main.get_command(cli.app))["commands"]
Serving = Callable[[Path], AbstractContextManager[str]]


@contextmanager
def stacgen_serve(root: Path) -> Iterator[str]:
    """The catalog behind `stacgen serve`, on a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "stacgen", "serve", str(root), "--port", str(port)]
    process = subprocess.Popen(command)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


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


@pytest.fixture(params=SERVERS)
def catalog(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """URL of the catalog's root."""
    if request.param == "stacgen serve" and "serve" not in COMMANDS:
        pytest.skip("this stacgen has no command serve")
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
    view = seen.page.locator(".ol-viewport")
    for _ in range(50):
        drawn = inside_the_outline(view.screenshot())
        if drawn is not None and drawn.std() > 5:
            break
        seen.page.wait_for_timeout(200)
    seen.page.screenshot(path=browsing.pictures(tmp_path) / "stac-browser.png")
    assert drawn is not None
    with rasterio.open(cog) as dataset:
        truth = coarse(dataset.read(1).astype(np.float64))
    assert likeness(coarse(drawn[4:-4, 4:-4]), truth) > 0.85
    assert likeness(coarse(drawn[4:-4, 4:-4]), truth[::-1]) < 0.5
    asked = [each for each in parts if cog.name in each]
    assert asked
    assert all("bytes=" in each for each in asked)


def inside_the_outline(screenshot: bytes) -> NDArray[np.float64] | None:
    """Grey values of what lies within the blue outline of the footprint, if there is one yet."""
    rgb = np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB")).astype(int)
    blue = (rgb[..., 2] > 180) & (rgb[..., 0] < 90)
    rows, columns = np.flatnonzero(blue.sum(1) > 40), np.flatnonzero(blue.sum(0) > 40)
    if len(rows) < 2 or len(columns) < 2:
        return None
    grey: NDArray[np.float64] = rgb[rows[0] : rows[-1], columns[0] : columns[-1]].mean(2)
    return grey


def coarse(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 24 by 24 fields, in which a pixel beside its place makes no difference."""
    picture = Image.fromarray(values.astype(np.float32))
    return np.asarray(picture.resize((24, 24), Image.Resampling.BOX)).astype(np.float64)


def likeness(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Correlation, from -1 to 1."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
