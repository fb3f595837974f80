"""Documents above the Items: unions that come out the same in any order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacgen.errors import ForeignCatalogError, OutputError
from stacgen.model import bands, mgrs
from stacgen.model.raster import Footprint, Reflectance, Statistics, StoredFile
from stacgen.model.stream import Frame, Grid, Stream, Timeline, item_ids
from stacgen.stac import catalogs, item, layout, stac_json, summaries
from stacgen.stac.layout import CollectionPlace
from stacgen.stac.summaries import CollectionSummary

PLACE = CollectionPlace(tile=mgrs.parse("29PKR"), band=bands.find("B09"))
GRID = Grid(epsg=32629, left=199980, top=1600020, resolution=60, size=1830)
START = datetime(2025, 3, 2, 11, 21, 9, 24000, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

percentages = st.none() | st.floats(0, 100)
NEAR = [-78.5, 0.0, 177.5, 180.0]
"""Longitudes of tiles, of which some lie beside or across 180 degrees."""


def wrapped(longitude: float) -> float:
    return round((longitude + 180) % 360 - 180, 6)


@st.composite
def holdings(draw: st.DrawFn, near: float) -> CollectionSummary:
    west = near + draw(st.integers(-2_000_000, 1_000_000)) / 1e6
    south = draw(st.integers(-80, 79))
    start = START + timedelta(days=draw(st.integers(-800, 800)))
    cloud = draw(percentages)
    return CollectionSummary(
        bbox=(wrapped(west), south, wrapped(west + 1), south + 1),
        start=start,
        end=start + timedelta(hours=draw(st.integers(0, 100))),
        baselines=frozenset([draw(st.sampled_from(["02.14", "04.00", "05.11"]))]),
        years=frozenset([start.year]),
        stream_years=frozenset([start.year]),
        cloud_cover=None if cloud is None else (cloud, cloud),
        nodata_percentage=None,
    )


parts_of_a_tile = st.sampled_from(NEAR).flatmap(
    lambda near: st.lists(holdings(near), min_size=1, max_size=4)
)


@given(parts_of_a_tile.filter(lambda parts: len(parts) > 2))
def test_holdings_add_up_the_same_in_any_order(parts: list[CollectionSummary]) -> None:
    a, b, c = parts[:3]
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + a == a
    assert (a + b) + b == a + b


@given(parts_of_a_tile)
def test_a_collection_says_what_it_holds_and_can_be_read_back(
    parts: list[CollectionSummary],
) -> None:
    total = summaries.total(parts)
    document = catalogs.collection(total, place=PLACE, grid=GRID, scale=0.0001, is_sample=False)
    again = stac_json.from_bytes(stac_json.to_bytes(document), name="collection.json")
    assert summaries.of_collection(again) == total


@given(parts_of_a_tile)
def test_an_extent_holds_every_item_and_no_more_than_a_tile(parts: list[CollectionSummary]) -> None:
    west, _, east, _ = summaries.total(parts).bbox
    width = (east - west) % 360
    assert width < 5
    for part in parts:
        assert (part.bbox[0] - west) % 360 <= width + 1e-5
        assert (part.bbox[2] - west) % 360 <= width + 1e-5


def test_swaths_on_either_side_of_the_antimeridian_make_a_box_across_it() -> None:
    base = summaries.of_item(make_item(0))
    boxes = [(178.7, 0, 179.5, 1), (-179.4, 0, -178.8, 1), (179.0, 0, -178.8, 1)]
    for order in permutations(replace(base, bbox=box) for box in boxes):
        assert list(summaries.total(order).bbox) == [178.7, 0, -178.8, 1]


def test_a_box_across_the_antimeridian_stays_across_it() -> None:
    base = summaries.of_item(make_item(0))
    east = replace(base, bbox=(178.5, 0, 179.9, 1))
    across = replace(base, bbox=(179.2, 0, -179.3, 1))
    assert list((east + across).bbox) == [178.5, 0, -179.3, 1]
    assert list((across + east).bbox) == [178.5, 0, -179.3, 1]
    assert (across + across).bbox == across.bbox


def frame(number: int, **changes: Any) -> Frame:  # noqa: ANN401 - any field
    return Frame(
        **{
            "number": number,
            "sensing_time": START + timedelta(days=5 * number),
            "baseline": "05.11",
            "scale": 2.5,
            "offset": 0.0,
            "cloud_cover": 10.0,
            "nodata_percentage": None,
            **changes,
        }
    )


PIXELS = item.Pixels(
    statistics=(
        Statistics(minimum=1, maximum=9, mean=5.0, stddev=2.0, count=10, valid_percent=50.0),
    ),
    footprint=Footprint(
        geometry={
            "type": "Polygon",
            "coordinates": [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]],
        },
        bbox=(0.0, 0.0, 1.0, 1.0),
    ),
    reflectance=Reflectance.of("05.11"),
    saturated=0,
    clean_nodata="auto",
    cleaned=0,
    cog=StoredFile(size=10, sha256="ab" * 32),
    thumbnail=StoredFile(size=5, sha256="cd" * 32),
    thumbnail_shape=(458, 458),
)


def make_item(
    number: int,
    *frames: Frame,
    place: CollectionPlace = PLACE,
    pixels: item.Pixels = PIXELS,
    service: str = "ESA DUNIA",
    is_sample: bool = False,
    now: datetime = NOW,
) -> stac_json.Document:
    """The Item of the frame of that number in a stream of `frames`, or of it alone."""
    stream = Stream(
        tile=place.tile,
        band=place.band,
        year=2025,
        playlist_url="https://user:secret@dunia.example/s/stream.m3u8?token=secret",
        frames=frames or (frame(number),),
        timeline=Timeline(origin=Fraction("1.4")),
        service=service,
        is_sample=is_sample,
    )
    return item.build(
        stream,
        next(each for each in stream.frames if each.number == number),
        replace(GRID, resolution=place.band.resolution, size=place.band.size),
        pixels,
        item_id=item_ids(stream)[number],
        software={"stacgen": "0.1.0"},
        now=now,
    )


def test_a_year_links_each_item_once_and_in_time() -> None:
    year = partial(catalogs.year, place=PLACE, number=2025, is_sample=False)
    first = year(None, [make_item(3), make_item(1)])
    second = year(first, [make_item(2), make_item(1)])
    titles = [link.title for link in stac_json.links(second, "item")]
    assert titles == [
        "Sentinel-2 L2A 29PKR B09, 2025-03-07 11:21:09 UTC",
        "Sentinel-2 L2A 29PKR B09, 2025-03-12 11:21:09 UTC",
        "Sentinel-2 L2A 29PKR B09, 2025-03-17 11:21:09 UTC",
    ]
    assert year(second, []) == second


def test_a_secret_in_the_playlist_url_is_not_published() -> None:
    text = stac_json.to_bytes(make_item(0)).decode()
    assert "https://dunia.example/s/stream.m3u8" in text
    assert "secret" not in text


def test_a_sample_says_that_it_is_one_and_claims_no_source() -> None:
    document = make_item(0, is_sample=True)
    assert "no satellite data" in document["properties"]["processing:lineage"]
    assert not stac_json.links(document, "derived_from")
    collection = catalogs.collection(
        summaries.of_item(document), place=PLACE, grid=GRID, scale=0.0001, is_sample=True
    )
    assert "providers" not in collection or not collection["providers"]
    assert "sci:doi" not in collection
    assert catalogs.is_sample(collection)


def test_lineage_and_source_name_the_service() -> None:
    document = make_item(0, service="DestinE Streamer")
    assert "by DestinE Streamer as one frame" in document["properties"]["processing:lineage"]
    titles = [link.title for link in stac_json.links(document, "derived_from")]
    assert titles[0] == "DestinE Streamer HLS stream, frame 0"
    assert "DUNIA" not in stac_json.to_bytes(document).decode()


@pytest.mark.parametrize(
    ("is_sample", "title"),
    [(True, "Synthetic frames, not Sentinel-2"), (False, "Sentinel-2 L2A frames")],
)
def test_every_link_to_the_root_has_its_title(is_sample: bool, title: str) -> None:  # noqa: FBT001
    document = make_item(0, is_sample=is_sample)
    documents = [
        document,
        catalogs.root(None, place=PLACE, is_sample=is_sample, base_url="https://a.example"),
        catalogs.tile(None, place=PLACE, is_sample=is_sample),
        catalogs.year(None, [document], place=PLACE, number=2025, is_sample=is_sample),
        catalogs.collection(
            summaries.of_item(document),
            place=PLACE,
            grid=GRID,
            scale=0.0001,
            is_sample=is_sample,
        ),
    ]
    assert documents[1]["title"] == title
    for each in documents:
        titles = [link.title for rel in ("root", "self") for link in stac_json.links(each, rel)]
        assert set(titles) == {title}


def test_saturated_pixels_are_told_in_the_lineage() -> None:
    told = make_item(0, pixels=replace(PIXELS, saturated=7))["properties"]["processing:lineage"]
    assert "7 pixels outside 0..65535" in told
    assert "outside" not in make_item(0)["properties"]["processing:lineage"]


def test_an_item_with_nothing_new_keeps_its_every_byte() -> None:
    old = make_item(0)
    later = NOW + timedelta(days=1)
    assert item.succeeding(make_item(0, now=later), old) == old
    changed = item.succeeding(make_item(0, now=later, pixels=replace(PIXELS, saturated=1)), old)
    assert changed["properties"]["created"] == old["properties"]["created"]
    assert changed["properties"]["updated"] == "2026-01-02T00:00:00Z"


def test_a_root_keeps_its_public_url_until_told_another() -> None:
    first = catalogs.root(None, place=PLACE, is_sample=False, base_url="https://a.example/x/")
    kept = catalogs.root(first, place=PLACE, is_sample=False, base_url=None)
    assert stac_json.links(kept, "self")[0].href == "https://a.example/x/catalog.json"
    moved = catalogs.root(kept, place=PLACE, is_sample=False, base_url="https://b.example")
    assert [link.href for link in stac_json.links(moved, "self")] == [
        "https://b.example/catalog.json"
    ]


def test_only_a_root_of_ours_is_written_to() -> None:
    ours = catalogs.root(None, place=PLACE, is_sample=False, base_url=None)
    catalogs.check_ours(None, is_sample=False, name="x")
    catalogs.check_ours(ours, is_sample=False, name="x")
    with pytest.raises(ForeignCatalogError, match="real frames; synthetic"):
        catalogs.check_ours(ours, is_sample=True, name="x")
    with pytest.raises(ForeignCatalogError, match="did not make"):
        catalogs.check_ours({"type": "Catalog", "id": "x"}, is_sample=False, name="x")


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b"null", b'{"a": NaN}'])
def test_a_document_that_is_none_is_an_output_error(raw: bytes) -> None:
    with pytest.raises(OutputError, match=r"catalog\.json"):
        stac_json.from_bytes(raw, name="catalog.json")


def test_a_document_that_an_editor_has_marked_as_utf_8_is_read() -> None:
    assert stac_json.from_bytes(b'\xef\xbb\xbf{"id": "x"}', name="catalog.json") == {"id": "x"}


def test_not_a_number_cannot_be_published() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        stac_json.to_bytes({"mean": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        stac_json.to_bytes({"proj:code": None, "mean": float("nan")})


def test_hrefs_lead_from_key_to_key() -> None:
    place = PLACE.item("T29PKR_X", 2025)
    assert layout.href(place.key, layout.ROOT) == "../../../../catalog.json"
    assert layout.href(place.key, PLACE.year_key(2025)) == "../catalog.json"
    assert layout.href(PLACE.year_key(2025), place.key) == "./T29PKR_X/T29PKR_X.json"
