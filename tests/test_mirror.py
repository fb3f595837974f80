"""Mirrors say what the Items say, to the last bit, and are kept true."""

import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
import pystac
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from stac_geoparquet.arrow import stac_table_to_items

import dunia
import stacgen
from items import FIJI, Scene, make, outline
from items import file as file_items
from stacgen.api.build import Upstream
from stacgen.catalog.pages import item_summary
from stacgen.catalog.root import keep as keep_root
from stacgen.errors import OutputError
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.model.protocols import Store
from stacgen.model.query import Query
from stacgen.model.request import Shard
from stacgen.stac import geoparquet, stac_json
from stacgen.stac.geoparquet import wkb
from stacgen.stac.geoparquet.files import ROWS
from stacgen.stac.geoparquet.table import BATCH
from test_build import tree

file = partial(file_items, together=True)
HERE = geoparquet.Place(folder="29PKR/B09")
SCENES = [
    Scene(day="2024-12-30"),
    Scene(day="2025-03-02T11:21:09.024", cloud=0.0),
    Scene(day="2025-03-02T11:21:09.024311", baseline="02.14"),
    Scene(day="2025-03-07", cloud=None),
    Scene(day="2025-03-12", is_sample=True),
    Scene(day="2025-03-12", band="B8A", cloud=100.0),
    Scene(day="2025-03-12", tile="60KYF", box=FIJI),
]


def in_folder(root: Path, key: str) -> list[tuple[str, stac_json.Document]]:
    return list(geoparquet.documents(geoparquet.from_bytes((root / key).read_bytes(), name=key)))


def published(root: Path, folder: str = "") -> dict[str, Any]:
    """Every Item that lies under a root, by its key."""
    paths = [path for path in root.rglob("*.json") if path.stem == path.parent.name]
    keys = {path.relative_to(root).as_posix(): path for path in paths}
    return {
        key: json.loads(path.read_bytes()) for key, path in keys.items() if key.startswith(folder)
    }


def test_items_come_back_exactly() -> None:
    items = [make(scene) for scene in SCENES]
    table = geoparquet.tabulate(items)
    assert sorted(geoparquet.documents(table)) == sorted(items)
    raw = geoparquet.to_bytes(table, geoparquet.Place(base_url="https://data.example/s2"))
    assert sorted(geoparquet.documents(geoparquet.from_bytes(raw, name="x"))) == sorted(items)
    ours = [each for each in items if each[0].startswith(f"{HERE.folder}/")]
    raw = geoparquet.to_bytes(geoparquet.tabulate(ours), HERE)
    assert sorted(geoparquet.documents(geoparquet.from_bytes(raw, name="x"))) == sorted(ours)


def test_absent_null_and_false_values_are_told_apart() -> None:
    items = [make(scene) for scene in SCENES[:4]]
    for (_, document), value in zip(items, [None, 0, 0.5, "absent"], strict=True):
        if value != "absent":
            document["properties"]["view:off_nadir"] = value
            document["assets"]["B09"]["bands"][0]["statistics"]["extra"] = value
    items[1][1]["properties"]["keywords"] = []
    items[2][1]["assets"]["thumbnail"]["proj:code"] = "EPSG:4326"
    items[3][1]["assets"]["thumbnail"]["proj:code"] = None
    back = dict(geoparquet.documents(geoparquet.tabulate(items)))
    assert back == dict(items)
    parts = [geoparquet.tabulate([each]) for each in items]
    assert dict(geoparquet.documents(geoparquet.united(parts))) == dict(items)


def many(values: list[Any]) -> list[tuple[str, stac_json.Document]]:
    """Items of three batches of rows and a half, of which each third says another of the values."""
    days = [date(2020, 1, 1) + timedelta(days=number) for number in range(7 * BATCH // 2)]
    items = [make(Scene(day=day.isoformat())) for day in days]
    for number, (_, document) in enumerate(items):
        value = values[number * len(values) // len(items)]
        if value is not None:
            document["properties"]["view:azimuth"] = value
            document["assets"]["B09"]["extra"] = [{"of": value}]
    return items


def test_items_of_many_rows_come_back_exactly() -> None:
    values: list[list[Any]] = [
        *([1, None, 0.5], [None, 0.5, 1], [None, None, "text"], [[], [1], [0.5]]),
        [{}, None, {}],
    ]
    for each in values:
        items = many(each)
        assert list(geoparquet.documents(geoparquet.tabulate(items))) == items


@pytest.mark.parametrize(
    "values", [[1, None, "text"], [None, 1, "text"], [None, None, 1, True], [True, 1, None]]
)
def test_items_of_many_rows_that_disagree_are_refused(values: list[Any]) -> None:
    with pytest.raises(OutputError, match="disagree"):
        geoparquet.tabulate(many(values))


def test_a_time_of_another_zone_is_one_in_utc() -> None:
    items = many([None])
    times = {0: "2020-01-01T02:00:00+02:00", -1: "2019-12-31T22:00:00-02:00", -2: "2020-01-01"}
    for number, text in times.items():
        items[number][1]["properties"]["updated"] = text
    back = dict(geoparquet.documents(geoparquet.tabulate(items)))
    for number in times:
        assert back[items[number][0]]["properties"]["updated"] == "2020-01-01T00:00:00Z"


def test_items_that_disagree_on_a_type_are_refused() -> None:
    items = [make(scene) for scene in SCENES[:2]]
    items[0][1]["properties"]["orbit"] = 12
    items[1][1]["properties"]["orbit"] = "twelve"
    with pytest.raises(OutputError, match="disagree"):
        geoparquet.tabulate(items)


@pytest.mark.parametrize("box", [FIJI, SCENES[0].box])
def test_footprints_are_the_wkb_that_shapely_writes(box: tuple[float, ...]) -> None:
    west, south, east, north = box
    geometry = outline((west, south, east, north))
    raw = wkb.encode(geometry)
    assert raw == shapely.to_wkb(shapely.geometry.shape(geometry), byte_order=1)
    assert wkb.decode(raw) == geometry


coordinates = st.tuples(st.floats(-180, 180), st.floats(-90, 90)).map(list)


@settings(deadline=None)
@given(st.lists(st.lists(coordinates, min_size=4, max_size=8), min_size=1, max_size=3))
def test_any_polygon_comes_back(rings: list[list[list[float]]]) -> None:
    for geometry in (
        {"type": "Polygon", "coordinates": rings},
        {"type": "MultiPolygon", "coordinates": [rings, rings[:1]]},
    ):
        assert wkb.decode(wkb.encode(geometry)) == geometry


def test_a_footprint_of_another_kind_is_refused() -> None:
    with pytest.raises(OutputError, match="Point"):
        wkb.encode({"type": "Point", "coordinates": [0, 0]})


@settings(deadline=None)
@given(st.permutations(range(len(SCENES))), st.integers(1, len(SCENES) - 1))
def test_the_same_items_give_the_same_bytes_in_whatever_order(order: list[int], cut: int) -> None:
    items = [make(scene) for scene in SCENES]
    whole = geoparquet.to_bytes(geoparquet.tabulate(items), HERE)
    first, second = [[items[n] for n in part] for part in (order[:cut], order[cut:])]
    grown = geoparquet.from_bytes(geoparquet.to_bytes(geoparquet.tabulate(first), HERE), name="x")
    grown = geoparquet.united([grown, geoparquet.tabulate(second)])
    assert geoparquet.to_bytes(grown, HERE) == whole


def test_a_later_table_replaces_items() -> None:
    key, document = make(SCENES[0])
    newer = {
        **document,
        "properties": {**document["properties"], "updated": "2027-01-01T00:00:00Z"},
    }
    table = geoparquet.united(
        [geoparquet.tabulate([(key, document)]), geoparquet.tabulate([(key, newer)])]
    )
    assert list(geoparquet.documents(table)) == [(key, newer)]


def test_links_lead_from_the_file_to_the_files() -> None:
    key, document = make(SCENES[0])
    table = geoparquet.tabulate([(key, document)])
    for place, asset, root in (
        (HERE, f"./2024/{document['id']}/thumbnail.png", "../../catalog.json"),
        (
            geoparquet.Place(folder="29PKR/B09", base_url="https://data.example/s2/"),
            f"https://data.example/s2/29PKR/B09/2024/{document['id']}/thumbnail.png",
            "https://data.example/s2/catalog.json",
        ),
    ):
        raw = geoparquet.to_bytes(table, place)
        row = pq.read_table(io.BytesIO(raw)).to_pylist()[0]
        assert row["assets"]["thumbnail"]["href"] == asset
        links = {link["rel"]: link["href"] for link in row["links"]}
        assert links["root"] == root
        assert ("self" in links) is (place.base_url is not None)  # readers resolve against it
        if place.base_url is not None:
            assert links["self"] == f"https://data.example/s2/{key}"
        assert links["derived_from"] == "https://dunia.example/stream.m3u8"


def test_the_reader_of_stac_geoparquet_accepts_it() -> None:
    items = [make(scene) for scene in SCENES]
    raw = geoparquet.to_bytes(geoparquet.tabulate(items), geoparquet.Place())
    table = pq.read_table(io.BytesIO(raw))
    documents = {document["id"]: document for _, document in items}
    for read in stac_table_to_items(table):
        known = documents.pop(read["id"])
        assert read["geometry"]["type"] == known["geometry"]["type"]
        assert list(read["bbox"]) == known["bbox"]
        assert read["collection"] == known["collection"]
        theirs = {name: value for name, value in read["properties"].items() if value is not None}
        times = {"datetime", "created", "updated"}
        for name in set(known["properties"]) - times:
            value = theirs[name]
            if isinstance(value, dict):
                value = {key: each for key, each in value.items() if each is not None}
            assert value == known["properties"][name]
        assert theirs["datetime"][:19] == known["properties"]["datetime"][:19]
        pystac.Item.from_dict(read)
    assert not documents


def test_geopandas_reads_footprints_and_their_crs(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    path.write_bytes(
        geoparquet.to_bytes(geoparquet.tabulate(map(make, SCENES)), geoparquet.Place())
    )
    frame = geopandas.read_parquet(path)
    assert frame.crs.to_string() == "OGC:CRS84"
    assert len(frame) == len(SCENES)
    near = geopandas.read_parquet(path, bbox=(-12, 13, -11, 14))
    assert len(near) == len(SCENES) - 1
    metadata = pq.ParquetFile(path).metadata.metadata
    assert json.loads(metadata[b"stac-geoparquet"])["version"] == "1.1.0"
    assert json.loads(metadata[b"geo"])["version"] == "1.1.0"


def test_what_is_no_mirror_is_named() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": ["x"]}), sink)
    whole = geoparquet.to_bytes(geoparquet.tabulate(map(make, SCENES)), geoparquet.Place())
    for raw in (b"", b"PAR1", sink.getvalue(), whole[:-9], whole[:40]):
        with pytest.raises(OutputError, match=r"here/items\.parquet is no table"):
            geoparquet.from_bytes(raw, name="here/items.parquet")


def stores(tmp_path: Path) -> list[Store]:
    return [Folder(tmp_path / "out"), Bucket(MemoryStore(), "memory://out")]


@pytest.mark.parametrize("kind", [0, 1])
def test_collections_have_tables_of_items_and_the_root_one_of_them(
    tmp_path: Path, kind: int
) -> None:
    store = stores(tmp_path)[kind]
    file(store, SCENES)
    raw = store.read("29PKR/B8A/items.parquet")
    assert raw is not None
    assert dict(geoparquet.documents(geoparquet.from_bytes(raw, name="x"))) == dict(
        [make(SCENES[5])]
    )
    collection = json.loads(store.read("29PKR/B8A/collection.json") or b"")
    assert collection["assets"]["items"] == {
        "href": "./items.parquet",
        "type": "application/vnd.apache.parquet",
        "title": "All Items as stac-geoparquet 1.1.0",
        "roles": ["collection-mirror"],
    }
    assert store.read("items.parquet") is None
    assert_collections_true(store)


def assert_collections_true(store: Store) -> None:
    """The root's table says what the Collections say, and what they hold."""
    found = geoparquet.Collections(store.read("collections.parquet") or b"", name="x")
    keys = sorted(each.key for each in store.list("") if each.key.endswith("/collection.json"))
    rows = dict(found.rows())
    assert list(rows) == keys
    for key, document in found.documents():
        assert document == json.loads(store.read(key) or b"")
        table = store.read(key.replace("collection.json", "items.parquet")) or b""
        items = [each for _, each in in_one(table)]
        assert rows[key]["item_count"] == len(items)
        assert rows[key]["table_checksum"] == f"1220{hashlib.sha256(table).hexdigest()}"
        times = sorted(each["properties"]["datetime"] for each in items)
        assert rows[key]["years"] == sorted({int(each[:4]) for each in times})


def test_whatever_the_order_of_builds_the_bytes_are_the_same(tmp_path: Path) -> None:
    trees = []
    for seed in range(4):
        scenes = SCENES.copy()
        random.Random(seed).shuffle(scenes)
        store = Folder(tmp_path / str(seed))
        file(store, scenes[:2])
        for scene in scenes[2:]:
            file(store, [scene])
        trees.append(tree(tmp_path / str(seed)))
    assert len([key for key in trees[0] if key.endswith(".parquet")]) == 6
    assert all(each == trees[0] for each in trees)


def test_index_makes_the_same_mirrors_from_items_alone(tmp_path: Path) -> None:
    file(Folder(tmp_path), SCENES[:4] + SCENES[5:], base_url="https://data.example/s2")
    filed = tree(tmp_path)
    stacgen.index(tmp_path)  # which makes scenes, too
    before = tree(tmp_path)
    ours = [key for key in filed if key.endswith("/items.parquet")]
    assert [before[key] for key in ours] == [filed[key] for key in ours]
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()
    stacgen.index(tmp_path)
    assert tree(tmp_path) == before


def test_a_large_collection_has_row_groups_of_one_size(tmp_path: Path) -> None:
    table = geoparquet.tabulate(map(make, SCENES))
    copies = -(-ROWS // len(SCENES)) + 1
    path = tmp_path / "many.parquet"
    path.write_bytes(geoparquet.to_bytes(pa.concat_tables([table] * copies), HERE))
    found = geoparquet.Mirror(path.read_bytes(), name="many")
    assert found.starts() == [0, ROWS, copies * len(SCENES)]
    ids = [document["id"] for _, document in geoparquet.documents(found.table())]
    assert ids == [row["id"] for row in table.to_pylist()] * copies
    assert geopandas.read_parquet(path)["id"].tolist() == ids


def test_a_replaced_item_leaves_no_trace(tmp_path: Path) -> None:
    one, other = Folder(tmp_path / "one"), Folder(tmp_path / "other")
    file(one, [*SCENES[:2], Scene(day="2025-03-12", size=1)])
    file(one, [Scene(day="2025-03-12", cloud=None)], recount=True)
    file(other, [*SCENES[:2], Scene(day="2025-03-12", cloud=None)])
    assert tree(tmp_path / "one") == tree(tmp_path / "other")


def test_what_pages_show_of_items_is_in_their_brief_rows() -> None:
    keyed = list(map(make, SCENES))
    table = geoparquet.tabulate(keyed)
    brief = geoparquet.documents(geoparquet.brief(table))
    assert [item_summary.of_item(each) for _, each in brief] == [
        item_summary.of_item(each) for _, each in geoparquet.documents(table)
    ]


@pytest.fixture(scope="module")
def upstream() -> Any:  # noqa: ANN401 - a generator
    """29PKR B09 of 2024 and 2025, three frames each."""
    frames = [dunia.landscape(number) for number in range(3)]
    with dunia.Server().running() as server:
        dunia.publish(server, frames)
        early = dunia.images(3)
        for image in early:
            image["sensing_time"] = image["sensing_time"].replace("2025", "2024")
        dunia.publish(server, frames, year=2024, metadata=early)
        yield Upstream(api=server.base)


@pytest.fixture(scope="module")
def built(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    stacgen.build("29PKR", "B09", years=[2024, 2025], output=root, upstream=upstream)
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "out"))


def again(root: Path, upstream: Upstream, *years: int, **options: Any) -> None:  # noqa: ANN401
    years = years or (2024, 2025)
    report = stacgen.build("29PKR", "B09", years=years, output=root, upstream=upstream, **options)
    assert not report.failed


def assert_true(root: Path) -> None:
    """All mirrors hold what the Items say."""
    for folder in ("29PKR/B09/", "29PKR/scenes/"):
        assert dict(in_folder(root, f"{folder}items.parquet")) == published(root, folder)
    assert_collections_true(Folder(root))


def test_a_build_leaves_mirrors_of_what_it_built(root: Path) -> None:
    assert [len(published(root, f"29PKR/{name}/")) for name in ("B09", "scenes")] == [6, 6]
    assert_true(root)


def test_a_second_run_changes_no_byte(root: Path, upstream: Upstream) -> None:
    before = tree(root)
    again(root, upstream)
    assert tree(root) == before


@pytest.mark.parametrize("damage", ["gone", "cut", "empty"])
@pytest.mark.parametrize(
    "key", ["29PKR/B09/items.parquet", "29PKR/scenes/items.parquet", "collections.parquet"]
)
def test_a_table_that_is_lost_is_written_again_by_index(root: Path, key: str, damage: str) -> None:
    before, path = tree(root), root / key
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9] if damage == "cut" else b"")
    stacgen.index(root)
    assert tree(root) == before


def strike(path: Path, place: float = 0.5) -> None:
    """Damage a byte among the rows of a mirror, so far from their beginning to their end."""
    raw = bytearray(path.read_bytes())
    footer = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    raw[int(4 + place * (footer - 4))] ^= 0xFF
    path.write_bytes(raw)


@pytest.mark.parametrize("key", ["29PKR/B09/items.parquet"])
def test_a_mirror_with_damaged_rows_is_mended_by_the_next_build(
    root: Path, upstream: Upstream, tmp_path: Path, key: str
) -> None:
    part = tmp_path / "part"
    again(part, upstream, 2025)
    strike(part / key)
    with pytest.raises(OutputError, match=r"items\.parquet is .* a damaged one; stacgen index"):
        in_folder(part, key)
    again(part, upstream, 2024)
    assert_true(part)
    assert set(tree(part)) == set(tree(root))


def test_rows_that_are_damaged_are_never_read_as_others(tmp_path: Path) -> None:
    table = geoparquet.tabulate(map(make, SCENES))
    path = tmp_path / "items.parquet"
    sound = geoparquet.to_bytes(table, geoparquet.Place(base_url="https://data.example/s2"))
    found = dict(in_one(sound))
    refused = 0
    for number in range(60):
        path.write_bytes(sound)
        strike(path, number / 60)
        try:
            assert dict(in_one(path.read_bytes())) == found
            answer = geoparquet.answer([geoparquet.Mirror(path.read_bytes(), name="x")], Query())
            assert len(answer.documents(slice(None), "r")) == len(found)
        except OutputError:
            refused += 1
    assert refused > 50


def in_one(raw: bytes) -> list[tuple[str, stac_json.Document]]:
    return list(geoparquet.documents(geoparquet.from_bytes(raw, name="x")))


def test_items_of_a_killed_build_get_into_the_mirrors(
    root: Path, upstream: Upstream, tmp_path: Path
) -> None:
    other = tmp_path / "killed"
    again(other, upstream, 2025)
    for folder in sorted((root / "29PKR/B09/2024").iterdir())[:3]:
        if folder.is_dir():  # published, and then the build was killed
            shutil.copytree(folder, other / "29PKR/B09/2024" / folder.name)
    again(other, upstream, 2024)
    assert_true(other)


def test_an_item_that_was_changed_gets_into_the_tables_by_index(root: Path) -> None:
    path = root / max(published(root, "29PKR/B09/"))
    document = json.loads(path.read_bytes())
    document["properties"]["eo:cloud_cover"] = 99.5
    path.write_bytes(stac_json.to_bytes(document))
    stacgen.index(root)
    assert_true(root)
    collection = json.loads((root / "29PKR/B09/collection.json").read_bytes())
    assert collection["summaries"]["eo:cloud_cover"]["maximum"] == 99.5


def test_a_shard_writes_no_mirror(upstream: Upstream, tmp_path: Path) -> None:
    again(tmp_path, upstream, labour=stacgen.api.build.Labour(shard=Shard()))
    assert not list(tmp_path.rglob("*.parquet"))
    stacgen.index(tmp_path)
    assert_true(tmp_path)


def test_a_public_url_makes_links_absolute(upstream: Upstream, tmp_path: Path) -> None:
    again(tmp_path, upstream, 2024, base_url="https://data.example/s2")
    again(tmp_path, upstream, 2025)
    for key in ("29PKR/B09/items.parquet", "collections.parquet"):
        for row in pq.read_table(tmp_path / key).to_pylist():
            hrefs = [each["href"] for each in (*row["links"], *row["assets"].values())]
            assert all("://" in href for href in hrefs)
            assert any(href.startswith("https://data.example/s2/29PKR/") for href in hrefs)
    assert_true(tmp_path)


def test_no_local_path_is_in_a_mirror(root: Path) -> None:
    for path in root.rglob("*.parquet"):
        text = str(pq.read_table(path).to_pylist()) + str(pq.ParquetFile(path).metadata.metadata)
        assert str(root) not in text
        assert "/tmp" not in text  # noqa: S108


def test_a_run_with_nothing_to_do_loads_neither_pyarrow_nor_pystac(
    root: Path, upstream: Upstream
) -> None:
    script = f"""
import sys, stacgen
from stacgen.api.build import Upstream
report = stacgen.build("29PKR", "B09", years=[2024, 2025], output={str(root)!r},
                       upstream=Upstream(api={upstream.api!r}))
print(len(report.skipped), *{{"pyarrow", "pystac"}} & {{*sys.modules}})
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["6"]


THREADS = """
import os
import time
from pathlib import Path
import stacgen
from stacgen.stac import geoparquet

def count():
    return len(os.listdir("/proc/self/task"))

geoparquet.load()  # loads pandas, which has threads of its own
before = count()
{work}
until = time.monotonic() + 10
while count() > before and time.monotonic() < until:
    time.sleep(0.01)  # threads of Python that were joined may take a moment to go
print(count() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="Linux lists threads here")
@pytest.mark.parametrize(
    "work",
    [
        "stacgen.search({root!r})",
        "os.remove({root!r} + '/collections.parquet'); stacgen.index({root!r})",
        "stacgen.validate({root!r}, schemas=[Path({root!r})], deep=True)",
    ],
    ids=["search", "index", "validate"],
)
def test_reading_tables_starts_no_thread_of_pyarrow(root: Path, work: str) -> None:
    """A thread of pyarrow's pool that outlives the work may abort the process as it ends."""
    script = THREADS.format(work=work.format(root=str(root)))
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "0\n"


def test_a_mirror_in_a_bucket_is_cached_as_documents_are() -> None:
    memory = MemoryStore()
    file(Bucket(memory, "memory://out"), SCENES[:1])
    found = memory.get("collections.parquet").attributes
    assert found["Cache-Control"] == "public, max-age=60"
    assert found["Content-Type"] == "application/vnd.apache.parquet"


def test_a_catalog_without_collections_has_no_root_table(tmp_path: Path) -> None:
    """No file is written where there is nothing to show, and none is left of what has gone."""
    store = Folder(tmp_path)
    keep_root(store, ())
    keep_root(store, ["29PKR/B09/collection.json"])
    assert not list(tmp_path.iterdir())
    file(store, SCENES[:2])
    shutil.rmtree(tmp_path / "29PKR")
    keep_root(store, ["29PKR/B09/collection.json", "29PKR/scenes/collection.json"])
    found = geoparquet.Collections(store.read("collections.parquet") or b"", name="x")
    assert not list(found.listed())


def test_a_row_of_a_collection_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    """One frame more costs the files of its own Collection, however many others there are."""
    store = Folder(tmp_path)
    for band in ("B01", "B02", "B03"):
        file(store, [Scene(day="2025-01-01", band=band)])
    path = tmp_path / "collections.parquet"
    before = dict(geoparquet.Collections(path.read_bytes(), name="x").rows())
    for other in ("B01", "B02"):
        (tmp_path / f"29PKR/{other}/collection.json").write_bytes(b"damaged")
        (tmp_path / f"29PKR/{other}/items.parquet").write_bytes(b"damaged")
    keep_root(store, ["29PKR/B03/collection.json"])
    assert dict(geoparquet.Collections(path.read_bytes(), name="x").rows()) == before


@pytest.mark.parametrize("is_public", [False, True])
def test_pystac_reads_collections_from_the_root_table(tmp_path: Path, *, is_public: bool) -> None:
    """A row is a Collection to pystac, and a footprint with its CRS to geopandas."""
    base_url = "https://data.example/s2" if is_public else None
    file(Folder(tmp_path), SCENES, base_url=base_url)
    path = tmp_path / "collections.parquet"
    found = {}
    for row in pq.read_table(path).to_pylist():
        read = pystac.Collection.from_dict(without_nulls(row), href=str(path))
        name = read.id.removeprefix("sentinel-2-l2a-").replace("-", "/")
        folder = name if "/" in name else f"{name}/scenes"
        table = f"{base_url or tmp_path.as_posix()}/{folder}/items.parquet"
        assert read.assets["items"].get_absolute_href() == table
        found[read.id] = read
    for key in tmp_path.rglob("collection.json"):
        own = pystac.Collection.from_file(str(key))
        assert found[own.id].extent.to_dict() == own.extent.to_dict()
        assert found[own.id].summaries.to_dict() == own.summaries.to_dict()
    frame = geopandas.read_parquet(path)
    assert frame.crs.to_string() == "OGC:CRS84"
    assert set(geopandas.read_parquet(path, bbox=(-12, 13, -11, 14))["id"]) == {
        *("sentinel-2-l2a-29PKR", "sentinel-2-l2a-29PKR-B09", "sentinel-2-l2a-29PKR-B8A")
    }


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON
    """What a row says: a field of a struct that it lacks is null there."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return list(map(without_nulls, value)) if isinstance(value, list) else value
