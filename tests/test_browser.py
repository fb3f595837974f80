"""The pages in a real Chromium: from a folder and over HTTP, in the hands of friends and foes.

`STACGEN_SCREENSHOTS=FOLDER pytest tests/test_browser.py -k pictures` leaves pictures of them in
that folder; its `page.png` is the one in the README, `docs/images/page.png`.
"""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rasterio
from PIL import Image
from playwright.sync_api import Browser

import browsing
import stacgen
from browsing import Visit, Visiting
from stacgen.api.build import Upstream
from stacgen.catalog.pages import page
from stacgen.model.stream import Selection

COLLECTION = "29PKR/B09/index.html"
ROOT = "index.html"
PAGES = (ROOT, COLLECTION)
PHONE = {"width": 360, "height": 740}
OUTLINE: dict[str, Any] = {
    "type": "Polygon",
    "coordinates": [[[-11.8, 13.4], [-10.7, 13.4], [-10.7, 14.5], [-11.8, 14.5], [-11.8, 13.4]]],
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visiting]:
    with browsing.visits(browser) as visiting:
        yield visiting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some months of the sample: two bands of a tile, and another tile."""
    root = tmp_path_factory.mktemp("catalog")
    for tile, band, limit in (("29PKR", "B09", 24), ("29PKR", "B01", 3), ("32TLS", "B01", 3)):
        stacgen.build(
            tile,
            band,
            years=[2025],
            wanted=Selection(limit=limit),
            upstream=Upstream(sample=True),
            output=root,
        )
    return root


@pytest.fixture(params=["file", "http"])
def address(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Where the catalog is read: from the folder itself, or from a server."""
    if request.param == "file":
        yield folder.as_uri()
        return
    with browsing.served(folder) as url:
        yield url


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    """Of a server."""
    with browsing.served(folder) as found:
        yield found


def items(folder: Path) -> list[dict[str, Any]]:
    paths = sorted((folder / "29PKR/B09").glob("*/*/T*.json"))
    return [json.loads(path.read_bytes()) for path in paths]


def frames(seen: Visit) -> list[str]:
    """The days of the frames that are shown."""
    shown: list[str] = seen.page.eval_on_selector_all(
        ".frames li",
        "rows => rows.filter(r => r.checkVisibility())"
        ".map(r => r.querySelector('time').dateTime.slice(0, 10))",
    )
    return shown


def days(documents: list[dict[str, Any]]) -> list[str]:
    return sorted(each["properties"]["datetime"][:10] for each in documents)


def snippet(seen: Visit, name: str) -> str:
    return seen.page.get_by_role("region", name=name).inner_text()


def slide(seen: Visit, cloud: int) -> None:
    seen.page.get_by_label("Cloud up to").fill(str(cloud))


@pytest.mark.parametrize("path", PAGES)
def test_thumbnails_are_seen_and_nothing_is_asked_of_others(
    visit: Visiting, address: str, path: str
) -> None:
    seen = visit(f"{address}/{path}")
    seen.see_everything()
    widths = seen.page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) == (24 if path == COLLECTION else 5)
    assert all(widths)
    assert seen.complaints == []
    home = "file://" if address.startswith("file") else address
    assert seen.hosts == {home}


def test_the_page_lists_every_frame_with_date_cloud_and_nodata(
    visit: Visiting, address: str, folder: Path
) -> None:
    seen = visit(f"{address}/{COLLECTION}")
    assert frames(seen) == days(items(folder))
    first = seen.page.locator(".frames li").first.inner_text().split("\n")
    assert first == ["10 January", "0.1 % cloud", "0 % nodata"]


@pytest.mark.parametrize("limit", [0, 20, 60, 99])
def test_the_slider_hides_what_is_cloudier(
    visit: Visiting, address: str, folder: Path, limit: int
) -> None:
    seen = visit(f"{address}/{COLLECTION}")
    slide(seen, limit)
    clear = [each for each in items(folder) if each["properties"]["eo:cloud_cover"] <= limit]
    assert frames(seen) == days(clear)
    assert len(clear) < 24
    assert seen.page.get_by_role("status").inner_text() == f"{len(clear)} of 24 frames"
    assert seen.complaints == []


def partly_known(folder: Path, known: int) -> bytes:
    """The page as it is where only the first frames have figures."""
    document = json.loads((folder / "29PKR/B09/collection.json").read_bytes())
    documents = items(folder)
    for each in documents[known:]:
        del each["properties"]["eo:cloud_cover"]
        del each["properties"]["s2:nodata_pixel_percentage"]
    if not known:
        del document["summaries"]["eo:cloud_cover"]
    return page.collection(
        document,
        documents,
        key="29PKR/B09/collection.json",
        outline=OUTLINE,
        base_url=None,
    )


@pytest.mark.parametrize("known", [0, 12])
def test_frames_of_unknown_cloud_are_shown_until_the_slider_asks_for_less(
    visit: Visiting, folder: Path, address: str, known: int
) -> None:
    (folder / "29PKR/B09/partly.html").write_bytes(partly_known(folder, known))
    seen = visit(f"{address}/29PKR/B09/partly.html", width=390)
    try:
        assert frames(seen) == days(items(folder))
        assert seen.page.get_by_label("Cloud up to").count() == bool(known)
        if known:
            assert seen.page.locator("#cloud-said").inner_text() == "100 % or unknown"
            slide(seen, 99)
            assert seen.page.locator("#cloud-said").inner_text() == "99 %"
            first = items(folder)[:known]
            clear = [each for each in first if each["properties"]["eo:cloud_cover"] <= 99]
            assert frames(seen) == days(clear)
            seen.page.get_by_role("button", name="Show all").click()
            assert seen.page.locator("#cloud-said").inner_text() == "100 % or unknown"
        seen.page.get_by_label("From").fill(days(items(folder))[3])
        assert frames(seen) == days(items(folder))[3:]
        seen.page.locator(".frames a").nth(20).click()
        assert "clearest" not in seen.page.locator(".picked p").first.inner_text()
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
        assert seen.complaints == []
    finally:
        (folder / "29PKR/B09/partly.html").unlink()


def test_dates_narrow_what_is_shown_and_a_button_shows_all_again(
    visit: Visiting, address: str, folder: Path
) -> None:
    seen = visit(f"{address}/{COLLECTION}")
    seen.page.get_by_label("From").fill("2025-03-01")
    seen.page.get_by_label("To", exact=True).fill("2025-03-31")
    assert frames(seen) == ["2025-03-01", "2025-03-11", "2025-03-21", "2025-03-31"]
    slide(seen, 10)
    assert frames(seen) == ["2025-03-01", "2025-03-11"]
    seen.page.get_by_role("button", name="Show all").click()
    seen.page.get_by_text("24 of 24 frames").wait_for()
    assert frames(seen) == days(items(folder))


def test_without_javascript_everything_is_there_and_no_dead_control(
    visit: Visiting, address: str, folder: Path
) -> None:
    seen = visit(f"{address}/{COLLECTION}", java_script_enabled=False)
    assert seen.page.locator(".frames li").count() == 24
    assert seen.page.locator("form, button").filter(visible=True).count() == 0
    link = seen.page.locator(".frames a").first.get_attribute("href")
    assert (folder / "29PKR/B09" / (link or "")).is_file()
    assert 'from_file("collection.json")' in snippet(seen, "odc-stac")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of odc-stac, which Python hides
def test_snippets_run_with_the_addresses_that_the_page_gives(
    visit: Visiting, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")
    seen = visit(f"{address}/{COLLECTION}")
    names: dict[str, Any] = {}
    exec(snippet(seen, "odc-stac"), names)  # noqa: S102 - ours, by way of the browser
    clear = [each for each in items(folder) if each["properties"]["eo:cloud_cover"] <= 20]
    assert names["cube"].sizes["time"] == len(clear)
    assert float(names["reflectance"].B09.isel(time=0).mean()) == pytest.approx(0.25, abs=0.2)
    exec(snippet(seen, "rio-tiler"), names)  # noqa: S102
    assert names["image"].data.shape == (1, 1024, 1024)
    for line in snippet(seen, "GDAL").replace("\\\n", "").splitlines():
        raster = next(word for word in shlex.split(line) if word.endswith(".tif"))
        with rasterio.open(raster) as dataset:
            assert dataset.shape == (1830, 1830)
    layers: list[tuple[str, str]] = []
    qgis = type("Interface", (), {"addRasterLayer": lambda _, *words: layers.append(words)})
    exec(snippet(seen, "QGIS"), {"iface": qgis()})  # noqa: S102
    assert layers == [(raster, "B09")]


def test_the_snippet_of_the_root_opens_the_catalog(
    visit: Visiting, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = visit(f"{address}/{ROOT}")
    exec(snippet(seen, "pystac"), {})  # noqa: S102
    assert capsys.readouterr().out.count("sentinel-2-l2a-") == 5


def test_a_thumbnail_chooses_the_frame_that_snippets_take(visit: Visiting, address: str) -> None:
    seen = visit(f"{address}/{COLLECTION}")
    name = "T29PKR_20250321T113421"
    assert name not in snippet(seen, "GDAL")
    seen.page.get_by_role("link", name="Frame of 21 March 2025").click()
    assert snippet(seen, "GDAL").count(name[:15]) == 4
    chosen = seen.page.locator("[aria-current=true] time")
    assert chosen.get_attribute("datetime", timeout=1000) is not None
    assert "21 March 2025" in seen.page.locator(".picked").inner_text()
    href = seen.page.get_by_role("link", name="STAC Item").get_attribute("href") or ""
    assert name[:15] in href
    assert seen.page.evaluate("scrollY") > 0
    assert seen.page.locator(".ground .on").count() == 1


def test_stac_browser_is_offered_where_it_can_come(visit: Visiting, url: str, folder: Path) -> None:
    port = url.rpartition(":")[2]
    seen = visit(f"{url}/{COLLECTION}")
    link = seen.page.get_by_role("link", name="STAC Browser")
    outside = "https://radiantearth.github.io/stac-browser/#/external"
    assert link.get_attribute("href") == (
        f"{outside}/http:/127.0.0.1:{port}/29PKR/B09/collection.json"
    )
    assert visit((folder / COLLECTION).as_uri()).page.locator("[data-browser]").is_hidden()


def test_a_copied_snippet_is_what_is_shown(visit: Visiting, url: str) -> None:
    seen = visit(f"{url}/{COLLECTION}", permissions=["clipboard-read", "clipboard-write"])
    seen.page.get_by_role("button", name="Copy rio-tiler").click()
    seen.page.get_by_text("Copied").wait_for()
    copied = seen.page.evaluate("navigator.clipboard.readText()")
    assert copied == seen.page.locator("code").nth(1).text_content()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [320, 360, 768, 1600])
def test_no_width_scrolls_sideways(visit: Visiting, url: str, path: str, width: int) -> None:
    seen = visit(f"{url}/{path}", width=width)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_jumps_while_thumbnails_come(visit: Visiting, url: str) -> None:
    seen = visit(f"{url}/{COLLECTION}")
    seen.page.evaluate("""
        window.shifted = 0;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) window.shifted += entry.value;
        }).observe({type: 'layout-shift', buffered: true});
    """)
    seen.see_everything()
    assert seen.page.evaluate("window.shifted") < 0.01


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [360, 1200])
def test_axe_finds_no_fault(visit: Visiting, url: str, path: str, scheme: str, width: int) -> None:
    seen = visit(f"{url}/{path}", color_scheme=scheme, width=width)
    seen.page.evaluate(browsing.axe())
    found = seen.page.evaluate("axe.run()")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    doubts = {each["id"] for each in found["incomplete"]}
    assert doubts <= {"color-contrast"}  # text on SVG, which axe cannot judge
    assert len(found["passes"]) > 20


@pytest.mark.parametrize("path", PAGES)
def test_dark_is_dark_and_light_is_light(visit: Visiting, url: str, path: str) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        seen = visit(f"{url}/{path}", color_scheme=scheme)
        ground = seen.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        shades[scheme] = sum(map(int, ground[4:-1].split(",")))
    assert shades["light"] > 700
    assert shades["dark"] < 100


@pytest.mark.parametrize("path", PAGES)
def test_the_keyboard_leads_past_the_head_and_shows_where_it_is(
    visit: Visiting, url: str, path: str
) -> None:
    seen = visit(f"{url}/{path}")
    seen.page.keyboard.press("Tab")
    skip = seen.page.locator(":focus")
    assert skip.inner_text().startswith("Skip to")
    assert skip.evaluate("link => link.getBoundingClientRect().top") >= 0
    seen.page.keyboard.press("Enter")
    seen.page.keyboard.press("Tab")
    inside = seen.page.locator("main :focus")
    assert inside.count() == 1
    assert inside.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"


INTRUDE = """async (elsewhere) => {
    window.refused = [];
    addEventListener('securitypolicyviolation', (e) => refused.push(e.effectiveDirective));
    const script = document.createElement('script');
    script.textContent = 'window.hacked = true';
    const image = document.createElement('img');
    image.src = elsewhere;
    image.id = 'strange';
    const style = document.createElement('style');
    style.textContent = 'h1 { display: none }';
    document.body.append(script, image, style);
    await fetch('collection.json').catch(() => {});
    document.body.setAttribute('onclick', 'window.hacked = true');
    document.body.click();
    await new Promise((done) => setTimeout(done, 200));
}"""


def test_what_is_put_in_from_outside_does_not_run(visit: Visiting, url: str, folder: Path) -> None:
    seen = visit(f"{url}/{COLLECTION}")
    with browsing.served(folder) as other:
        thumbnail = next(folder.rglob("*.png")).relative_to(folder)
        seen.page.evaluate(INTRUDE, f"{other}/{thumbnail}")
    assert seen.page.evaluate("window.hacked") is None
    assert seen.page.evaluate("document.querySelector('#strange').naturalWidth") == 0
    assert set(seen.page.evaluate("refused")) == {
        *("script-src-elem", "script-src-attr", "img-src", "style-src-elem", "connect-src")
    }


EVIL = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\"'`{{7*7}}"
)


def hostile(folder: Path) -> bytes:
    """The page of a Collection in which whatever is text is an attack."""
    document = json.loads((folder / "29PKR/B09/collection.json").read_bytes())
    documents = items(folder)
    document["title"] = document["description"] = document["id"] = EVIL
    document["summaries"]["processing:version"] = [EVIL]
    document["summaries"]["proj:code"] = [EVIL]
    document["links"] += [
        {"rel": "license", "href": "javascript:window.hacked=3", "title": "run me"},
        {
            "rel": "cite-as",
            "href": "https://doi.example/\"onclick='window.hacked=4'",
            "title": EVIL,
        },
    ]
    for each in documents:
        asset = each["assets"].pop("B09")
        each["assets"][EVIL] = asset
        each["properties"]["title"] = EVIL
    documents[0]["id"] = f"../../{EVIL}"
    del documents[0]["assets"]["thumbnail"]
    documents[1]["assets"]["thumbnail"]["href"] = "http://localhost:9/pixel.png"
    documents[2]["assets"]["thumbnail"]["href"] = "../../\\\\localhost:9\\pixel.png"
    documents[3]["assets"]["thumbnail"]["href"] = "//localhost:9/pixel.png"
    documents[4]["assets"][EVIL]["href"] = "../../javascript:window.hacked=5"
    return page.collection(
        document,
        documents,
        key="29PKR/B09/collection.json",
        outline=OUTLINE,
        base_url=None,
    )


def test_hostile_texts_are_shown_and_not_run(visit: Visiting, folder: Path, address: str) -> None:
    (folder / "29PKR/B09/hostile.html").write_bytes(hostile(folder))
    seen = visit(f"{address}/29PKR/B09/hostile.html")
    try:
        assert seen.page.get_by_role("heading", level=1).inner_text() == EVIL
        assert seen.page.title() == EVIL
        assert EVIL in seen.page.locator("dl").inner_text()
        assert json.dumps(EVIL, ensure_ascii=False) in snippet(seen, "QGIS")
        assert frames(seen) == days(items(folder))
        for thumbnail in (0, 4, 7):
            seen.page.locator(".frames a").nth(thumbnail).click()
        slide(seen, 20)
        assert seen.page.evaluate("window.hacked") is None
        targets = seen.page.eval_on_selector_all("a[href]", "links => links.map(l => l.protocol)")
        assert set(targets) <= {"file:", "http:", "https:"}
        assert not [each for each in seen.requests if "localhost:9" in each]
        assert seen.complaints == []
    finally:
        (folder / "29PKR/B09/hostile.html").unlink()


def test_a_thousand_frames_stay_light(visit: Visiting, url: str, folder: Path) -> None:
    document = json.loads((folder / "29PKR/B09/collection.json").read_bytes())
    few = items(folder)
    many = [
        {**each, "properties": {**each["properties"], "datetime": f"{year}{day[4:]}"}}
        for year in range(1976, 2026)
        for each in few
        for day in [each["properties"]["datetime"]]
    ]
    drawn = page.collection(
        document,
        many,
        key="29PKR/B09/collection.json",
        outline=OUTLINE,
        base_url=None,
    )
    assert len(many) == 1200
    assert len(drawn) < 480_000
    (folder / "29PKR/B09/many.html").write_bytes(drawn)
    seen = visit(f"{url}/29PKR/B09/many.html")
    (folder / "29PKR/B09/many.html").unlink()
    assert len(frames(seen)) == 1200
    assert len([each for each in seen.requests if each.endswith(".png")]) < 200
    begin = seen.page.evaluate("performance.now()")
    slide(seen, 20)
    assert seen.page.evaluate("performance.now()") - begin < 1000
    assert 0 < len(frames(seen)) < 1200


def test_pictures_of_the_pages_are_taken(visit: Visiting, url: str, tmp_path: Path) -> None:
    target = browsing.pictures(tmp_path)
    for name, path, kind in (
        ("collection-light", COLLECTION, {"height": 1220}),
        ("collection-dark", COLLECTION, {"height": 1220, "color_scheme": "dark"}),
        ("collection-phone-dark", COLLECTION, {**PHONE, "color_scheme": "dark"}),
        ("root-light", ROOT, {}),
        ("root-phone-light", ROOT, PHONE),
    ):
        seen = visit(f"{url}/{path}", **kind)
        seen.see_everything()
        seen.page.screenshot(path=target / f"{name}.png", full_page="phone" in name)
        assert (target / f"{name}.png").stat().st_size > 20_000
    with Image.open(target / "collection-light.png") as picture:
        picture.convert("RGB").quantize(128).save(target / "page.png", optimize=True)
    assert (target / "page.png").stat().st_size < 400_000
