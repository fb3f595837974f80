"""Searches answer as the Items themselves would, and with what readers can load."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

import dunia
import stacgen
from items import FIJI, SENEGAL, Scene, file, make, outline
from stacgen.access import search
from stacgen.api.build import Upstream
from stacgen.errors import OutputError, StacgenError, TransferError, UsageError
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.io.http import Http
from stacgen.model.query import Query, SortKey
from stacgen.stac import geoparquet
from test_build import HASTY, tree

START = datetime(2025, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


def slanted(number: int) -> dict[str, Any]:
    """The half of the tile's box below its diagonal, or above it."""
    west, south, east, north = SENEGAL
    corner = [east, south] if number % 2 else [west, north]
    ring = [[west, south], corner, [east, north]]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


SCENES = [
    Scene(
        day=(START + timedelta(days=number, milliseconds=number)).isoformat()[:26],
        band=("B02", "B09")[number % 2],
        cloud=None if number % 7 == 0 else float(number * 13 % 101),
        geometry=slanted(number // 2),
    )
    for number in range(40)
] + [Scene(day=f"2025-02-{day:02}", tile="60KYF", box=FIJI) for day in range(1, 6)]


DOCUMENTS = [document for _, document in map(make, SCENES)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bands of a tile, and a tile across the antimeridian."""
    folder = tmp_path_factory.mktemp("catalog")
    file(Folder(folder), SCENES)
    return folder


def ids(items: Iterable[pystac.Item]) -> list[str]:
    return [item.id for item in items]


def answers(document: dict[str, Any], query: Query) -> bool:
    """Whether an Item answers, told from its JSON alone."""
    properties = document["properties"]
    moment = datetime.fromisoformat(properties["datetime"])
    cloud = properties.get("eo:cloud_cover")
    ground = shapely.geometry.shape(document["geometry"])
    return all(
        (
            query.start is None or query.start <= moment,
            query.end is None or moment <= query.end,
            query.max_cloud is None or (cloud is not None and cloud <= query.max_cloud),
            query.collections is None or document["collection"] in query.collections,
            query.ids is None or document["id"] in query.ids,
            not query.boxes or any(ground.intersects(shapely.box(*box)) for box in query.boxes),
            query.intersects is None or ground.intersects(shapely.geometry.shape(query.intersects)),
        )
    )


moments = st.none() | st.integers(-2, 45).map(lambda days: START + timedelta(days=days))
longitudes = st.sampled_from(
    [-180.0, -179.8, -179.0, -13.0, -11.6, -11.0, -10.9, 0.0, 179.5, 180.0]
)
latitudes = st.sampled_from([-90.0, -17.0, 13.0, 13.6, 14.0, 14.4, 20.0])
boxes = st.tuples(longitudes, latitudes, longitudes, latitudes).map(
    lambda box: (box[0], min(box[1], box[3]), box[2], max(box[1], box[3]))
)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    start, end = draw(moments), draw(moments)
    if start is not None and end is not None and end < start:
        start, end = end, start
    some = [each["id"] for each in DOCUMENTS[::9]]
    bbox = draw(st.none() | boxes)
    intersects = None if bbox is not None else draw(st.none() | boxes.map(outline))
    names = ["sentinel-2-l2a-29PKR-B09", "sentinel-2-l2a-60KYF-B09", "other"]
    return Query(
        bbox=bbox,
        intersects=intersects,
        start=start,
        end=end,
        max_cloud=draw(st.none() | st.sampled_from([0, 20.5, 100])),
        collections=draw(st.none() | st.lists(st.sampled_from(names)).map(tuple)),
        ids=draw(st.none() | st.lists(st.sampled_from([*some, "none"])).map(tuple)),
    )


@settings(deadline=None, max_examples=300)
@given(queries())
def test_a_search_finds_what_the_items_themselves_say(root: Path, query: Query) -> None:
    if query.intersects is not None and not shapely.geometry.shape(query.intersects).is_valid:
        query = Query(start=query.start, end=query.end)
    found = search.find(root, query)
    expected = [each for each in DOCUMENTS if answers(each, query)]
    expected.sort(
        key=lambda each: (datetime.fromisoformat(each["properties"]["datetime"]), each["id"])
    )
    assert [each["id"] for each in found.documents] == [each["id"] for each in expected]
    assert found.matched == len(expected)


def test_the_exact_footprint_counts_and_not_its_box(root: Path) -> None:
    _, south, east, _ = SENEGAL
    corner = (east - 0.05, south, east, south + 0.05)
    assert len(list(stacgen.search(root, bbox=corner))) == 20
    assert len(list(stacgen.search(root, bbox=SENEGAL))) == 40


@pytest.mark.parametrize(
    ("bbox", "count"),
    [
        ((179, -18, -179, -16), 5),
        ((179.5, -18, 179.9, -16), 5),
        ((-180, -18, -179.9, -16), 5),
        ((-179.5, -18, 179, -16), 0),
        ((178, -18, 179, -16), 0),
        ((-170, -18, 178, 18), 40),
        ((-180, -90, 180, 90), 45),
    ],
)
def test_boxes_and_footprints_may_cross_the_antimeridian(
    root: Path, bbox: tuple[float, ...], count: int
) -> None:
    assert len(list(stacgen.search(root, bbox=bbox))) == count


def test_of_a_limit_the_earliest_come_first(root: Path) -> None:
    items = stacgen.search(root, datetime="2025-01-10/..", limit=3)
    days = [item.datetime.day for item in items if item.datetime]
    assert days == [10, 11, 12]
    assert items.found.matched == 36


@pytest.mark.parametrize("field", ["eo:cloud_cover", "gsd", "id", "datetime", "collection"])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_items_are_sorted_by_any_property(root: Path, field: str, direction: str) -> None:
    order = (SortKey(field=field, descending=direction == "down"),)
    found = search.find(root, Query(order=order)).documents

    def value(document: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        found = document.get(field, document["properties"].get(field))
        return datetime.fromisoformat(found) if field == "datetime" else found

    known = [value(each) for each in found if value(each) is not None]
    assert known == sorted(known, reverse=direction == "down")
    assert all(value(each) is None for each in found[len(known) :])
    assert len(found) == len(DOCUMENTS)


def test_hrefs_are_paths_that_work_where_the_root_is_a_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    item = next(stacgen.search(root.name, limit=1))
    links = {link.rel: Path(link.get_href(transform_href=False) or "") for link in item.links}
    for rel in ("self", "root", "parent", "collection"):
        assert links[rel].is_absolute()
        assert links[rel].is_file()
    assert Path(item.assets["thumbnail"].href).parent == links["self"].parent
    here = json.loads(links["self"].read_bytes())
    found = item.to_dict(transform_hrefs=False)
    assert {**found, "links": 0, "assets": 0} == {**here, "links": 0, "assets": 0}


def test_a_web_server_needs_nothing_but_to_serve_files(root: Path, server: dunia.Server) -> None:
    server.content.update({f"/s2/{key}": content for key, content in tree(root).items()})
    for address in (f"{server.base}/s2", f"{server.base}/s2/", f"{server.base}/s2/catalog.json"):
        found = list(stacgen.search(address, bbox=(179, -18, -179, -16), limit=2))
        assert ids(found) == ids(stacgen.search(root, bbox=(179, -18, -179, -16), limit=2))
        own = found[0].get_self_href() or ""
        assert own.startswith(f"{server.base}/s2/60KYF/")
        assert json.loads(server.content[own.removeprefix(server.base)])
    tables = {f"/s2/60KYF/{band}/items.parquet" for band in ("B02", "B09")}
    assert {"/s2/collections.parquet"} < set(server.paths()) <= {"/s2/collections.parquet", *tables}


def test_a_bucket_is_searched_like_a_folder(root: Path) -> None:
    bucket = Bucket(MemoryStore(), "s3://bucket/path")
    file(bucket, SCENES)
    found = search.find(bucket, Query(max_cloud=20))
    assert [each["id"] for each in found.documents] == ids(stacgen.search(root, max_cloud=20))
    assert found.documents[0]["assets"]["thumbnail"]["href"].startswith("s3://bucket/path/29PKR/")


def test_what_a_public_catalog_says_of_its_place_does_not_bind_who_has_it_here(
    tmp_path: Path,
) -> None:
    file(Folder(tmp_path), SCENES[:2], base_url="https://data.example/s2")
    found = next(stacgen.search(tmp_path))
    assert found.assets["thumbnail"].href.startswith(str(tmp_path))


def test_a_root_without_a_mirror_says_how_to_make_one(tmp_path: Path, server: dunia.Server) -> None:
    for place in (tmp_path, server.base):
        with pytest.raises(OutputError, match=r"has no collections\.parquet .*stacgen index"):
            stacgen.search(place)


def test_a_web_server_that_fails_is_an_upstream_error(server: dunia.Server) -> None:
    server.faults["/collections.parquet"] = lambda _: dunia.Reply(status=500)
    with pytest.raises(TransferError):
        search.find(server.base, Query(), fetch=Http(patience=HASTY))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"bbox": (0, 0, 1)}, "four numbers"),
        ({"bbox": (0, 1, 1, 0)}, "south to north"),
        ({"bbox": (0, 0, 1, float("nan"))}, "south to north"),
        ({"bbox": (-200, 0, 1, 1)}, "-180 to 180"),
        ({"bbox": (0, 0, 1, 1), "intersects": outline(SENEGAL)}, "not both"),
        ({"intersects": {"type": "Polygon"}}, "no GeoJSON"),
        ({"intersects": {"type": "Nothing", "coordinates": []}}, "no GeoJSON"),
        ({"intersects": {"type": "Polygon", "coordinates": []}}, "empty"),
        ({"intersects": outline((0, 0, 0, 0))}, "not valid"),
        ({"datetime": "2025-03-02/2025-03-01"}, "before the start"),
        ({"datetime": "soon"}, "no date"),
        ({"max_cloud": 101}, "no percentage"),
        ({"limit": 0}, "starts at 1"),
    ],
)
def test_a_question_that_makes_no_sense_is_a_usage_error(
    root: Path, asked: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        stacgen.search(root, **asked)


def test_sorting_by_what_no_item_has_is_a_usage_error(root: Path) -> None:
    for field in ("nothing", "geometry", "assets"):
        with pytest.raises(UsageError, match="to sort by"):
            search.find(root, Query(order=(SortKey(field=field),)))


def test_row_groups_that_cannot_answer_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics of row groups pass over what no answer can be in, and over nothing else."""
    monkeypatch.setattr("stacgen.stac.geoparquet.files.ROWS", 1)
    rows = geoparquet.tabulate([make(scene) for scene in SCENES])
    ids = rows["id"].to_pylist()
    found = geoparquet.Mirror(
        geoparquet.to_bytes(rows, geoparquet.Place(base_url="https://x")), name="x"
    )
    read: list[int] = []
    columns = found.columns

    def counted(groups: Sequence[int], names: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
        read.extend(groups)
        return columns(groups, names)

    found.columns = counted  # type: ignore[method-assign]
    rng = random.Random(1)
    for _ in range(100):
        day = START + timedelta(days=rng.randrange(40))
        query = Query(start=day, end=day + timedelta(days=2), max_cloud=rng.choice([None, 30]))
        read.clear()
        answered = geoparquet.answer([found], query).keys["row"].to_pylist()
        expected = [id_of(scene) for scene in SCENES if answers(make(scene)[1], query)]
        assert sorted(ids[row] for row in answered) == sorted(expected)
        assert len(read) <= 6
    read.clear()
    assert len(geoparquet.answer([found], Query(bbox=(179, -18, -179, -16)))) == 5
    assert len(read) <= 6


def id_of(scene: Scene) -> str:
    """Of the Item of a scene."""
    return str(make(scene)[1]["id"])


def test_tables_that_cannot_answer_are_not_read(root: Path, server: dunia.Server) -> None:
    """The table of Collections passes over those of other places, times and ids."""
    server.content.update({f"/{key}": content for key, content in tree(root).items()})
    keys = [key for key in tree(root) if key.endswith("/items.parquet")]
    for query in (
        Query(bbox=(179, -18, -179, -16)),
        Query(intersects=outline(FIJI)),
        Query(collections=("sentinel-2-l2a-60KYF-B09",)),
        Query(collections=("none",)),
        Query(start=START + timedelta(days=400)),
        Query(end=START - timedelta(days=400)),
    ):
        server.requests.clear()
        found = search.find(server.base, query)
        expected = [id_of(scene) for scene in SCENES if answers(make(scene)[1], query)]
        assert sorted(each["id"] for each in found.documents) == sorted(expected)
        assert len(server.paths()) - 1 < len(keys)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with pixels."""
    folder = tmp_path_factory.mktemp("built")
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(3)])
        report = stacgen.build(
            "29PKR", "B09", years=[2025], output=folder, upstream=Upstream(api=server.base)
        )
    assert not report.failed
    return folder


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stacgen", "search", *arguments],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "80"},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_odc_stac_loads_what_the_command_found(built: Path, run: Run, tmp_path: Path) -> None:
    of_band = ("--collections", "sentinel-2-l2a-29PKR-B09")
    where = ("--bbox", "-12", "13", "-10", "15")
    done = run(str(built), *where, "--max-cloud", "10", *of_band, "-o", "it.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    found = pystac.ItemCollection.from_file(str(tmp_path / "it.json"))
    assert len(found) == 2
    loaded = odc.stac.load(list(found), bands=["B09"])
    assert loaded.B09.shape == (2, 1830, 1830)
    with rasterio.open(found[1].assets["B09"].href) as dataset:
        assert np.array_equal(loaded.B09.isel(time=1).values, dataset.read(1))


def test_the_command_writes_an_item_collection_lines_or_a_table(built: Path, run: Run) -> None:
    whole = json.loads(run(str(built), "-q").stdout)
    assert whole == stacgen.search(built).found.collection
    lines = run(str(built), "--json-lines")
    assert [json.loads(line) for line in lines.stdout.splitlines()] == whole["features"]
    assert lines.stderr == "6 of 6 Items that match\n"
    table = run(str(built), "--table", "--limit", "2").stdout.splitlines()
    assert len(table) == 3
    assert all(len(line) <= 80 for line in table)
    assert table[1].split()[0] == whole["features"][0]["id"]


def test_the_command_takes_ids_collections_and_geometries(
    root: Path, run: Run, tmp_path: Path
) -> None:
    first, second = (make(each)[1]["id"] for each in SCENES[:2])
    done = run(str(root), "--ids", f"{first},{second}", "--ids", "other", "--json-lines")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [first, second]
    feature = {"type": "Feature", "properties": {}, "geometry": outline(FIJI)}
    (tmp_path / "area.geojson").write_text(json.dumps(feature))
    done = run(str(root), "--intersects", "area.geojson", "--collections", "a,b", "--table")
    assert "0 of 0 Items" in done.stderr
    done = run(str(root), "--intersects", "area.geojson", "--datetime", "2025-02-02/..")
    assert len(json.loads(done.stdout)["features"]) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("nowhere",), 4, "stacgen index"),
        (("ftp://nowhere",), 2, "neither a folder nor a bucket"),
        ((".", "--bbox", "1", "2", "3"), 2, "requires 4 arguments"),
        ((".", "--table", "-o", "x"), 2, "leave out"),
        ((".", "--intersects", "none.geojson"), 2, "cannot be read"),
    ],
)
def test_the_command_says_what_is_wrong(
    run: Run, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert sentence in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_the_command_says_that_rows_are_damaged(built: Path, run: Run, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "cut")
    path = tmp_path / "cut/29PKR/B09/items.parquet"
    sound = path.read_bytes()
    path.write_bytes(sound[:99] + bytes(8) + sound[107:])
    done = run("cut")
    assert (done.returncode, done.stdout) == (OutputError.exit_code, "")
    assert "a damaged one; stacgen index" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_failed_write_leaves_what_stood_there(built: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    done = run(str(built), "-o", "folder")
    assert done.returncode == OutputError.exit_code
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"]
    assert issubclass(OutputError, StacgenError)
