"""Pages as documents: what is in them, when they are drawn, and when they are let be."""

import html
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import dunia
import stacgen
from stacgen.api.build import Labour, Upstream
from stacgen.catalog.pages import page
from stacgen.catalog.pages.item_summary import of_item
from stacgen.catalog.pages.svg import WIDTH, Map
from stacgen.io.bucket import Bucket
from stacgen.model.outcomes import Report
from stacgen.model.request import Shard
from stacgen.model.stream import Selection
from test_build import HASTY, tree

KEY = "29PKR/B09/collection.json"
PAGE = "29PKR/B09/index.html"
OUTLINE: dict[str, Any] = {
    "type": "Polygon",
    "coordinates": [[[-11.8, 13.4], [-10.7, 13.4], [-10.7, 14.5], [-11.8, 14.5], [-11.8, 13.4]]],
}
Build = Callable[..., Report]


@pytest.fixture(scope="module")
def upstream() -> Any:  # noqa: ANN401 - a generator of one Upstream
    """Five frames of 29PKR B09 2025, and one of B01."""
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(5)])
        dunia.publish(server, [dunia.landscape(0)], band="B01")
        yield Upstream(api=server.base, patience=HASTY)


@pytest.fixture
def build(upstream: Upstream, tmp_path: Path) -> Build:
    """Build 29PKR B09 2025 into tmp_path, unless told otherwise."""

    def call(band: str = "B09", **changes: Any) -> Report:  # noqa: ANN401
        options = {"years": [2025], "output": tmp_path, "upstream": upstream, **changes}
        return stacgen.build("29PKR", band, **options)

    return call


class Reader(HTMLParser):
    """The tags that a page opens, and whether each is closed in turn."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(raw.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of the base class; an attribute comes once."""
        assert len({name for name, _ in attrs}) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of the base class."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Of the base class; it closes what was opened last."""
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]


def collection_of(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((root / KEY).read_bytes())
    return document


def items_of(root: Path) -> list[dict[str, Any]]:
    paths = sorted((root / "29PKR/B09").glob("*/*/T*.json"))
    return [json.loads(path.read_bytes()) for path in paths]


def draw(root: Path, items: list[dict[str, Any]], **changes: Any) -> bytes:  # noqa: ANN401
    options = {"key": KEY, "outline": OUTLINE, "base_url": None, **changes}
    return page.collection(collection_of(root), items, **options)


def test_a_build_leaves_a_page_a_collection_and_one_of_the_root(
    build: Build, tmp_path: Path
) -> None:
    build("B01,B09")
    pages = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.html"))
    assert pages == ["29PKR/B01/index.html", PAGE, "29PKR/scenes/index.html", "index.html"]
    for path in pages:
        read = Reader((tmp_path / path).read_bytes())
        assert not read.open
        for link in [*read.all("a"), *read.all("img"), *read.all("link")]:
            href = link.get("href") or link.get("src") or ""
            if href and not href.startswith(("#", "data:", "https:")):
                assert ((tmp_path / path).parent / href).is_file(), href
    assert [link for link in collection_of(tmp_path)["links"] if link["rel"] == "alternate"] == [
        {
            "rel": "alternate",
            "href": "./index.html",
            "type": "text/html",
            "title": "Sentinel-2 L2A 29PKR B09 (60 m)",
        }
    ]


def test_a_page_names_no_local_path_and_loads_nothing_from_elsewhere(
    build: Build, tmp_path: Path
) -> None:
    build()
    for path in tmp_path.rglob("*.html"):
        text = path.read_text()
        assert str(tmp_path) not in text
        read = Reader(path.read_bytes())
        assert not {tag for tag, _ in read.tags} & {"iframe", "object", "embed", "base", "form "}
        sources = [
            each[name] for _, each in read.tags for name in ("src", "srcset") if name in each
        ]
        assert not [each for each in sources if "//" in (each or "")]
        assert not re.search(r"@import|url\(", text)
        assert "default-src 'none'" in (read.all("meta")[1]["content"] or "")


def test_the_second_run_writes_nothing_and_does_not_load_jinja(
    build: Build, upstream: Upstream, tmp_path: Path
) -> None:
    build()
    before = tree(tmp_path)
    script = (
        "import sys, stacgen; from stacgen.api.build import Upstream;"
        f"stacgen.build('29PKR', 'B09', years=[2025], output={str(tmp_path)!r},"
        f" upstream=Upstream(api={upstream.api!r}));"
        "print('jinja2' in sys.modules)"
    )
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.split()[-1] == "False"
    assert tree(tmp_path) == before


@pytest.mark.parametrize("lost", [PAGE, "29PKR/scenes/index.html", "index.html"])
@pytest.mark.parametrize("how", ["gone", "cut short", "cut at its end", "of an Item before"])
def test_a_page_that_is_missing_or_old_is_mended_by_an_index(
    build: Build, tmp_path: Path, lost: str, how: str
) -> None:
    build(wanted=Selection(limit=4))
    old = (tmp_path / lost).read_bytes()
    build()
    whole = tree(tmp_path)
    if how == "gone":
        (tmp_path / lost).unlink()
    elif how == "cut short":
        (tmp_path / lost).write_bytes(old[:500])
    elif how == "cut at its end":
        (tmp_path / lost).write_bytes(whole[lost][:-9])
    else:
        (tmp_path / lost).write_bytes(old)
    assert tree(tmp_path) != whole
    stacgen.index(tmp_path)
    assert tree(tmp_path) == whole


def test_a_figure_that_changed_in_an_item_is_shown_after_an_index(
    build: Build, tmp_path: Path
) -> None:
    build()
    path = next((tmp_path / "29PKR/B09/2025").glob("*/T*.json"))
    document = json.loads(path.read_bytes())
    document["properties"]["s2:nodata_pixel_percentage"] = 33.3
    path.write_text(json.dumps(document))
    stacgen.index(tmp_path)
    assert (tmp_path / PAGE).read_text().count("33 % nodata") == 1


def test_the_root_keeps_what_it_says_of_collections_that_were_not_touched(
    build: Build, tmp_path: Path
) -> None:
    build("B01")
    build("B09")
    text = (tmp_path / "index.html").read_bytes()
    shown = re.findall(
        rb'<a href="(29PKR/\w+)/index.html">.*?<span>(\d+) Items?</span>', text, re.DOTALL
    )
    assert dict(shown) == {b"29PKR/B01": b"1", b"29PKR/B09": b"5", b"29PKR/scenes": b"5"}
    stacgen.index(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == text


def test_shards_leave_pages_to_index(build: Build, tmp_path: Path) -> None:
    build(labour=Labour(shard=Shard(index=1, count=1)))
    assert not list(tmp_path.rglob("*.html"))
    stacgen.index(tmp_path)
    assert len(list(tmp_path.rglob("*.html"))) == 3


def test_a_public_address_stands_in_the_page_and_is_remembered(
    build: Build, tmp_path: Path
) -> None:
    build(base_url="https://data.example/s2/")
    text = (tmp_path / PAGE).read_text()
    assert "/vsicurl/https://data.example/s2/29PKR/B09/2025/T29PKR_" in text
    assert (
        'href="https://radiantearth.github.io/stac-browser/#/external/'
        'data.example/s2/29PKR/B09/collection.json"'
    ) in text
    before = tree(tmp_path)
    build()
    stacgen.index(tmp_path)
    assert tree(tmp_path) == before
    build(base_url="http://later.example")  # it reaches what the build touches, the scenes too
    assert b"data.example" not in b"".join(
        content
        for key, content in tree(tmp_path).items()
        if key.endswith((".html", "/catalog.json"))
    )
    for key in ("29PKR/B09/items.parquet", "29PKR/scenes/items.parquet", "collections.parquet"):
        for row in pq.read_table(tmp_path / key).to_pylist():
            assert "data.example" not in str(row)
            assert row["links"][0]["href"].startswith("http://later.example/")
    stacgen.index(tmp_path, base_url="http://other.example")
    assert (
        "#/external/http:/other.example/29PKR/B09/collection.json" in (tmp_path / PAGE).read_text()
    )
    assert "data.example" not in (tmp_path / "index.html").read_text()


def test_the_order_of_items_makes_no_difference(build: Build, tmp_path: Path) -> None:
    build()
    items = items_of(tmp_path)
    assert draw(tmp_path, items) == draw(tmp_path, items[::-1])


def test_figures_that_are_not_known_are_said_to_be_so(build: Build, tmp_path: Path) -> None:
    build()
    items = items_of(tmp_path)
    for each in items:
        each["properties"].pop("eo:cloud_cover", None)
        each["properties"].pop("s2:nodata_pixel_percentage", None)
    text = draw(tmp_path, items).decode()
    assert text.count("cloud unknown<br>\nnodata unknown") == 5
    assert "data-c=" not in text
    assert 'id="dots"' not in text


def _forget(items: list[dict[str, Any]], root: Path) -> dict[str, Any]:
    """Take the figures out of Items; returns the Collection as it is when none has any."""
    for each in items:
        each["properties"].pop("eo:cloud_cover", None)
        each["properties"].pop("s2:nodata_pixel_percentage", None)
    document = collection_of(root)
    del document["summaries"]["eo:cloud_cover"]
    return document


def _drawn(document: dict[str, Any], items: list[dict[str, Any]]) -> str:
    return page.collection(document, items, key=KEY, outline=OUTLINE, base_url=None).decode()


def test_a_page_without_figures_has_no_slider_and_calls_no_frame_the_clearest(
    build: Build, tmp_path: Path
) -> None:
    build()
    items = items_of(tmp_path)
    text = _drawn(_forget(items, tmp_path), items)
    assert 'id="cloud"' not in text
    assert "clearest" not in text
    assert "<dt>Cloud</dt><dd>unknown</dd>" in text
    assert "eo:cloud_cover" not in text.partition("odc-stac")[2]


def _clouded(root: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The Collection and its Items, with 0, 10, 20, 30 and 40 % of cloud."""
    document, items = collection_of(root), items_of(root)
    for number, each in enumerate(items):
        each["properties"]["eo:cloud_cover"] = 10.0 * number
    document["summaries"]["eo:cloud_cover"] = {"minimum": 0.0, "maximum": 40.0}
    return document, items


def test_a_page_with_some_figures_says_of_which_frames_it_speaks(
    build: Build, tmp_path: Path
) -> None:
    """The frame that snippets take is the clearest known one, though another is first in time."""
    build()
    document, items = _clouded(tmp_path)
    _forget(items[:2], tmp_path)
    text = _drawn(document, items)
    assert "<dt>Cloud</dt><dd>0 to 40 %, unknown of 2</dd>" in text
    assert 'id="cloud-said">100 % or unknown</span>' in text
    assert '<strong id="picked">12 March 2025</strong>, the clearest whose cloud is known.' in text
    assert 'item.properties.get("eo:cloud_cover", 100) <= 20' in text
    items[3]["properties"]["eo:cloud_cover"] = 99.5
    _forget(items[2:3] + items[4:], tmp_path)
    assert "17 March 2025</strong>, the clearest whose cloud is known." in _drawn(document, items)


def test_a_page_of_frames_that_are_all_known_says_nothing_of_unknown_ones(
    build: Build, tmp_path: Path
) -> None:
    build()
    text = _drawn(*_clouded(tmp_path))
    assert " or unknown" not in text.partition("<script>")[0]
    assert "unknown of" not in text
    assert "2 March 2025</strong>, the clearest. <span" in text


def scenes(root: Path) -> list[dict[str, Any]]:
    """The Items as those of scenes are: a raster a band, in folders of the bands' own."""
    items = items_of(root)
    for each in items:
        raster = each["assets"].pop("B09")
        stem = each["id"].removesuffix("_B09_60m")
        for band in ("B02", "B03", "B04"):
            href = f"../../../{band}/2025/{stem}_{band}_10m/{stem}_{band}_10m.tif"
            each["assets"][band] = {**raster, "href": href}
        each["id"] = stem
        each["assets"]["thumbnail"]["href"] = f"../../../B04/2025/{stem}_B04_10m/thumbnail.png"
    return items


def test_a_scene_has_snippets_that_take_all_its_bands(build: Build, tmp_path: Path) -> None:
    build()
    text = draw(tmp_path, scenes(tmp_path), key="29PKR/scenes/collection.json").decode()
    assert "bands=[&#34;B02&#34;, &#34;B03&#34;, &#34;B04&#34;]" in text
    assert "gdalbuildvrt -separate -resolution highest scene.vrt" in text
    assert text.count('data-how="vsi-bash"') == 3
    assert 'src="../B04/2025/T29PKR_' in text
    head = Reader(text.encode()).all("header")[0]
    (form,) = json.loads(head["data-patterns"] or "")
    assert form["B02"] == "../B02/{year}/{id}_B02_10m/{id}_B02_10m.tif"


def test_the_snippet_for_odc_stac_takes_the_finest_pixels_and_no_deprecated_item(
    build: Build, tmp_path: Path
) -> None:
    build()
    items = scenes(tmp_path)
    text = html.unescape(draw(tmp_path, items_of(tmp_path)).decode())
    assert 'if not item.properties.get("deprecated")' in text
    assert 'bands=["B09"], resolution=60, chunks={}' in text
    for each in items:
        each["assets"]["B03"]["gsd"] = 10
    text = html.unescape(draw(tmp_path, items).decode())
    assert 'bands=["B02", "B03", "B04"], resolution=10, anchor="edge", chunks={}' in text


def test_snippets_take_a_scene_with_most_bands(build: Build, tmp_path: Path) -> None:
    build()
    items = scenes(tmp_path)
    for each in items[1:]:
        del each["assets"]["B02"]
    items[0]["properties"]["eo:cloud_cover"] = 100.0
    text = draw(tmp_path, items, key="29PKR/scenes/collection.json").decode()
    assert "bands=[&#34;B02&#34;, &#34;B03&#34;, &#34;B04&#34;]" in text


def test_hrefs_with_what_is_an_items_own_left_open_are_found_again(
    build: Build, tmp_path: Path
) -> None:
    build()
    for document in [*items_of(tmp_path), *scenes(tmp_path)]:
        card = of_item(document)
        stamp = document["properties"]["datetime"][:19].replace("-", "").replace(":", "")
        for (name, href), (same, form) in zip(card.assets, card.patterns, strict=True):
            own = {"{id}": document["id"], "{stamp}": stamp, "{year}": "2025"}
            for mark, text in own.items():
                form = form.replace(mark, text)  # noqa: PLW2901
            assert (name, href) == (same, form)


@pytest.mark.parametrize(
    ("base_url", "link"),
    [
        (None, ""),
        ("s3://bucket/x", ""),
        ("javascript:alert(1)", ""),
        ("https://a.example", "a.example/29PKR/B09/collection.json"),
    ],
)
def test_only_a_web_address_is_linked(
    build: Build, tmp_path: Path, base_url: str | None, link: str
) -> None:
    build(wanted=Selection(limit=1))
    text = draw(tmp_path, items_of(tmp_path), base_url=base_url).decode()
    found = re.findall(r'data-browser="collection.json" href="([^"]*)"', text)
    outside = "https://radiantearth.github.io/stac-browser/#/external/"
    assert found == [outside + link if link else ""]


@pytest.mark.parametrize(
    "href",
    [
        "//evil.example/x.png",
        "/x.png",
        "https://evil.example/x.png",
        "../../\\\\evil.example\\x.png",
        "../../javascript:alert(1)",
        "data:image/png;base64,AA",
    ],
)
def test_a_thumbnail_from_elsewhere_is_left_out(build: Build, tmp_path: Path, href: str) -> None:
    build(wanted=Selection(limit=1))
    (item,) = items_of(tmp_path)
    item["assets"]["thumbnail"]["href"] = href
    assert not Reader(draw(tmp_path, [item])).all("img")


def test_a_page_in_a_bucket_is_html_and_soon_old() -> None:
    import obstore  # noqa: PLC0415 - only here
    from obstore.store import MemoryStore  # noqa: PLC0415

    store = MemoryStore()
    Bucket(store, "memory://x").write(PAGE, b"<html>", "text/html")
    attributes = obstore.get(store, PAGE).attributes
    assert attributes["Content-Type"] == "text/html"
    assert attributes["Cache-Control"] == "public, max-age=60"


def square(west: float, south: float, size: float) -> dict[str, Any]:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def numbers(path: str) -> list[float]:
    return [float(each) for each in re.findall(r"-?\d+(?:\.\d+)?", path)]


@pytest.mark.parametrize("latitude", [0, 45, -60, 80])
def test_a_map_shows_a_square_on_the_ground_as_a_square_in_the_middle(latitude: float) -> None:
    import math  # noqa: PLC0415 - the test's own oracle

    width = 1 / max(math.cos(math.radians(latitude + 0.5)), 0.2)
    ground = {
        "type": "Polygon",
        "coordinates": [
            [
                [10, latitude],
                [10 + width, latitude],
                [10 + width, latitude + 1],
                [10, latitude + 1],
                [10, latitude],
            ]
        ],
    }
    around = Map.around((10, latitude, 10 + width, latitude + 1), margin=0.5)
    values = numbers(around.path(ground))
    xs, ys = values[::2], values[1::2]
    assert max(xs) - min(xs) == pytest.approx(max(ys) - min(ys), abs=0.2)
    assert sum(xs) / 4 == pytest.approx(WIDTH / 2, abs=0.1)
    assert sum(ys) / 4 == pytest.approx(around.height / 2, abs=0.1)


def test_a_footprint_across_the_antimeridian_stays_in_one_piece() -> None:
    around = Map.around((179.5, -17, -179.5, -16), margin=0.35)
    halves = [square(179.5, -17, 0.5)["coordinates"], square(-180, -17, 0.5)["coordinates"]]
    values = numbers(around.path({"type": "MultiPolygon", "coordinates": halves}))
    assert all(0 < x < WIDTH for x in values[::2])
    names = [label.text for label in around.graticule()[1]]
    assert "180° W" in names or "180°" in names
    assert {"179.5° E", "179.5° W"} <= set(names)
