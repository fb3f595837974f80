"""Segments of playlists in many dialects hold the frames that their times say."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import dunia
import stacgen
from stacgen.api.build import Upstream
from stacgen.dunia import playlist
from stacgen.errors import MissingError, PlaylistError
from stacgen.io.http import Patience
from stacgen.model import bands, mgrs
from stacgen.model.protocols import Answer
from stacgen.model.stream import Resource, Stream, Timeline
from stacgen.pipeline.placement import placed

HASTY = Patience(tries=2, shortest=0.001, longest=0.002, longest_named=0.01)
FOLDER = "/streams/29PKR/B09/2025"
BASE = "https://dunia.example/stream.m3u8"
COUNTS = (4, 4, 3)


@pytest.fixture(scope="module")
def media() -> dict[str, bytes]:
    """Three small segments of 4, 4 and 3 frames, by URL."""
    starts = (0, 4, 8)
    picture = np.full((64, 96), 900, np.uint16)
    return {
        f"https://dunia.example/s{index}.ts": dunia.encode([picture] * count, first=start)
        for index, (start, count) in enumerate(zip(starts, COUNTS, strict=True))
    }


Place = Callable[..., tuple[list[tuple[int, int]], list[str]]]


@pytest.fixture
def place(media: dict[str, bytes]) -> Place:
    """Ranges of the segments of a playlist, and the URLs of which the beginning was fetched."""

    def call(
        *durations: str,
        head: str = "",
        skip: int = 0,
        begins_at_zero: bool = True,
        origin: str = "1.4",
    ) -> tuple[list[tuple[int, int]], list[str]]:
        asked: list[str] = []

        def fetch(resource: Resource) -> Answer:
            asked.append(resource.url.rpartition("/")[2])
            if resource.url not in media:
                raise MissingError(f"{resource.url} is missing.")
            body, part = media[resource.url], resource.part
            if part is not None:
                body = body[part.offset : part.offset + part.length]
            return Answer(body=body, url=resource.url)

        entries = (f"#EXTINF:{each},\ns{n}.ts" for n, each in enumerate(durations, start=skip))
        text = "\n".join(["#EXTM3U", head, *entries])
        stream = Stream(
            tile=mgrs.parse("29PKR"),
            band=bands.find("B09"),
            year=2025,
            playlist_url=BASE,
            frames=(),
            timeline=Timeline(origin=Fraction(origin), begins_at_zero=begins_at_zero),
        )
        _, found = placed(stream, playlist.parse(text, base=BASE, rate=25), fetch=fetch)
        assert [each.is_last for each in found] == [False] * (len(found) - 1) + [True]
        return [(each.start, each.stop) for each in found], sorted(asked)

    return call


def test_exact_durations_are_believed(place: Place) -> None:
    """Nothing is fetched where durations are whole frames and the API lists frame 0."""
    assert place("0.16", "0.16", "0.12") == ([(0, 4), (4, 8), (8, 11)], [])


def test_the_first_segment_tells_where_other_numbering_begins(place: Place) -> None:
    """Numbers that begin with 1 belong to a beat whose frame 1 is the first of the stream."""
    ranges, asked = place("0.16", "0.16", "0.12", begins_at_zero=False, origin="1.36")
    assert (ranges, asked) == ([(1, 5), (5, 9), (9, 12)], ["s0.ts"])


@pytest.mark.parametrize(
    "durations", [("0.2", "0.2", "0.1"), ("0.151", "0.14", "0.1"), ("0.3",) * 3]
)
def test_rounded_durations_give_way_to_times(place: Place, durations: tuple[str, ...]) -> None:
    ranges, _ = place(*durations)
    assert ranges[:2] == [(0, 4), (4, 8)]
    assert ranges[2][0] == 8


def test_a_sliding_playlist_is_placed_by_time(place: Place) -> None:
    """The first segment that is left says which frames are gone."""
    head = "#EXT-X-MEDIA-SEQUENCE:1"
    assert place("0.16", "0.12", head=head, skip=1) == ([(4, 8), (8, 11)], ["s1.ts"])


def test_a_sequence_number_alone_moves_no_frame(place: Place) -> None:
    """Some packagers count segments from 1."""
    ranges, _ = place("0.16", "0.16", "0.12", head="#EXT-X-MEDIA-SEQUENCE:1")
    assert ranges == [(0, 4), (4, 8), (8, 11)]


def test_a_first_segment_that_is_missing_leaves_it_to_the_next(
    place: Place, media: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(media, "https://dunia.example/s0.ts")
    ranges, asked = place("0.16", "0.16", "0.12", begins_at_zero=False)
    assert (ranges, asked) == ([(0, 4), (4, 8), (8, 11)], ["s0.ts", "s1.ts"])


@pytest.mark.parametrize(
    ("missing", "ranges"),
    [
        ([0], [(0, 4), (4, 8), (8, 13)]),
        ([1], [(0, 4), (4, 8), (8, 13)]),
        ([2], [(0, 4), (4, 8), (8, 13)]),
        ([0, 1], [(0, 8), (8, 13)]),
        ([1, 2], [(0, 4), (4, 8)]),
    ],
)
def test_a_missing_segment_costs_its_own_frames_where_durations_are_rounded(
    place: Place,
    media: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    missing: list[int],
    ranges: list[tuple[int, int]],
) -> None:
    """It holds the frames between its neighbours, whose own packets say how many they hold."""
    for index in missing:
        monkeypatch.delitem(media, f"https://dunia.example/s{index}.ts")
    assert place("0.17", "0.17", "0.17")[0] == ranges


def test_a_playlist_of_missing_segments_is_refused(
    place: Place, media: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in list(media):
        monkeypatch.delitem(media, url)
    with pytest.raises(MissingError, match=r"s0\.ts is missing"):
        place("0.151", "0.14", "0.1")


def test_segments_off_the_beat_are_refused(place: Place) -> None:
    with pytest.raises(PlaylistError, match=r"s0\.ts begins at 1\.4 s, between two frames"):
        place("0.16", "0.16", "0.12", begins_at_zero=False, origin="1.42")


def test_segments_that_are_no_transport_stream_are_refused(
    place: Place, media: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(media, "https://dunia.example/s0.ts", b"<html>")
    with pytest.raises(PlaylistError, match=r"first packets of .*s0\.ts do not tell which frames"):
        place("0.16", "0.16", "0.12", begins_at_zero=False)


def test_fragmented_mp4_is_counted_by_durations(place: Place) -> None:
    """Nothing is fetched where its durations are whole frames and the API lists frame 0."""
    head = '#EXT-X-MAP:URI="init.mp4"'
    ranges, asked = place("0.16", "0.16", "0.12", head=head)
    assert (ranges, asked) == ([(0, 4), (4, 8), (8, 11)], [])


@pytest.fixture(scope="module")
def stream() -> dict[str, bytes]:
    """Six frames of 29PKR B09 2025 in two segments, each with a brightest pixel of its own."""
    with dunia.Server().running() as running:
        dunia.publish(running, [dunia.landscape(number) for number in range(6)])
        return running.content


@pytest.fixture
def upstream(server: dunia.Server, stream: dict[str, bytes]) -> dunia.Server:
    server.content.update(stream)
    return server


def _playlist(*durations: str, head: str = "") -> bytes:
    entries = (f"#EXTINF:{each},\nseg_{n:03}.ts" for n, each in enumerate(durations))
    return "\n".join(["#EXTM3U", head, *entries, "#EXT-X-ENDLIST", ""]).encode()


def _brightest(root: Path) -> dict[str, int]:
    """The brightest digital number of each acquisition, by date."""
    found = {}
    for path in root.glob("29PKR/B09/*/*/*.json"):
        with rasterio.open(path.with_suffix(".tif")) as cog:
            found[json.loads(path.read_text())["properties"]["datetime"][:10]] = int(
                cog.read(1).max()
            )
    return found


EXPECTED = {
    f"2025-03-{day:02}": int((4000 - 50 * number) * 2.5)
    for number, day in enumerate((2, 7, 12, 17, 22, 27))
}


def _build(upstream: dunia.Server, root: Path) -> dict[str, Any]:
    report = stacgen.build(
        "29PKR",
        "B09",
        years=[2025],
        output=root,
        upstream=Upstream(api=upstream.base, patience=HASTY),
    )
    assert not report.failed, report.failed
    assert report.built
    return _brightest(root)


@pytest.mark.parametrize(
    "durations",
    [("0.16", "0.08"), ("0.2", "0.1"), ("0.16", "0.04"), ("0.16", "0.12")],
    ids=["exact", "rounded", "short last", "long last"],
)
@pytest.mark.parametrize("first", [0, 1])
def test_every_frame_keeps_its_date(
    upstream: dunia.Server, tmp_path: Path, durations: tuple[str, str], first: int
) -> None:
    """Pixels and dates belong together, however playlist and API count."""
    upstream.content[f"{FOLDER}/stream.m3u8"] = _playlist(*durations)
    path = "/api/streaming/band_metadata/29PKR/B09/2025"
    answer = json.loads(upstream.content[path])
    for image in answer["images"]:
        image["image_number"] += first
    upstream.put_json(path, answer)
    assert _build(upstream, tmp_path / "out") == EXPECTED


def test_one_image_in_doubt_fails_alone(upstream: dunia.Server, tmp_path: Path) -> None:
    """Frames whose time is that of another image fail by name, and the others are built."""
    path = "/api/streaming/band_metadata/29PKR/B09/2025"
    answer = json.loads(upstream.content[path])
    answer["images"][2]["pts_time"] = answer["images"][1]["pts_time"]
    upstream.put_json(path, answer)
    report = stacgen.build(
        "29PKR",
        "B09",
        years=[2025],
        output=tmp_path,
        upstream=Upstream(api=upstream.base, patience=HASTY),
    )
    assert [each.ref.frame.sensing_time.day for each in report.failed] == [7, 12]
    assert all("pts_time 1.44 s is that of images[" in each.reason for each in report.failed)
    assert _brightest(tmp_path) == {
        day: value for day, value in EXPECTED.items() if day[-2:] not in ("07", "12")
    }


def test_a_segment_of_a_sliding_playlist_builds_what_is_left(
    upstream: dunia.Server, tmp_path: Path
) -> None:
    lines = ["#EXTM3U", "#EXT-X-MEDIA-SEQUENCE:1", "#EXTINF:0.08,", "seg_001.ts", ""]
    upstream.content[f"{FOLDER}/stream.m3u8"] = "\n".join(lines).encode()
    report = stacgen.build(
        "29PKR",
        "B09",
        years=[2025],
        output=tmp_path,
        upstream=Upstream(api=upstream.base, patience=HASTY),
    )
    assert {each.reason for each in report.failed} == {
        "The playlist begins after it, with frame 4."
    }
    assert _brightest(tmp_path) == {
        day: value for day, value in EXPECTED.items() if day[-2:] in ("22", "27")
    }


def test_a_last_segment_says_which_frames_it_holds(upstream: dunia.Server, tmp_path: Path) -> None:
    """The link to a segment counts the frames in it, not those that the playlist promises."""
    upstream.content[f"{FOLDER}/stream.m3u8"] = _playlist("0.16", "0.12")
    _build(upstream, tmp_path)
    [item] = tmp_path.glob("29PKR/B09/2025/*20250327*/*.json")
    links = json.loads(item.read_text())["links"]
    assert links[-1]["title"] == "Segment of it, frames 4 to 5"
