"""Scenes: the bands of an acquisition as one Item, whatever was built first."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import shapely.geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from stacgen.catalog.commit import filing_of
from stacgen.catalog.index import index
from stacgen.catalog.journal import Journal
from stacgen.catalog.pending import PendingChanges
from stacgen.io.bucket import Bucket
from stacgen.model import bands
from stacgen.model.raster import Footprint
from stacgen.model.stream import Frame
from stacgen.stac import layout, scene, stac_json
from stacgen.stac.layout import CollectionPlace, ScenesPlace
from test_catalog import NOW, PIXELS, PLACE, START, frame, make_item

SCENES = ScenesPlace(tile=PLACE.tile)
STEM = "T29PKR_20250302T112109_05.11"


def home(band: str) -> CollectionPlace:
    return replace(PLACE, band=bands.find(band))


def items(band: str, *frames: Frame, **changes: Any) -> list[stac_json.Document]:  # noqa: ANN401
    """The Items of a stream of a band."""
    place = home(band)
    return [make_item(each.number, *frames, place=place, **changes) for each in frames]


def scenes_of(*documents: stac_json.Document) -> list[stac_json.Document]:
    return [scene.build(each, SCENES, kept={}) for each in scene.assemble(documents)]


def only(*documents: stac_json.Document) -> stac_json.Document:
    (found,) = scenes_of(*documents)
    return found


def test_bands_of_one_time_and_baseline_are_one_item_in_the_order_of_wavelength() -> None:
    document = only(*items("B8A", frame(0)), *items("B02", frame(0)))
    assert document["id"] == STEM
    assert document["collection"] == "sentinel-2-l2a-29PKR"
    assert list(document["assets"]) == ["B02", "B8A", "thumbnail"]
    assert document["properties"]["title"].endswith(", 2025-03-02 11:21:09 UTC, 2 bands")
    assert document["properties"]["gsd"] == 10


def test_assets_are_those_of_the_bands_seen_from_another_place() -> None:
    original = items("B8A", frame(0))[0]
    document = only(original, *items("B04", frame(0)))
    asset = dict(document["assets"]["B8A"])
    href = asset.pop("href")
    key = SCENES.item(STEM, 2025).key
    assert layout.target(key, href) == home("B8A").item(original["id"], 2025).cog_key
    lineage = asset.pop("processing:lineage")
    assert lineage == original["properties"]["processing:lineage"]
    assert asset == {key: original["assets"]["B8A"][key] for key in asset}
    assert len(asset) == len(original["assets"]["B8A"]) - 1
    picture = layout.target(key, document["assets"]["thumbnail"]["href"])
    assert picture == home("B04").item(f"{STEM}_B04_10m", 2025).thumbnail_key


def test_another_time_or_baseline_is_another_scene() -> None:
    found = scenes_of(
        *items("B02", frame(0), frame(1)), *items("B8A", frame(0, baseline="05.00"), frame(1))
    )
    assert [(each["id"], list(each["assets"])[:-1]) for each in found] == [
        ("T29PKR_20250302T112109_05.00", ["B8A"]),
        (STEM, ["B02"]),
        ("T29PKR_20250307T112109_05.11", ["B02", "B8A"]),
    ]


def test_two_acquisitions_of_one_second_are_told_apart_by_their_times() -> None:
    """In B02 the later one is numbered; in B8A the earlier is missing, so it is not."""
    early, late = frame(0), frame(7, sensing_time=START + timedelta(milliseconds=500))
    found = scenes_of(*items("B8A", late), *items("B02", early, late))
    assert [each["id"] for each in found] == [STEM, f"{STEM}_524000"]
    assert [list(each["assets"]) for each in found] == [
        ["B02", "thumbnail"],
        ["B02", "B8A", "thumbnail"],
    ]
    assert f"{STEM}_B02_10m_7/" in found[1]["assets"]["B02"]["href"]


def test_two_frames_of_the_very_same_time_make_two_scenes() -> None:
    first, second = frame(0), frame(10, sensing_time=START)
    found = scenes_of(*items("B02", first, second), *items("B8A", first))
    assert [each["id"] for each in found] == [STEM, f"{STEM}_024000"]
    assert "B8A" in found[0]["assets"]
    third = scenes_of(*items("B02", first, frame(9, sensing_time=START), second))
    assert [each["id"] for each in third] == [STEM, f"{STEM}_024000", f"{STEM}_024000_2"]
    assert third[1]["assets"]["B02"]["href"].endswith("B02_10m_9.tif")  # by number, not by text


def test_a_figure_that_one_band_knows_is_the_scenes() -> None:
    known, unknown = frame(0, cloud_cover=12.5), frame(0, cloud_cover=None)
    document = only(*items("B02", unknown), *items("B8A", known))
    assert document["properties"]["eo:cloud_cover"] == 12.5
    assert "s2:nodata_pixel_percentage" not in document["properties"]


def test_a_figure_that_bands_contradict_each_other_in_is_left_out() -> None:
    document = only(
        *items("B02", frame(0, cloud_cover=12.5)), *items("B8A", frame(0, cloud_cover=12.6))
    )
    assert "eo:cloud_cover" not in document["properties"]


def test_a_scene_is_as_old_as_its_first_band_and_as_new_as_its_last() -> None:
    later = NOW + timedelta(seconds=1, microseconds=5)
    document = only(*items("B02", frame(0), now=later), *items("B8A", frame(0)))
    assert document["properties"]["created"] == "2026-01-01T00:00:00Z"
    assert document["properties"]["updated"] == "2026-01-01T00:00:01.000005Z"


def outlined(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """Changes to an Item that shows a box."""
    shape = shapely.geometry.mapping(shapely.geometry.box(west, south, east, north))
    return {
        "pixels": replace(
            PIXELS, footprint=Footprint(geometry=shape, bbox=(west, south, east, north))
        )
    }


def test_a_scene_lies_where_any_of_its_bands_shows_ground() -> None:
    document = only(
        *items("B02", frame(0), **outlined(10, 0, 11, 1)),
        *items("B8A", frame(0), **outlined(10.5, 0, 11.5, 1)),
    )
    assert document["bbox"] == [10, 0, 11.5, 1]
    shape = shapely.geometry.shape(document["geometry"])
    assert shape.equals(shapely.geometry.box(10, 0, 11.5, 1))
    assert shape.exterior.is_ccw


def test_bands_that_lie_apart_are_in_one_outline() -> None:
    document = only(
        *items("B02", frame(0), **outlined(10, 0, 10.2, 1)),
        *items("B8A", frame(0), **outlined(10.8, 0, 11, 1)),
    )
    assert document["geometry"]["type"] == "Polygon"
    assert document["bbox"] == [10, 0, 11, 1]


def test_a_scene_across_the_antimeridian_stays_across_it() -> None:
    halves = shapely.geometry.MultiPolygon(
        [shapely.geometry.box(179.5, 0, 180, 1), shapely.geometry.box(-180, 0, -179.5, 1)]
    )
    across = Footprint(geometry=shapely.geometry.mapping(halves), bbox=(179.5, 0, -179.5, 1))
    document = only(
        *items("B02", frame(0), **outlined(179.2, 0, 179.9, 1)),
        *items("B8A", frame(0), pixels=replace(PIXELS, footprint=across)),
    )
    assert document["bbox"] == [179.2, 0, -179.5, 1]
    assert document["geometry"]["type"] == "MultiPolygon"
    area = shapely.geometry.shape(document["geometry"]).area
    assert area == pytest.approx(1.3, abs=1e-3)


def test_streams_of_all_bands_are_named() -> None:
    document = only(*items("B02", frame(0)), *items("B8A", frame(0)))
    links = stac_json.links(document, "derived_from")
    assert [link.title for link in links] == ["ESA DUNIA HLS stream, frame 0"] * 2
    assert not stac_json.links(only(*items("B02", frame(0), is_sample=True)), "derived_from")


# Whole catalogs


def file(store: Bucket, documents: Sequence[stac_json.Document]) -> None:
    """What a build of one band does once its frames are published."""
    band = layout.band_of(documents[0]["id"])
    place = replace(PLACE, band=band)
    publish(store, documents)
    filing = filing_of(documents[0], place, base_url=None)
    with Journal(store) as journal:
        pending = PendingChanges(store, journal)
        pending.link(documents, filing)
        pending.close()


def publish(store: Bucket, documents: Sequence[stac_json.Document]) -> None:
    for each in documents:
        place = replace(PLACE, band=layout.band_of(each["id"]))
        key = place.item(
            each["id"], datetime.fromisoformat(each["properties"]["datetime"]).year
        ).key
        store.write(key, stac_json.to_bytes(each), stac_json.GEOJSON)


def contents(store: Bucket) -> dict[str, bytes]:
    return {entry.key: store.read(entry.key) or b"" for entry in store.list("")}


def memory() -> Bucket:
    return Bucket(MemoryStore(), "memory:///")


moments = st.sampled_from(
    [
        START,
        START + timedelta(milliseconds=300),
        START + timedelta(milliseconds=600),
        START + timedelta(days=5),
        START - timedelta(days=200),
    ]
)


@st.composite
def streams(draw: st.DrawFn) -> list[list[stac_json.Document]]:
    """Items of a few bands, with gaps, neighbours in one second and two baselines, in builds."""
    builds: list[list[stac_json.Document]] = []
    for band in draw(st.lists(st.sampled_from(["B02", "B8A", "B09"]), min_size=1, unique=True)):
        times = sorted(draw(st.lists(moments, min_size=1, max_size=4)))
        frames = [
            frame(
                number,
                sensing_time=moment,
                baseline=draw(st.sampled_from(["05.10", "05.11"])),
                cloud_cover=draw(st.sampled_from([None, 1.0, 2.0])),
            )
            for number, moment in enumerate(times)
        ]
        documents = items(band, *frames, now=NOW + timedelta(seconds=len(builds)))
        middle = draw(st.integers(0, len(documents)))
        builds += [part for part in (documents[:middle], documents[middle:]) if part]
    return draw(st.permutations(builds))


@given(streams())
@settings(deadline=None, max_examples=40)
def test_scenes_are_the_same_whatever_was_built_first(
    builds: list[list[stac_json.Document]],
) -> None:
    grown, indexed = memory(), memory()
    for documents in builds:
        file(grown, documents)
        publish(indexed, documents)
    index(indexed)
    assert contents(grown) == contents(indexed)
    index(grown)
    assert contents(grown) == contents(indexed)
    known = [document for documents in builds for document in documents]
    ids = [each["id"] for each in scenes_of(*known)]
    assert len(ids) == len(set(ids))
    links = [key for key in contents(grown) if key.startswith("29PKR/scenes/") and "/T" in key]
    assert sorted(layout.id_of(key) for key in links) == sorted(ids)


def test_a_link_that_stacgen_did_not_make_is_no_band_of_a_scene() -> None:
    store = memory()
    file(store, items("B02", frame(0)))
    key = home("B02").year_key(2025)
    text = (store.read(key) or b"").decode()
    href = f"./{STEM}_B02_10m/{STEM}_B02_10m.json"
    assert href in text
    store.write(key, text.replace(href, "./mine/mine.json").encode(), stac_json.JSON)
    file(store, items("B8A", frame(0)))
    document = stac_json.from_bytes(store.read(SCENES.item(STEM, 2025).key) or b"", name="scene")
    assert list(document["assets"]) == ["B8A", "thumbnail"]  # what is filed, and no more


def test_scenes_of_most_bands_are_linked_first() -> None:
    store = memory()
    file(store, items("B02", frame(0), frame(1), frame(2)))
    file(store, items("B8A", frame(1)))
    year = stac_json.from_bytes(store.read(SCENES.year_key(2025)) or b"", name="year")
    titles = [link.title for link in stac_json.links(year, "item")]
    assert [title.rpartition(", ")[2] for title in titles] == ["2 bands", "1 band", "1 band"]
    assert titles[1:] == sorted(titles[1:])
