"""Builds from a real HTTP server and real HEVC to a catalog on disk."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
import pytest
import rasterio
from obstore.store import MemoryStore
from rio_cogeo.cogeo import cog_validate

import crashes
import damage
import dunia
import stacgen
from conftest import Reference
from stacgen.api import run as api_run
from stacgen.api.build import Labour, Pixels, Upstream, recipe
from stacgen.dunia import endpoints
from stacgen.errors import (
    EmptySelectionError,
    ForeignCatalogError,
    NotStreamedError,
    OutputError,
    PlaylistError,
    UsageError,
)
from stacgen.io.bucket import Bucket
from stacgen.io.http import Http, Patience
from stacgen.model import bands, mgrs
from stacgen.model.outcomes import Event, Report
from stacgen.model.raster import Reflectance
from stacgen.model.request import Request
from stacgen.model.selection import parse_moment
from stacgen.model.stream import Selection
from stacgen.pipeline.request import Order
from stacgen.stac import geoparquet

HASTY = Patience(tries=2, shortest=0.001, longest=0.002, longest_named=0.01)
BAND_METADATA = "/api/streaming/band_metadata/29PKR/B09/2025"
SEGMENT = "/streams/29PKR/B09/2025/seg_001.ts"

Build = Callable[..., Report]


@pytest.fixture(scope="session")
def stream() -> dict[str, bytes]:
    """Ten frames of 29PKR B09 2025 in segments of 4, 4 and 2, encoded once."""
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(10)])
        return server.content


@pytest.fixture
def upstream(server: dunia.Server, stream: dict[str, bytes]) -> dunia.Server:
    server.content.update(stream)
    return server


@pytest.fixture
def build(upstream: dunia.Server, tmp_path: Path) -> Build:
    """Build 29PKR B09 2025 into tmp_path/out, unless told otherwise."""

    def call(tile: str = "29PKR", band: str = "B09", **changes: Any) -> Report:  # noqa: ANN401
        api = Upstream(api=upstream.base, patience=HASTY)
        return stacgen.build(
            tile,
            band,
            **{"years": [2025], "output": tmp_path / "out", "upstream": api, **changes},
        )

    return call


def tree(root: Path) -> dict[str, bytes]:
    """Every file but those that are hidden, such as the entry of a build that was interrupted."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] != ".stacgen"
    }


def documents(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for key, content in tree(root).items():
        if key.endswith(".json"):
            yield root / key, json.loads(content, parse_constant=pytest.fail)


def assert_links_resolve(root: Path) -> None:
    """Every relative link of every document points to a file, and says its title."""
    assert "</html>" in (root / "index.html").read_text()
    for path, document in documents(root):
        for link in document["links"]:
            if "://" not in link["href"]:
                target = path.parent / link["href"]
                assert target.is_file(), f"{path}: {link}"
                if link["type"] == "text/html":
                    assert f"<title>{link['title']}</title>" in target.read_text()
                    continue
                named = json.loads(target.read_bytes())
                assert link["title"] == (named.get("title") or named["properties"]["title"])
        for asset in document.get("assets", {}).values():
            file = path.parent / asset["href"]
            if document["type"] == "Collection":
                assert file.is_file()
                continue
            assert file.stat().st_size == asset["file:size"]
            assert "1220" + sha256(file.read_bytes()).hexdigest() == asset["file:checksum"]


def linked_items(root: Path) -> set[str]:
    """Ids of the frames that are linked; those of scenes, see `linked_scenes`."""
    return _linked(root) - linked_scenes(root)


def linked_scenes(root: Path) -> set[str]:
    return {item_id for item_id in _linked(root) if item_id.count("_") == 2}


def _linked(root: Path) -> set[str]:
    return {
        Path(link["href"]).stem
        for path, document in documents(root)
        for link in document["links"]
        if link["rel"] == "item"
    }


def timeless(files: dict[str, bytes]) -> dict[str, object]:
    """What files say, but for when Items were made."""

    def said(key: str, content: bytes) -> object:
        if key == "collections.parquet":
            return crashes.collections(content)
        if key.endswith(".parquet"):
            found = geoparquet.documents(geoparquet.from_bytes(content, name=key))
            return [(each, without_times(document)) for each, document in found]
        return without_times(json.loads(content)) if is_item(key) else content

    return {key: said(key, content) for key, content in files.items()}


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    properties = {
        name: value
        for name, value in document["properties"].items()
        if name not in ("created", "updated")
    }
    return {**document, "properties": properties}


def is_item(key: str) -> bool:
    folder, _, name = key.rpartition("/")
    return name == f"{folder.rpartition('/')[2]}.json"


def test_pixels_are_those_of_the_reference_oracle(
    server: dunia.Server, reference: Reference, tmp_path: Path
) -> None:
    reference.serve(server)
    report = stacgen.build(
        reference.tile,
        reference.band,
        years=[reference.year],
        output=tmp_path,
        upstream=Upstream(api=server.base),
        pixels=Pixels(clean_nodata="none"),
    )
    assert {type(each).__name__ for each in report.outcomes} == {"Built"}
    assert len(report.built) == len(reference.digests)
    for built in report.built:
        moment = built.ref.frame.sensing_time.strftime("%Y-%m-%dT%H:%M:%S.%f")
        expected = reference.digests[moment]
        path = Path(built.ref.href).with_suffix(".tif")
        assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
        with rasterio.open(path) as dataset:
            pixels = dataset.read(1)
        assert sha256(pixels.astype("<u2").tobytes()).hexdigest() == expected["sha256"]
        assert built.saturated == expected["clipped"]
        document = json.loads(Path(built.ref.href).read_bytes())
        statistics = document["assets"][reference.band]["bands"][0]["statistics"]
        assert statistics["count"] == pixels.size - expected["nodata"]
    assert_links_resolve(tmp_path)


def test_the_grid_in_file_and_item_is_that_of_the_bounds(build: Build) -> None:
    built = build().built[0]
    document = json.loads(Path(built.ref.href).read_bytes())
    with rasterio.open(Path(built.ref.href).with_suffix(".tif")) as dataset:
        assert dataset.crs.to_epsg() == 32629
        assert tuple(dataset.bounds) == (199980, 1490220, 309780, 1600020)
        assert list(dataset.transform)[:6] == document["assets"]["B09"]["proj:transform"]
        assert dataset.nodata == 0
        assert dataset.scales == (0.0001,)
        assert dataset.offsets == (-0.1,)
        assert dataset.descriptions == ("B09",)
    assert document["properties"]["proj:code"] == "EPSG:32629"
    assert document["assets"]["B09"]["proj:shape"] == [1830, 1830]


def test_the_items_of_a_build_are_read_from_the_catalog_and_open(build: Build) -> None:
    """Those built and those skipped, each when it is asked for; rasterio opens their assets."""
    build(wanted=Selection(limit=2))
    report = build(wanted=Selection(limit=3))
    assert (len(report.built), len(report.items)) == (1, 3)
    for item, outcome in zip(report.items, report.outcomes, strict=True):
        assert item.self_href == outcome.ref.href
        assert item.datetime == outcome.ref.frame.sensing_time
        with rasterio.open(item.assets["B09"].href) as dataset:
            assert dataset.shape == tuple(item.assets["B09"].extra_fields["proj:shape"])
    assert [item.id for item in report.items[1:]] == [str(each.ref) for each in report.outcomes][1:]
    Path(report.outcomes[-1].ref.href).unlink()
    with pytest.raises(OutputError, match="is gone"):
        report.items[-1]


def test_a_build_leaves_a_whole_catalog_and_nothing_else(build: Build, tmp_path: Path) -> None:
    report = build()
    assert [each.ref.frame.number for each in report.built] == list(range(10))
    assert_links_resolve(tmp_path / "out")
    assert linked_items(tmp_path / "out") == {each.ref.item_id for each in report.built}
    kinds = {path.suffix for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert kinds == {".json", ".tif", ".png", ".html", ".parquet"}
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_second_run_fetches_no_segment_and_changes_no_byte(
    build: Build, upstream: dunia.Server, tmp_path: Path
) -> None:
    build()
    before = {path: path.stat() for path in (tmp_path / "out").rglob("*")}
    upstream.requests.clear()
    report = build()
    assert len(report.skipped) == 10
    assert not report.built
    assert not [path for path in upstream.paths() if path.startswith("/streams")]
    after = {path: path.stat() for path in (tmp_path / "out").rglob("*")}
    assert {path: found.st_mtime_ns for path, found in before.items()} == {
        path: found.st_mtime_ns for path, found in after.items()
    }


@pytest.mark.parametrize("damage", ["cog cut", "cog gone", "item cut", "item gone"])
def test_what_is_unsound_is_mended_to_the_same_bytes(
    build: Build, upstream: dunia.Server, tmp_path: Path, damage: str
) -> None:
    report = build(wanted=Selection(limit=5))
    whole = tree(tmp_path / "out")
    item = Path(report.built[4].ref.href)
    file = item.with_suffix(".tif") if damage.startswith("cog") else item
    if damage.endswith("gone"):
        file.unlink()
    else:
        os.truncate(file, file.stat().st_size // 2)
    upstream.requests.clear()
    again = build(wanted=Selection(limit=5))
    assert [each.ref.frame.number for each in again.built] == [4]
    assert [path for path in upstream.paths() if path.endswith(".ts")] == [SEGMENT]
    mended = tree(tmp_path / "out")
    if damage.startswith("item"):  # its times of creation went with it
        assert timeless(mended) == timeless(whole)
    else:
        assert mended == whole


def test_verify_finds_a_flip_that_kept_the_size(build: Build) -> None:
    report = build(wanted=Selection(limit=1))
    file = Path(report.built[0].ref.href).with_suffix(".tif")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert build(wanted=Selection(limit=1)).skipped
    assert build(wanted=Selection(limit=1), verify=True).built


def test_force_builds_anew_and_keeps_the_time_of_creation(build: Build) -> None:
    one = Selection(limit=1)
    item = Path(build(wanted=one).built[0].ref.href)
    before = json.loads(item.read_bytes())["properties"]
    assert build(wanted=one, force=True).built
    unchanged = json.loads(item.read_bytes())["properties"]
    assert unchanged == before
    changed = Pixels(reflectance=Reflectance(scale=0.0002, offset=0.5))
    assert build(wanted=one, force=True, pixels=changed).built
    document = json.loads(item.read_bytes())
    assert document["assets"]["B09"]["raster:offset"] == 0.5
    assert document["properties"]["created"] == before["created"]
    assert document["properties"]["updated"] > before["updated"]


def test_a_smaller_figure_after_force_shrinks_the_summaries(
    build: Build, upstream: dunia.Server, tmp_path: Path
) -> None:
    build()
    tci = dunia.tci_path()
    figures = json.loads(upstream.content[tci])
    for image in figures["images"]:
        image["cloudy_pixel_percentage"] = 5.0
    upstream.put_json(tci, figures)
    build(force=True)
    collection = json.loads((tmp_path / "out/29PKR/B09/collection.json").read_bytes())
    assert collection["summaries"]["eo:cloud_cover"] == {"minimum": 5.0, "maximum": 5.0}


def test_only_the_segments_of_wanted_frames_are_fetched(
    build: Build, upstream: dunia.Server
) -> None:
    wanted = [4, 5]
    moments = [image["sensing_time"] for image in dunia.images(10)]
    first, last = (parse_moment(moments[number]) for number in wanted)
    report = build(wanted=Selection(start=first, end=last))
    assert [each.ref.frame.number for each in report.built] == wanted
    assert [path for path in upstream.paths() if path.endswith(".ts")] == [SEGMENT]


def test_years_add_up_in_one_collection(
    build: Build, upstream: dunia.Server, tmp_path: Path
) -> None:
    earlier = dunia.images(2, start=datetime(2024, 12, 20, 11, 21, 9, tzinfo=UTC), baseline="05.09")
    dunia.publish(upstream, [dunia.landscape(n) for n in range(2)], year=2024, metadata=earlier)
    build()
    build(years=[2024])
    root = tmp_path / "out/29PKR/B09"
    collection = json.loads((root / "collection.json").read_bytes())
    assert collection["extent"]["temporal"]["interval"] == [
        ["2024-12-20T11:21:09Z", "2025-04-16T11:21:09.024Z"]
    ]
    assert collection["summaries"]["processing:version"] == ["05.09", "05.11"]
    children = [link["title"] for link in collection["links"] if link["rel"] == "child"]
    assert children == ["2024", "2025"]
    assert_links_resolve(tmp_path / "out")
    both = tree(tmp_path / "out")
    assert build(years=[2025, 2024]).skipped
    assert tree(tmp_path / "out") == both


def test_bands_and_tiles_share_a_root(build: Build, upstream: dunia.Server, tmp_path: Path) -> None:
    dunia.publish(upstream, [dunia.landscape(0)], band="B01")
    build(wanted=Selection(limit=1))
    build("29PKR", "B01", base_url="https://example.org/frames/")
    root = json.loads((tmp_path / "out/catalog.json").read_bytes())
    assert [link["href"] for link in root["links"] if link["rel"] == "self"] == [
        "https://example.org/frames/catalog.json"
    ]
    tile = json.loads((tmp_path / "out/29PKR/catalog.json").read_bytes())
    children = [link["href"] for link in tile["links"] if link["rel"] == "child"]
    assert children == [f"./{name}/collection.json" for name in ("B01", "B09", "scenes")]


def test_a_damaged_segment_is_fetched_again(build: Build, upstream: dunia.Server) -> None:
    whole = upstream.content[SEGMENT]
    upstream.faults[SEGMENT] = lambda request: whole[:-20_000] if request.count < 3 else whole
    report = build()
    assert len(report.built) == 10
    assert upstream.paths().count(SEGMENT) == 3


def test_a_segment_that_stays_damaged_fails_its_frames_by_name(
    build: Build, upstream: dunia.Server, tmp_path: Path
) -> None:
    whole = upstream.content[SEGMENT]
    upstream.content[SEGMENT] = whole[:-20_000]
    report = build()
    assert [each.ref.frame.number for each in report.failed] == [4, 5, 6, 7]
    assert "seg_001.ts (frames 4 to 7) cannot be trusted" in report.failed[0].reason
    assert upstream.paths().count(SEGMENT) == 3
    assert linked_items(tmp_path / "out") == {each.ref.item_id for each in report.built}
    upstream.content[SEGMENT] = whole
    assert [each.ref.frame.number for each in build().built] == [4, 5, 6, 7]
    assert_links_resolve(tmp_path / "out")


def test_a_segment_that_cannot_be_had_fails_its_frames_and_no_others(
    build: Build, upstream: dunia.Server
) -> None:
    del upstream.content[SEGMENT]
    report = build()
    assert [each.ref.frame.number for each in report.failed] == [4, 5, 6, 7]
    assert "404" in report.failed[0].reason
    assert len(report.built) == 6


def test_a_frame_beyond_the_playlist_fails_by_name(build: Build, upstream: dunia.Server) -> None:
    upstream.content["/streams/29PKR/B09/2025/stream.m3u8"] = dunia.playlist([4, 4])
    report = build()
    assert [each.ref.frame.number for each in report.failed] == [8, 9]
    assert "stream ends before it, with frame 7" in report.failed[0].reason
    assert "playlist ends before it, at frame 7" in report.failed[1].reason


def test_a_frame_without_metadata_shifts_no_other(build: Build, upstream: dunia.Server) -> None:
    images = dunia.images(10)
    del images[5]
    stream_full = "@BASE@/streams/29PKR/B09/2025/stream.m3u8"
    upstream.put_json(BAND_METADATA, {"metadata": {"stream_full": stream_full}, "images": images})
    report = build()
    assert [each.ref.frame.number for each in report.built] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert any("1 frames in the fetched segments" in note for note in report.notes)
    for built in report.built:
        with rasterio.open(Path(built.ref.href).with_suffix(".tif")) as dataset:
            codes = dunia.landscape(built.ref.frame.number)
            assert (dataset.read(1) == (codes * 2.5).astype(np.uint16)).all()


def test_two_frames_of_one_second_both_stand(build: Build, upstream: dunia.Server) -> None:
    images = dunia.images(10)
    images[3]["sensing_time"] = images[2]["sensing_time"].replace(".024", ".900")
    stream_full = "@BASE@/streams/29PKR/B09/2025/stream.m3u8"
    upstream.put_json(BAND_METADATA, {"metadata": {"stream_full": stream_full}, "images": images})
    ids = [each.ref.item_id for each in build(wanted=Selection(limit=4)).built]
    assert ids[3] == f"{ids[2]}_3"
    assert any("frame number was added" in note for note in build().notes)


def test_a_frame_of_nodata_alone_is_refused(build: Build, upstream: dunia.Server) -> None:
    empty = np.zeros((1830, 1830), np.uint16)
    dunia.publish(upstream, [dunia.landscape(0), empty])
    report = build()
    assert [each.ref.frame.number for each in report.built] == [0]
    assert "every pixel decodes to nodata" in report.failed[0].reason


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("auto", "that touch nodata and cannot be ground"),
        (20, "of codes up to 20 that touch nodata"),
    ],
)
def test_clean_nodata_is_done_and_told(
    build: Build, upstream: dunia.Server, way: int | str, said: str
) -> None:
    codes = dunia.landscape(0)
    codes[:, :600] = 0
    codes[100:120, 600:610] = 7
    dunia.publish(upstream, [codes])
    report = build(pixels=Pixels(clean_nodata=way))
    assert report.built[0].cleaned == 200
    document = json.loads(Path(report.built[0].ref.href).read_bytes())
    assert f"200 pixels {said} were set to nodata." in document["properties"]["processing:lineage"]
    assert document["properties"]["stacgen:clean_nodata"] == str(way)
    with rasterio.open(Path(report.built[0].ref.href).with_suffix(".tif")) as dataset:
        assert not dataset.read(1)[100:120, 600:610].any()
        statistics = document["assets"]["B09"]["bands"][0]["statistics"]
        assert statistics["count"] == int((dataset.read(1) > 0).sum())


def test_a_master_playlist_leads_to_the_largest_stream(
    build: Build, upstream: dunia.Server
) -> None:
    folder = "/streams/29PKR/B09/2025"
    upstream.content[f"{folder}/media.m3u8"] = upstream.content[f"{folder}/stream.m3u8"]
    upstream.content[f"{folder}/stream.m3u8"] = (
        b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=915x915\nsmall.m3u8\n"
        b"#EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=1830x1830\nmedia.m3u8\n"
    )
    assert len(build(wanted=Selection(limit=1)).built) == 1
    upstream.content[f"{folder}/media.m3u8"] = upstream.content[f"{folder}/stream.m3u8"]
    with pytest.raises(PlaylistError, match="names only further playlists"):
        build(force=True)


def test_byte_ranges_of_one_file_work(build: Build, upstream: dunia.Server) -> None:
    folder = "/streams/29PKR/B09/2025"
    parts = [upstream.content[f"{folder}/seg_{index:03}.ts"] for index in range(3)]
    upstream.content[f"{folder}/all.ts"] = b"".join(parts)
    lines = ["#EXTM3U", "#EXT-X-VERSION:4"]
    for part, frames in zip(parts, (4, 4, 2), strict=True):
        lines += [f"#EXTINF:{frames / 25},", f"#EXT-X-BYTERANGE:{len(part)}", "all.ts"]
    lines[3] += "@0"
    upstream.content[f"{folder}/stream.m3u8"] = "\n".join(lines).encode()
    assert len(build().built) == 10


def test_fragmented_mp4_of_ten_bits_works(build: Build, upstream: dunia.Server) -> None:
    folder = "/streams/29PKR/B09/2025"
    codes = [dunia.landscape(number, peak=1000) for number in range(2)]
    whole = _fragmented(codes)
    cut = whole.index(b"moof") - 4
    upstream.content[f"{folder}/init.mp4"] = whole[:cut]
    upstream.content[f"{folder}/seg.m4s"] = whole[cut:]
    upstream.content[f"{folder}/stream.m3u8"] = (
        b'#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:0.08,\nseg.m4s\n'
    )
    images = dunia.images(2)
    for number, image in enumerate(images):
        image["pts_time"] = number / 25
    stream_full = f"@BASE@{folder}/stream.m3u8"
    upstream.put_json(BAND_METADATA, {"metadata": {"stream_full": stream_full}, "images": images})
    report = build()
    assert len(report.built) == 2
    with rasterio.open(Path(report.built[1].ref.href).with_suffix(".tif")) as dataset:
        assert (dataset.read(1) == (codes[1] * 2.5).astype(np.uint16)).all()


def _fragmented(codes: Sequence[dunia.Codes]) -> bytes:
    file = io.BytesIO()
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(file, "w", format="mp4", options=flags) as out:
        stream = out.add_stream("libx265", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1830, 1830, "gray10le"
        stream.options = {
            "preset": "ultrafast",
            "x265-params": "log-level=none:pools=none:frame-threads=1:lossless=1:bframes=0",
        }
        for number, picture in enumerate(codes):
            frame = av.VideoFrame.from_ndarray(picture, format="gray10le")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def test_a_dry_run_tells_sizes_and_writes_nothing(
    build: Build, upstream: dunia.Server, tmp_path: Path
) -> None:
    report = build(dry_run=True)
    segments = [body for path, body in upstream.content.items() if path.endswith(".ts")]
    assert report.planned[0].size == sum(map(len, segments))
    assert report.planned[0].segments == 3
    assert len(report.planned[0].frames) == 10
    assert not (tmp_path / "out").exists()


def test_the_watcher_is_told_of_everything(build: Build) -> None:
    events: list[Event] = []
    build(watch=events.append)
    kinds = [type(event).__name__ for event in events]
    assert kinds.count("Built") == 10
    assert kinds.count("Received") == 3
    assert kinds[0] == "Planned"


def test_a_catalog_of_someone_else_is_left_alone(build: Build, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    theirs = tmp_path / "out/catalog.json"
    theirs.write_text('{"type": "Catalog", "id": "theirs", "links": []}')
    with pytest.raises(ForeignCatalogError, match="stacgen did not make"):
        build()
    assert tree(tmp_path / "out") == {"catalog.json": theirs.read_bytes()}


def test_a_root_that_is_no_json_is_left_alone(build: Build, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/catalog.json").write_text("{")
    with pytest.raises(OutputError, match="not JSON"):
        build()


def test_real_frames_are_not_put_beside_synthetic_ones(build: Build, tmp_path: Path) -> None:
    build(wanted=Selection(limit=1))
    root = tmp_path / "out/catalog.json"
    root.write_text(root.read_text().replace('"dunia"', '"sample"'))
    with pytest.raises(ForeignCatalogError, match="synthetic"):
        build()


def test_an_unwritable_output_is_an_output_error(build: Build, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be used"):
        build()


def test_a_stream_that_is_not_there_is_named(build: Build) -> None:
    with pytest.raises(NotStreamedError, match="no stream for 29PKR B01 2024"):
        build("29pkr", "b1", years=[2024])


def test_an_unknown_tile_is_named(build: Build, upstream: dunia.Server) -> None:
    del upstream.content["/api/streaming/s2-tiles/utm-bounds/29PKR"]
    with pytest.raises(NotStreamedError, match="no bounds of tile 29PKR"):
        build()


def test_years_before_the_first_stream_are_refused(build: Build) -> None:
    with pytest.raises(UsageError, match=r"29PKR B09 2018.*begin with 2019"):
        build(years=[2018])


def test_no_year_is_refused(build: Build) -> None:
    with pytest.raises(UsageError, match="Say which years"):
        build(years=[])


def test_an_empty_selection_says_what_there_is(build: Build) -> None:
    start = parse_moment("2025-08-01")
    with pytest.raises(EmptySelectionError, match="10 frames from 2025-03-02"):
        build(wanted=Selection(start=start))


def test_a_year_without_wanted_frames_is_no_error_beside_one_with(
    build: Build, upstream: dunia.Server
) -> None:
    upstream.content["/api/streaming/band_metadata/29PKR/B09/2024"] = upstream.content[
        BAND_METADATA
    ].replace(b"2025-", b"2024-")
    start = parse_moment("2025-01-01")
    report = build(years=[], wanted=Selection(start=start, end=start and start.replace(month=12)))
    assert len(report.built) == 10
    both = build(years=[2024, 2025], wanted=Selection(start=start))
    assert len(both.skipped) == 10


def test_unknown_figures_are_left_out_and_noted(
    build: Build, upstream: dunia.Server, tmp_path: Path
) -> None:
    del upstream.content[dunia.tci_path()]
    report = build(wanted=Selection(limit=1))
    assert "--tci-path" in report.notes[0]
    document = json.loads(Path(report.built[0].ref.href).read_bytes())
    assert "eo:cloud_cover" not in document["properties"]
    collection = json.loads((tmp_path / "out/29PKR/B09/collection.json").read_bytes())
    assert "eo:cloud_cover" not in collection["summaries"]


def _figures_of(report: Report) -> list[tuple[float | None, float | None]]:
    """Cloud and nodata as each Item has them."""
    documents = (json.loads(Path(each.ref.href).read_bytes()) for each in report.outcomes)
    return [
        (
            document["properties"].get("eo:cloud_cover"),
            document["properties"].get("s2:nodata_pixel_percentage"),
        )
        for document in documents
    ]


@pytest.mark.parametrize(
    "answer",
    [
        dunia.Reply(status=500),
        dunia.Reply(status=403),
        dunia.Reply(raw=b"", ending="rst"),
        dunia.Reply(body=b"<html>Sorry</html>"),
        dunia.Reply(body=b'{"images": [{"sensing_time":'),
        dunia.Reply(body=b'{"images": "none"}'),
    ],
    ids=["500", "403", "reset", "web page", "cut off", "no list"],
)
def test_a_tci_answer_that_cannot_be_used_costs_no_frame(
    build: Build, upstream: dunia.Server, answer: dunia.Reply
) -> None:
    """Frames are built without figures; the next run adds these, a third one does nothing."""
    (path,) = (path for path in upstream.content if "/metadata/" in path)
    upstream.faults[path] = lambda _: answer
    wanted = Selection(limit=3)
    report = build(wanted=wanted)
    assert len(report.built) == 3
    assert _figures_of(report) == [(None, None)] * 3
    (note,) = report.notes
    assert note.startswith("cloud and nodata known for 0 of 10 frames of 29PKR B09 2025: ")
    assert path in note
    del upstream.faults[path]
    healed = build(wanted=wanted)
    assert len(healed.built) == 3
    assert not healed.notes
    assert _figures_of(healed) == [(0.0, 0.0), (10.0, 0.0), (20.0, 0.0)]
    assert len(build(wanted=wanted).skipped) == 3


def test_frames_that_pair_with_no_tci_image_are_named_once(
    build: Build, upstream: dunia.Server
) -> None:
    (path,) = (path for path in upstream.content if "/metadata/" in path)
    figures = json.loads(upstream.content[path])
    for image in figures["images"]:
        image["sensing_time"] = image["sensing_time"].partition(".")[0]
    del figures["images"][1]
    upstream.put_json(path, figures)
    report = build(wanted=Selection(limit=3))
    assert _figures_of(report) == [(0.0, 0.0), (None, None), (20.0, 0.0)]
    (note,) = report.notes
    assert note == (
        "cloud and nodata known for 9 of 10 frames of 29PKR B09 2025: frame 1"
        " (2025-03-07T11:21:09.024Z): no TCI image is of that second."
    )
    kept = build(wanted=Selection(limit=2, max_cloud=5, unknown="keep"))
    assert [each.ref.frame.number for each in kept.skipped] == [0, 1]
    assert "--max-cloud cannot judge 1 frame of 29PKR B09 2025, kept: frame 1 (" in kept.notes[1]
    dropped = build(wanted=Selection(max_cloud=5, unknown="drop"))
    assert [each.ref.frame.number for each in dropped.skipped] == [0]
    with pytest.raises(UsageError, match=r"frame 1 \(.*--unknown-cloud keep"):
        build(wanted=Selection(max_cloud=5))


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"cloudy_pixel_percentage": 100.0000001}, "cloudy_pixel_percentage is 100.0000001"),
        ({"cloudy_pixel_percentage": -1, "nodata_pixel_percentage": None}, "percentage is -1"),
        ({"nodata_pixel_percentage": "12 %"}, 'nodata_pixel_percentage is "12 %"'),
    ],
)
def test_odd_figures_are_left_out_and_the_frames_built(
    build: Build, upstream: dunia.Server, odd: dict[str, Any], says: str
) -> None:
    """Of a service that has figures in its band images alone."""
    (path,) = (path for path in upstream.content if "/metadata/" in path)
    upstream.put_json(path, {"metadata": {}, "images": []})
    sound = {"cloudy_pixel_percentage": 7.5, "nodata_pixel_percentage": 0.5}
    stream = json.loads(upstream.content[BAND_METADATA])
    stream["images"] = [
        {**image, **sound, **(odd if number == 1 else {})}
        for number, image in enumerate(stream["images"])
    ]
    upstream.put_json(BAND_METADATA, stream)
    report = build(wanted=Selection(limit=3))
    first, second, third = _figures_of(report)
    assert first == third == (7.5, 0.5)
    assert second == tuple(None if key in odd else sound[key] for key in sound)
    (note,) = report.notes
    assert "known for 9 of 10 frames of 29PKR B09 2025: frame 1 (" in note
    assert f"{says}, and no TCI image is of that second." in note


def test_without_a_tci_path_none_is_asked_for(build: Build, upstream: dunia.Server) -> None:
    quiet = replace(Upstream(api=upstream.base), tci_path="")
    assert not build(wanted=Selection(limit=1), upstream=quiet).notes
    assert dunia.tci_path() not in upstream.paths()


def test_figures_of_the_band_stream_are_used_first(build: Build, upstream: dunia.Server) -> None:
    images = dunia.images(10, cloudy_pixel_percentage=7.5, nodata_pixel_percentage=0)
    stream_full = "@BASE@/streams/29PKR/B09/2025/stream.m3u8"
    upstream.put_json(BAND_METADATA, {"metadata": {"stream_full": stream_full}, "images": images})
    report = build(wanted=Selection(limit=1))
    assert report.built[0].ref.frame.cloud_cover == 7.5
    assert dunia.tci_path() not in upstream.paths()


def test_frames_lists_what_there_is_without_touching_the_stream(upstream: dunia.Server) -> None:
    found = stacgen.frames("29PKR", "B09", years=[2025], upstream=Upstream(api=upstream.base))
    assert [frame.number for frame in found] == list(range(10))
    assert all(first.sensing_time < second.sensing_time for first, second in pairwise(found))
    assert not [path for path in upstream.paths() if path.startswith("/streams")]


def test_a_bucket_gets_the_same_catalog_as_a_folder(
    build: Build, upstream: dunia.Server, tmp_path: Path
) -> None:

    build()
    folder = tree(tmp_path / "out")
    bucket = Bucket(MemoryStore(), "memory://")
    order = Order(
        requests=(Request(tile=mgrs.parse("29PKR"), band=bands.find("B09"), years=(2025,)),),
        endpoint=endpoints.find(upstream.base),
        recipe=recipe(Pixels()),
    )

    def run() -> Report:
        return api_run.build(
            order, fetch=Http(), store=bucket, watch=lambda _: None, hire=Labour().crew
        )

    run()
    found = {entry.key: bucket.read(entry.key) or b"" for entry in bucket.list("")}
    assert timeless(found) == timeless(folder)
    assert len(run().skipped) == 10


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_is_a_valid_catalog_and_is_finished_by_the_next(
    build: Build, upstream: dunia.Server, tmp_path: Path, blow: signal.Signals
) -> None:
    root = tmp_path / "out"
    slow = upstream.content["/streams/29PKR/B09/2025/seg_002.ts"]

    def drip(_: dunia.Request) -> bytes:
        time.sleep(3)
        return slow

    upstream.faults["/streams/29PKR/B09/2025/seg_002.ts"] = drip
    command = [sys.executable, "-m", "stacgen", "build", "29PKR", "B09", "--year", "2025"]
    command += ["-o", str(root), "--api", upstream.base, "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while (
            len(list(root.glob("29PKR/B09/2025/*/*60m.json"))) < 5 and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        process.send_signal(blow)
        said = process.communicate()[1]
    if blow == signal.SIGINT:
        assert process.returncode == 130
        assert "Interrupted" in said
        assert len(linked_items(root)) >= 4
        assert len(linked_scenes(root)) == len(linked_items(root))
        assert_links_resolve(root)
    upstream.faults.clear()
    report = build()
    assert len(report.built) + len(report.skipped) == 10
    assert len(linked_items(root)) == len(linked_scenes(root)) == 10
    assert_links_resolve(root)
    shutil.rmtree(root / ".stacgen", ignore_errors=True)  # what a kill leaves behind
    assert not list(root.rglob(".*"))


def test_a_frame_says_how_it_was_verified_and_from_which_bytes(
    build: Build, upstream: dunia.Server
) -> None:
    frames = [dunia.landscape(number) for number in range(2)]
    plain = upstream.content["/streams/29PKR/B09/2025/seg_000.ts"]
    hashed = dunia.encode(frames, first=4, params="lossless=1:bframes=0:hash=1")
    upstream.content[SEGMENT] = hashed
    upstream.content["/streams/29PKR/B09/2025/stream.m3u8"] = dunia.playlist([4, 2])
    for built in build(wanted=Selection(limit=6)).built:
        document = json.loads(Path(built.ref.href).read_bytes())
        is_hashed = built.ref.frame.number >= 4
        properties = document["properties"]
        assert properties["stacgen:picture_hash"] == ("md5" if is_hashed else "none")
        assert ("fits its MD5 hash" in properties["processing:lineage"]) == is_hashed
        playlist, segment = (link for link in document["links"] if link["rel"] == "derived_from")
        assert playlist["href"].endswith("/stream.m3u8")
        media = hashed if is_hashed else plain
        assert segment["href"].endswith("/seg_001.ts" if is_hashed else "/seg_000.ts")
        assert segment["type"] == "video/mp2t"
        assert segment["file:size"] == len(media)
        assert segment["file:checksum"] == f"1220{sha256(media).hexdigest()}"


def test_a_segment_that_has_changed_upstream_is_told(build: Build, upstream: dunia.Server) -> None:
    assert build(wanted=Selection(limit=5)).notes == ()
    frames = [dunia.landscape(number) for number in range(4, 8)]
    upstream.content[SEGMENT] = dunia.encode(frames, first=4, params="lossless=1:bframes=0:hash=1")
    report = build(wanted=Selection(limit=6))
    assert [each.ref.frame.number for each in report.built] == [5]
    assert len(report.notes) == 1
    assert "frames 4 to 7) is no longer what was fetched before" in report.notes[0]
    assert len(build(wanted=Selection(limit=6), force=True).notes) == 1
    assert build(wanted=Selection(limit=6), force=True).notes == ()


def test_nodata_far_from_the_apis_figure_is_told_and_strictly_refused(
    build: Build, upstream: dunia.Server
) -> None:
    codes = [dunia.landscape(number) for number in range(3)]
    codes[0][:, :400] = 0  # 22 %, where the API says 0
    codes[1][:, :90] = 0  # 4.9 %: some leak is usual
    codes[2][:, :400] = 1  # as video coding leaves it
    dunia.publish(upstream, codes)
    report = build()
    assert [each.ref.frame.number for each in report.built] == [0, 1, 2]
    assert [bool(each.warnings) for each in report.built] == [True, False, False]
    assert len(report.notes) == 1
    assert "21.9 % of it shows no ground" in report.notes[0]
    assert report.notes[0].endswith("the API says 0.0 %.")
    strict = build(pixels=Pixels(strict=True), force=True)
    assert [each.ref.frame.number for each in strict.failed] == [0]
    assert strict.failed[0].reason == report.notes[0]


@pytest.mark.parametrize(
    ("params", "is_told"), [("wpp=0", True), ("wpp=1:pools=2", True), ("wpp=0:hash=1", False)]
)
def test_blocks_that_jump_are_told_and_strictly_refused_where_no_hash_verifies_them(
    build: Build, upstream: dunia.Server, params: str, *, is_told: bool
) -> None:
    frames = [dunia.landscape(number) for number in range(4, 8)]
    frames[1][640:704, 640:1600] //= 2
    upstream.content[SEGMENT] = dunia.encode(
        frames, first=4, params=f"lossless=1:bframes=0:{params}"
    )
    report = build(wanted=Selection(limit=8))
    assert len(report.built) == 8
    assert [each.ref.frame.number for each in report.built if each.warnings] == [5] * is_told
    for note in report.notes:
        assert "in one row of its blocks, 54 % do not fit to those above" in note
    strict = build(wanted=Selection(limit=8), pixels=Pixels(strict=True), force=True)
    assert [(each.ref.frame.number, each.reason) for each in strict.failed] == [
        (5, note) for note in report.notes
    ]


DAMAGES: dict[str, Callable[[bytes, Random], bytes]] = {
    "a bit": damage.flip_header,
    "its end": damage.cut_in_last_picture,
    "a packet": damage.drop_one,
    "the order": damage.duplicate_or_swap,
}


@pytest.fixture(scope="module")
def cut_by_ffmpeg() -> tuple[bytes, ...]:
    """Two segments of four frames as FFmpeg's HLS muxer cuts them: counters go on."""
    params = "lossless=1:bframes=0:keyint=4:min-keyint=4"
    whole = dunia.encode([dunia.landscape(number) for number in range(8)], params=params)
    return dunia.cut(whole, each=4)


@pytest.mark.parametrize("what", DAMAGES)
def test_a_segment_that_was_damaged_on_the_way_is_fetched_again(
    build: Build, upstream: dunia.Server, cut_by_ffmpeg: tuple[bytes, ...], what: str
) -> None:
    folder = SEGMENT.rpartition("/")[0]
    first = f"{folder}/seg_000.ts"
    upstream.content |= {first: cut_by_ffmpeg[0], SEGMENT: cut_by_ffmpeg[1]}
    upstream.content[f"{folder}/stream.m3u8"] = dunia.playlist([4, 4])
    damaged = DAMAGES[what](cut_by_ffmpeg[0], Random(what))
    upstream.faults[first] = lambda request: damaged if request.count < 3 else None
    report = build(wanted=Selection(limit=4))
    assert len(report.built) == 4
    assert upstream.paths().count(first) == 3


def test_damage_that_only_two_ways_of_decoding_tell_is_strictly_refused(build: Build) -> None:
    """Bits flipped in place, in a stream without hashes: an ordinary build cannot tell."""
    name = "no hash"
    noisy = next(kind for kind in damage.kinds(name) if kind.name == "64 random bytes")
    refused = [damage.verdict(name, noisy, seed, twice=True)[0] for seed in range(8)]
    assert "twice" in refused
    assert len(build(pixels=Pixels(strict=True)).built) == 10


def test_strict_builds_fetch_a_segment_without_hashes_twice(
    build: Build, upstream: dunia.Server
) -> None:
    """Bytes that differ are not used, though both are sound."""
    nothing = b"\x47\x1f\xff\x10" + b"\xff" * 184
    other = upstream.content[SEGMENT] + nothing
    upstream.faults[SEGMENT] = lambda request: other if request.count == 1 else None
    assert len(build(pixels=Pixels(strict=True)).built) == 10
    assert upstream.paths().count(SEGMENT) == 4
