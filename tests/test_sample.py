"""The sample platform answers as DUNIA does, and its pictures are what it says of them."""

import hashlib
import http.client
import io
import json
import math
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import av
import numpy as np
import pytest
import requests
from numpy.typing import NDArray

import dunia
import stacgen
from conftest import SHARED
from stacgen.api.build import Upstream
from stacgen.dunia.sample import encode, ground, landscape, passes, serve, streams, weather
from stacgen.dunia.sample.segments import Segments
from stacgen.dunia.sample.streams import Stream
from stacgen.errors import ForeignCatalogError
from stacgen.io.stores import open_store
from stacgen.model import mgrs
from stacgen.model.stream import Selection, Timeline
from stacgen.stac import reader
from stacgen.video import blockiness, decoder

TILE = mgrs.parse("29PKR")
YEAR = 2024
STREAM = Stream(tile=TILE, band="B09", year=YEAR)
LAST = 9
"""Number of the stream's last segment, which holds one frame."""


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with serve() as url:
        yield url


@pytest.fixture(scope="module")
def segment(base: str) -> bytes:
    return requests.get(f"{base}{STREAM.path}/seg_000.ts", timeout=60).content


def _get(url: str) -> Any:  # noqa: ANN401 - JSON
    response = requests.get(url, timeout=60)
    response.raise_for_status()
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


def _painted(number: int, band: str = "B09") -> NDArray[np.uint16]:
    out = np.empty((landscape.size(band),) * 2, np.uint16)
    landscape.paint(passes.of_year(TILE, YEAR)[number], band, out)
    return out


def _decoded(body: bytes) -> list[tuple[int, NDArray[np.uint16]]]:
    """(PTS in 1/90000 s, codes) of each frame, by PyAV."""
    with av.open(io.BytesIO(body), "r") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("hevc", "gray12le")
        return [
            (frame.pts or 0, np.asarray(frame.to_ndarray(), np.uint16))
            for frame in container.decode(stream)
        ]


def test_band_metadata_says_where_the_stream_is_and_how_to_read_each_frame(base: str) -> None:
    answer = _get(f"{base}/api/streaming/band_metadata/29PKR/B09/2024")
    assert answer["metadata"]["stream_full"] == f"{base}/streams/29PKR/B09/2024/stream.m3u8"
    images = answer["images"]
    assert [image["image_number"] for image in images] == list(range(37))
    assert [image["pts_time"] for image in images[:3]] == [1.4, 1.44, 1.48]
    assert set(images[0]) == {
        "sensing_time",
        "image_number",
        "pts_time",
        "baseline",
        "scale_factor",
        "add_offset",
    }
    assert images[0]["sensing_time"] == "2024-01-06T11:24:50.427000"
    assert [images[0]["baseline"], images[-1]["baseline"]] == ["05.10", "05.11"]
    assert all(image["add_offset"] == 0 for image in images)


def test_the_stream_is_named_after_the_host_that_was_asked(base: str) -> None:
    answer = requests.get(
        f"{base}/api/streaming/band_metadata/29PKR/B04/2019",
        headers={"Host": "dunia.test:8080"},
        timeout=60,
    ).json()
    url = "http://dunia.test:8080/streams/29PKR/B04/2019/stream.m3u8"
    assert answer["metadata"]["stream_full"] == url


def test_bounds_are_those_of_the_tile(base: str) -> None:
    utm = {"epsg": "EPSG:32756", "bbox": [199980, 6190240, 309780, 6300040]}
    answer = _get(f"{base}/api/streaming/s2-tiles/utm-bounds/56HKH")
    assert answer == {"synthetic": True, "utm": utm}


@pytest.mark.parametrize(
    "path",
    ["band_metadata/29PKR/B09/2024", "s2-tiles/utm-bounds/29PKR", "metadata/s2/2024/29PKR/10"],
)
def test_both_services_prefixes_give_one_answer_that_says_it_is_synthetic(
    base: str, path: str
) -> None:
    dunias, destines = (_get(f"{base}{prefix}/{path}") for prefix in ("/api/streaming", "/api"))
    assert dunias == destines
    assert dunias["synthetic"] is True


def test_the_playlist_lists_segments_beside_it_and_ends(base: str) -> None:
    url = f"{base}{STREAM.path}/stream.m3u8"
    lines = requests.get(url, timeout=60).text.splitlines()
    assert lines[:2] == ["#EXTM3U", "#EXT-X-VERSION:3"]
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in lines
    assert lines[5:7] == ["#EXTINF:0.160000,", "seg_000.ts"]
    assert lines[-3:] == ["#EXTINF:0.040000,", f"seg_{LAST:03d}.ts", "#EXT-X-ENDLIST"]
    assert urljoin(url, lines[6]) == f"{base}/streams/29PKR/B09/2024/seg_000.ts"


@pytest.mark.parametrize(("index", "numbers"), [(0, range(4)), (LAST, range(36, 37))])
def test_each_segment_decodes_by_itself_with_pts_from_1_4_s(
    base: str, index: int, numbers: range
) -> None:
    body = requests.get(f"{base}{STREAM.path}/seg_{index:03d}.ts", timeout=60).content
    times = [time for time, _ in _decoded(body)]
    assert times == [126_000 + 3_600 * number for number in numbers]


def test_a_segment_starts_with_an_idr_picture_and_reorders_nothing(segment: bytes) -> None:
    with av.open(io.BytesIO(segment), "r") as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert packets[0].is_keyframe
    assert [packet.pts for packet in packets] == [packet.dts for packet in packets]


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the ffmpeg program is not installed")
def test_the_ffmpeg_program_decodes_the_same_codes(segment: bytes) -> None:
    command = "ffmpeg -v error -i - -f rawvideo -pix_fmt gray12le -"
    done = subprocess.run(command.split(), input=segment, capture_output=True, check=True)
    assert not done.stderr
    frames = np.frombuffer(done.stdout, dtype="<u2").reshape(-1, 1830, 1830)
    assert np.array_equal(frames, [codes for _, codes in _decoded(segment)])


def test_what_is_decoded_is_near_what_was_painted(segment: bytes) -> None:
    for number, (_, codes) in enumerate(_decoded(segment)):
        painted = _painted(number)
        error = np.sqrt(np.mean((codes.astype(np.float32) - painted) ** 2))
        assert error < 60, f"frame {number}"
        if not painted.all():
            assert np.mean(codes[painted == 0] < 40) > 0.99


def test_clouds_and_the_edge_of_the_swath_are_not_told_as_damage(base: str) -> None:
    """In frame 11 of this year, the decoder's blocks show most of all; nothing verifies it."""
    body = requests.get(f"{base}/streams/29PKR/B09/2025/seg_002.ts", timeout=60).content
    timeline = Timeline(origin=Fraction("1.4"))
    found = [
        (each.jump, blockiness.jumps(each.pixels, noise=8))
        for each in decoder.frames(
            body, numbers=range(8, 12), timeline=timeline, shape=(1830, 1830)
        )
    ]
    assert [jump for jump, _ in found] == [None] * 4
    assert found[-1][1] > 0.8


def test_codes_of_what_was_seen_go_from_80_to_4095() -> None:
    for number in (0, 1, 2):
        codes = _painted(number)
        assert codes.max() == 4095
        assert codes[codes > 0].min() >= 80


def test_the_highest_digital_number_is_whole() -> None:
    for of in passes.of_year(TILE, 2021):
        highest = landscape.scale(of, "B11") * 4095
        assert highest == pytest.approx(round(highest), abs=1e-6)


def test_cloud_and_nodata_figures_are_counted_on_the_picture(base: str) -> None:
    images = _get(f"{base}/api/streaming/metadata/s2/2024/29PKR/10")["images"]
    acquisitions = passes.of_year(TILE, YEAR)
    partial = next(of.number for of in acquisitions if of.orbit != "full")
    for number in (0, partial):
        codes = _painted(number)
        nodata = 100 * np.mean(codes == 0)
        assert images[number]["nodata_pixel_percentage"] == round(float(nodata), 6)
        sky = weather.sky(acquisitions[number])
        cloudy = 100 * int(sky.cloudy.sum()) / int((codes > 0).sum())
        assert images[number]["cloudy_pixel_percentage"] == round(cloudy, 6)
        assert codes[sky.cloudy].mean() > codes[~sky.cloudy & (codes > 0)].mean()
    assert images[0]["nodata_pixel_percentage"] == 0
    assert 5 < images[partial]["nodata_pixel_percentage"] < 70


def test_a_finer_band_repeats_the_nodata_pixels_of_the_60_m_grid() -> None:
    number = next(of.number for of in passes.of_year(TILE, YEAR) if of.orbit != "full")
    coarse, fine = _painted(number, "B01") == 0, _painted(number, "B8A") == 0
    assert np.array_equal(fine, np.repeat(np.repeat(coarse, 3, axis=0), 3, axis=1))


def test_a_finer_band_shows_the_same_scene() -> None:
    fine = _painted(0, "B8A").reshape(1830, 3, 1830, 3).mean(axis=(1, 3))
    assert np.corrcoef(fine.ravel(), _painted(0).ravel())[0, 1] > 0.8


@pytest.mark.parametrize("name", ["29PKR", "33XWJ"])
def test_a_third_of_the_frames_has_the_edge_of_the_swath_and_clouds_come_and_go(name: str) -> None:
    acquisitions = passes.of_year(mgrs.parse(name), 2025)
    edges = [of for of in acquisitions if of.orbit != "full"]
    assert len(acquisitions) / 4 < len(edges) < len(acquisitions) / 2
    for of in edges[:2]:
        unseen = weather.sky(of).unseen
        widths = unseen.sum(axis=1).astype(float)
        inside = (widths > 0) & (widths < 1830)
        rows = np.arange(1830)[inside]
        slope, _ = np.polyfit(rows, widths[inside], 1)
        assert 9.5 < math.degrees(math.atan(abs(slope))) < 13.5
    cloudy = [weather.sky(of).cloudy_percentage for of in acquisitions]
    assert min(cloudy) < 3
    assert max(cloudy) > 80


def test_fields_are_greener_half_a_year_later_in_the_other_hemisphere() -> None:
    def greenness(name: str, day: float) -> float:
        tile = mgrs.parse(name)
        red, infrared = (ground.colours(tile, band, day)[ground.FARM] for band in ("B04", "B08"))
        return float(np.mean((infrared - red) / (infrared + red)))

    assert greenness("32TLS", 160) > greenness("32TLS", 340) + 0.15
    assert greenness("55GDP", 340) > greenness("55GDP", 160) + 0.1


def test_the_morning_sun_stands_southeast_in_the_north_and_northeast_in_the_south() -> None:
    _, north = passes.sun(passes.of_year(mgrs.parse("32TLS"), 2025)[18])
    _, south = passes.sun(passes.of_year(mgrs.parse("56HKH"), 2025)[18])
    assert 120 < north < 170
    assert 10 < south < 60


def test_the_same_codes_give_the_same_bytes() -> None:
    first, second = (
        encode.segment(lambda _, out: _copied(out), range(2), size=256) for _ in range(2)
    )
    assert first == second


def test_many_encoders_make_one_transport_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "_LARGE", 200)
    body = encode.segment(lambda _, out: _copied(out), range(8, 12), size=256)
    assert [time for time, _ in _decoded(body)] == [154_800, 158_400, 162_000, 165_600]
    packets = np.frombuffer(body, np.uint8).reshape(-1, 188)
    video = packets[(packets[:, 1] & 0x1F == 1) & (packets[:, 2] == 0)]
    assert np.all(np.diff(video[:, 3].astype(int) & 15) % 16 == 1)


def _copied(out: NDArray[np.uint16]) -> None:
    out[:] = np.arange(80, 80 + out.size, dtype=np.uint32).reshape(out.shape) % 4000


def test_another_process_paints_the_same_picture() -> None:
    program = (
        "import hashlib, test_sample as t\n"
        "print(hashlib.sha256(t._painted(1).tobytes()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": "tests:.", "PYTHONHASHSEED": "7", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.stdout.strip() == hashlib.sha256(_painted(1).tobytes()).hexdigest()


def test_the_package_does_not_import_pyav_before_it_encodes() -> None:
    program = "import sys, stacgen.dunia.sample; print('av' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/streaming/band_metadata/29PKR/B10/2024",
        "/api/streaming/band_metadata/29PKR/TCI/2024",
        "/api/streaming/band_metadata/29PAR/B09/2024",
        "/api/streaming/band_metadata/t29pkr/B09/2024",
        "/api/streaming/band_metadata/29PKR/B09/2018",
        "/api/streaming/band_metadata/29PKR/B09/2999",
        "/api/streaming/band_metadata/29PKR/B09/24",
        "/api/streaming/metadata/s2/2018/29PKR/10",
        "/api/streaming/s2-tiles/utm-bounds/00AAA",
        "/streams/29PKR/B09/2024/stream.mpd",
        "/streams/29PKR/B09/2024/seg_010.ts",
        "/streams/29PKR/B09/2024/../2023/stream.m3u8",
    ],
)
def test_what_is_not_there_is_404_with_a_sentence_in_json(base: str, path: str) -> None:
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 404
    assert "." in _json(response.read())["detail"]
    connection.close()


def _json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    return json.loads(body)


def test_head_says_how_long_and_sends_nothing(base: str, segment: bytes) -> None:
    response = requests.head(f"{base}{STREAM.path}/seg_000.ts", timeout=60)
    assert response.headers["Content-Length"] == str(len(segment))
    assert response.headers["Content-Type"] == "video/mp2t"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert not response.content


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-187", slice(188)),
        ("bytes=1000-", slice(1000, None)),
        ("bytes=-188", slice(-188, None)),
        ("bytes=5-99999999999", slice(5, None)),
    ],
)
def test_a_range_gives_that_part(base: str, segment: bytes, asked: str, part: slice) -> None:
    response = requests.get(f"{base}{STREAM.path}/seg_000.ts", headers={"Range": asked}, timeout=60)
    assert response.status_code == 206
    assert response.content == segment[part]
    first, last, _ = part.indices(len(segment))
    assert response.headers["Content-Range"] == f"bytes {first}-{last - 1}/{len(segment)}"


@pytest.mark.parametrize("asked", ["bytes=99999999999-", "bytes=-0"])
def test_a_range_outside_is_416(base: str, segment: bytes, asked: str) -> None:
    response = requests.get(f"{base}{STREAM.path}/seg_000.ts", headers={"Range": asked}, timeout=60)
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(segment)}"
    assert not response.content


@pytest.mark.parametrize("asked", ["bytes=9-3", "bytes=0-1,5-6", "lines=1-2", "bytes=-"])
def test_a_range_that_makes_no_sense_gives_all(base: str, segment: bytes, asked: str) -> None:
    response = requests.get(f"{base}{STREAM.path}/seg_000.ts", headers={"Range": asked}, timeout=60)
    assert (response.status_code, len(response.content)) == (200, len(segment))


def test_a_connection_is_kept_for_the_next_request(base: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
    ports = []
    for path in ("/nothing", "/api/streaming/s2-tiles/utm-bounds/29PKR"):
        connection.request("GET", path)
        response = connection.getresponse()
        assert len(response.read()) == int(response.headers["Content-Length"])
        ports.append(connection.sock.getsockname()[1])
    connection.close()
    assert ports[0] == ports[1]


def test_a_segment_asked_for_twice_at_once_is_encoded_once() -> None:
    segments = Segments()
    bodies: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: bodies.append(segments.get(STREAM, LAST))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    segments.close()
    assert len(bodies) == 4
    assert all(body is bodies[0] for body in bodies)


def test_segments_are_dropped_when_there_is_no_room() -> None:
    segments = Segments(room=1)
    first = segments.get(STREAM, LAST)
    segments.get(Stream(tile=TILE, band="B01", year=YEAR), LAST)
    again = segments.get(STREAM, LAST)
    segments.close()
    assert again == first
    assert again is not first


def test_the_server_ends_with_its_threads_and_an_open_connection() -> None:
    before = set(threading.enumerate())
    with serve() as url, requests.Session() as session:
        session.get(f"{url}{STREAM.path}/stream.m3u8", timeout=60)
    assert set(threading.enumerate()) <= before
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_the_server_ends_while_it_makes_a_segment_ahead() -> None:
    before = set(threading.enumerate())
    with serve() as url:
        requests.get(f"{url}{STREAM.path}/seg_{LAST - 1:03d}.ts", timeout=60)
    assert set(threading.enumerate()) <= before


COLOUR = Stream(tile=TILE, band="TCI_60m", year=YEAR)


@pytest.fixture(scope="module")
def colour_segment(base: str) -> bytes:
    """The first four frames in true colour, at 60 m."""
    return requests.get(f"{base}{COLOUR.path}/seg_000.ts", timeout=60).content


def _colours(body: bytes) -> list[tuple[int, NDArray[np.uint8]]]:
    """(PTS in 1/90000 s, red, green and blue) of each frame, by PyAV."""
    with av.open(io.BytesIO(body), "r") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("hevc", "yuv420p")
        return [
            (frame.pts or 0, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            for frame in container.decode(stream)
        ]


def _pictured(number: int, size: int = 1830) -> NDArray[np.uint8]:
    out = np.empty((size, size, 3), np.uint8)
    landscape.paint_picture(passes.of_year(TILE, YEAR)[number], out)
    return out


def test_the_tci_answer_has_the_form_of_the_services(base: str) -> None:
    """Three streams by size; times of images with whole seconds, and neither PTS nor baseline."""
    answer = _get(f"{base}/api/metadata/s2/{YEAR}/29PKR/10")
    assert answer["metadata"] == {
        "stream_2k": f"{base}/streams/29PKR/TCI_60m/{YEAR}/stream.m3u8",
        "stream_4k": f"{base}/streams/29PKR/TCI_20m/{YEAR}/stream.m3u8",
        "stream_full": f"{base}/streams/29PKR/TCI_10m/{YEAR}/stream.m3u8",
    }
    bands = _get(f"{base}/api/band_metadata/29PKR/B09/{YEAR}")["images"]
    assert [image["sensing_time"] for image in answer["images"]] == [
        image["sensing_time"].partition(".")[0] for image in bands
    ]
    known = {"sensing_time", "image_number"}
    figures = {"cloudy_pixel_percentage", "nodata_pixel_percentage"}
    assert all(set(image) == known | figures for image in answer["images"])


def test_the_sample_answers_with_the_keys_of_the_reference_stream(base: str) -> None:
    path = SHARED / "streams" / "29PKR_TCI_2025" / "tci.json"
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    reference, answer = json.loads(path.read_bytes()), _get(f"{base}/api/metadata/s2/2025/29PKR/10")
    assert set(answer["metadata"]) == set(reference["metadata"])
    assert set(answer["images"][0]) == set(reference["images"][0])
    times = [each["images"][0]["sensing_time"] for each in (answer, reference)]
    assert len(times[0]) == len(times[1])


@pytest.mark.parametrize("band", ["TCI_60m", "TCI_20m", "TCI_10m"])
def test_a_colour_playlist_has_as_many_frames_as_a_band_at_4_a_second(base: str, band: str) -> None:
    lines = _playlist(base, band)
    durations = [float(line[8:-1]) for line in lines if line.startswith("#EXTINF:")]
    assert durations == ([0.25] * 37 if band == "TCI_10m" else [1.0] * 9 + [0.25])
    assert sum(durations) * 4 == 37
    assert "#EXT-X-TARGETDURATION:1" in lines


def _playlist(base: str, band: str) -> list[str]:
    url = f"{base}/streams/29PKR/{band}/{YEAR}/stream.m3u8"
    return requests.get(url, timeout=60).text.splitlines()


def test_colour_segments_decode_by_themselves_a_quarter_second_apart(
    base: str, colour_segment: bytes
) -> None:
    frames = _colours(colour_segment)
    assert [time for time, _ in frames] == [126_000, 148_500, 171_000, 193_500]
    assert {pixels.shape for _, pixels in frames} == {(1830, 1830, 3)}
    last = requests.get(f"{base}{COLOUR.path}/seg_{LAST:03d}.ts", timeout=60).content
    assert [time for time, _ in _colours(last)] == [126_000 + 36 * 22_500]


def test_a_colour_frame_of_20_m_is_the_same_picture_in_finer_pixels(base: str) -> None:
    body = requests.get(
        f"{base}/streams/29PKR/TCI_20m/{YEAR}/seg_{LAST:03d}.ts", timeout=300
    ).content
    ((_, fine),) = _colours(body)
    assert fine.shape == (5490, 5490, 3)
    coarse = fine.reshape(1830, 3, 1830, 3, 3).mean(axis=(1, 3))
    assert np.abs(coarse - _pictured(36)).mean() < 12


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the ffmpeg program is not installed")
def test_the_ffmpeg_program_decodes_the_same_colours(colour_segment: bytes) -> None:
    command = "ffmpeg -v error -i - -f rawvideo -pix_fmt rgb24 -"
    done = subprocess.run(command.split(), input=colour_segment, capture_output=True, check=True)
    assert not done.stderr
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, 1830, 1830, 3)
    assert np.array_equal(frames, [pixels for _, pixels in _colours(colour_segment)])


def test_decoded_colours_are_near_those_of_the_bands(colour_segment: bytes) -> None:
    """Reflectance 0 to 0.3 is 1 to 255, and nodata black."""
    for number, (_, pixels) in enumerate(_colours(colour_segment)):
        pictured = _pictured(number)
        assert np.abs(pixels.astype(int) - pictured).mean() < 6, f"frame {number}"
        unseen = weather.sky(passes.of_year(TILE, YEAR)[number]).unseen
        assert not pictured[unseen].any()
        assert pictured[~unseen].min() >= 1
    of = passes.of_year(TILE, YEAR)[0]
    codes = np.empty((1830, 1830), np.uint16)
    landscape.paint(of, "B04", codes)
    reflectances = (codes * landscape.scale(of, "B04") - of.offset) / 10_000
    assert np.abs(_pictured(0)[..., 0] - (1 + reflectances * 254 / 0.3).clip(1, 255)).max() <= 0.51


def test_the_same_colours_give_the_same_bytes() -> None:
    first, second = (
        encode.segment(_rainbow, range(2), size=250, kind=streams.TCI) for _ in range(2)
    )
    assert first == second


def _rainbow(number: int, out: NDArray[np.uint8]) -> None:
    across = np.arange(len(out), dtype=np.uint8)
    out[..., 0], out[..., 1], out[..., 2] = across, across[:, np.newaxis], 60 * number


ONE = Selection(limit=1)


@pytest.fixture(scope="module")
def synthetic(base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of one frame, from the sample asked as any API is."""
    root = tmp_path_factory.mktemp("synthetic")
    asked = Upstream(api=f"{base}/api")
    stacgen.build("29PKR", "B09", years=[YEAR], wanted=ONE, upstream=asked, output=root)
    return root


def test_a_catalog_of_the_sample_is_synthetic_whoever_asks(synthetic: Path, base: str) -> None:
    """Only the address is given; that nothing was sensed, the answers say."""
    documents = {path: json.loads(path.read_bytes()) for path in synthetic.rglob("*.json")}
    root = documents[synthetic / "catalog.json"]
    assert (root["title"], root["stacgen:content"]) == (
        "Synthetic frames, not Sentinel-2",
        "sample",
    )
    for path, document in documents.items():
        links = {link["rel"]: link for link in document["links"]}
        assert links["root"]["title"] == root["title"], path
        assert not {"derived_from", "license", "cite-as"} & set(links), path
        assert "providers" not in document or not document["providers"], path
        text = json.dumps(document)
        assert "DUNIA" not in text and base not in text, path  # noqa: PT018 - of one document
    lineages = [
        document["properties"]["processing:lineage"]
        for document in documents.values()
        if document["type"] == "Feature"
    ]
    assert len(lineages) == 2  # the Item, and the scene
    assert all(each.startswith("Synthetic landscape") for each in lineages)
    page = (synthetic / "29PKR/B09/index.html").read_text()
    assert "Synthetic frames" in page
    assert "Copernicus Sentinel data" not in page
    assert root["title"] in (synthetic / "index.html").read_text()
    found = reader.series(reader.Home(place=open_store(synthetic / "29PKR/B09")), Selection())
    assert found.about == "synthetic landscape of --sample"


def test_an_update_of_a_synthetic_catalog_adds_to_it(synthetic: Path, base: str) -> None:
    before = (synthetic / "catalog.json").read_bytes()
    done = stacgen.update(synthetic, wanted=ONE, upstream=Upstream(api=base))
    assert len(done.report.skipped) == 1
    assert (synthetic / "catalog.json").read_bytes() == before


def test_real_frames_and_synthetic_ones_never_share_a_root(
    synthetic: Path, base: str, tmp_path: Path
) -> None:
    """Whichever comes second is refused before it writes, also within one run."""
    names = sorted(synthetic.rglob("*"))
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(0)], year=YEAR)
        real = Upstream(api=server.base)
        for dry_run in (True, False):
            with pytest.raises(ForeignCatalogError, match="holds synthetic frames; real are not"):
                stacgen.build(
                    "29PKR", "B09", years=[YEAR], upstream=real, output=synthetic, dry_run=dry_run
                )
        assert sorted(synthetic.rglob("*")) == names
        stacgen.build("29PKR", "B09", years=[YEAR], upstream=real, output=tmp_path)
        for upstream in (Upstream(api=base), Upstream(sample=True)):
            with pytest.raises(ForeignCatalogError, match="holds real frames; synthetic are not"):
                stacgen.build("29PKR", "B01", years=[YEAR], upstream=upstream, output=tmp_path)
        assert not (tmp_path / "29PKR/B01").exists()
        path = f"/api/streaming/band_metadata/29PKR/B01/{YEAR}"
        answer = json.loads(server.content[path.replace("B01", "B09")])
        server.put_json(path, {"synthetic": True, **answer})
        with pytest.raises(ForeignCatalogError, match="B01 2024 are synthetic, but those of 29PKR"):
            stacgen.build(
                "29PKR", "B09,B01", years=[YEAR], upstream=real, output=tmp_path / "mixed"
            )
        assert not (tmp_path / "mixed/29PKR/B01").exists()
