"""The API's answers become nouns, or an error that names the URL and the field."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dunia
from stacgen.dunia.answers import parse_grid, parse_stream, with_tci_figures
from stacgen.errors import AnswerError
from stacgen.model import bands, mgrs
from stacgen.model.stream import Grid, Stream, item_ids

URL = "https://dunia.example/api/streaming/band_metadata/29PKR/B09/2025"
TILE = mgrs.parse("29PKR")
BAND = bands.find("B09")

Json = Any


def _metadata(images: Json = None, stream_full: Json = "https://dunia.example/s.m3u8") -> Json:
    return {
        "metadata": {"stream_full": stream_full},
        "images": dunia.images(3) if images is None else images,
    }


def _one(key: str, value: Json) -> Json:
    """An answer of one image that differs in one value."""
    changes: dict[str, Json] = {key: value}
    return _metadata(dunia.images(1, **changes))


def _stream(answer: Json) -> Stream:
    return _read(json.dumps(answer).encode())


def _read(raw: bytes, url: str = f"{URL}?token=secret") -> Stream:
    return parse_stream(raw, url=url, tile=TILE, band=BAND, year=2025)


def _grid(utm: Json, name: str = "B09") -> Grid:
    raw = json.dumps({"utm": utm}).encode()
    return parse_grid(raw, url=URL, tile=TILE, band=bands.find(name))


def _refused(call: Callable[[], object]) -> str:
    """What an error says after the URL that it has to name."""
    with pytest.raises(AnswerError) as raised:
        call()
    said = str(raised.value)
    assert "secret" not in said
    assert said.startswith(f"The answer of {URL} ")
    return said.removeprefix(f"The answer of {URL} ")


def test_a_stream_is_what_the_answer_says() -> None:
    images = dunia.images(2, cloudy_pixel_percentage=12.5, nodata_pixel_percentage=0)
    stream = _stream({"metadata": {"stream_full": "a/s.m3u8", "x": 1}, "images": images, "y": 2})
    assert (stream.tile, stream.band, stream.year) == (TILE, BAND, 2025)
    assert stream.timeline.origin == Fraction("1.4")
    first, second = stream.frames
    assert first.sensing_time == datetime(2025, 3, 2, 11, 21, 9, 24000, tzinfo=UTC)
    assert (first.number, first.baseline, first.scale, first.offset) == (0, "05.11", 2.5, 0.0)
    assert (first.cloud_cover, first.nodata_percentage) == (12.5, 0.0)
    assert second.number == 1


@pytest.mark.parametrize(
    ("stream_full", "url"),
    [
        ("https://cdn.example/s.m3u8?a=b", "https://cdn.example/s.m3u8?a=b"),
        ("http://cdn.example/s.m3u8", "http://cdn.example/s.m3u8"),
        ("/streams/s.m3u8", "https://dunia.example/streams/s.m3u8"),
        ("../s.m3u8", "https://dunia.example/api/streaming/band_metadata/29PKR/s.m3u8"),
        ("//cdn.example/s.m3u8", "https://cdn.example/s.m3u8"),
    ],
)
def test_a_playlist_may_be_named_in_full_or_from_the_answer_on(stream_full: str, url: str) -> None:
    assert _stream(_metadata(stream_full=stream_full)).playlist_url == url


@pytest.mark.parametrize(
    "stream_full",
    [
        "file:///etc/passwd",
        "ftp://dunia.example/s.m3u8",
        "data:,x",
        "http:///s.m3u8",
        "http://[",
        "//a\u2100b/",
    ],
)
def test_a_playlist_that_cannot_be_fetched_is_refused(stream_full: str) -> None:
    said = _refused(lambda: _stream(_metadata(stream_full=stream_full)))
    assert said == "cannot be used: metadata.stream_full is no http(s) URL."


@given(order=st.permutations(range(6)))
def test_images_may_come_in_any_order(order: list[int]) -> None:
    images = dunia.images(6)
    stream = _stream(_metadata([images[number] for number in order]))
    assert stream == _stream(_metadata(images))
    assert [frame.number for frame in stream.frames] == [0, 1, 2, 3, 4, 5]


@given(
    first=st.integers(0, 1000),
    origin=st.sampled_from(["0.0", "1.4", "1.48", "10.0"]).map(Fraction),
    error=st.floats(-0.003, 0.003),
)
def test_the_origin_is_taken_from_the_images(first: int, origin: Fraction, error: float) -> None:
    images = dunia.images(3)
    for number, image in enumerate(images, start=first):
        image.update(image_number=number, pts_time=float(origin + Fraction(number, 25)))
    images[-1]["pts_time"] += error
    assert round(_stream(_metadata(images)).timeline.origin, 6) == origin


def test_frames_may_be_missing_from_the_metadata() -> None:
    images = dunia.images(9)
    assert [frame.number for frame in _stream(_metadata(images[3::2])).frames] == [3, 5, 7]


@pytest.mark.parametrize("first", [1, 7, 100])
def test_numbering_begins_anywhere(first: int) -> None:
    """Labels that begin with 1, or anywhere, name the same frames at the same times."""
    images = dunia.images(4)
    for image in images:
        image["image_number"] += first
    stream = _stream(_metadata(images))
    assert [frame.number for frame in stream.frames] == [first + n for n in range(4)]
    assert [stream.timeline.number_at(Fraction(35 + n, 25)) for n in range(4)] == [
        frame.number for frame in stream.frames
    ]
    assert not stream.timeline.begins_at_zero
    assert _stream(_metadata(dunia.images(4))).timeline.begins_at_zero


def test_labels_that_agree_with_no_beat_are_ignored() -> None:
    """Times alone pair images with frames where labels are in another order."""
    images = dunia.images(5)
    for image, label in zip(images, [40, 3, 17, 8, 25], strict=True):
        image["image_number"] = label
    stream = _stream(_metadata(images))
    assert [frame.number for frame in stream.frames] == [0, 1, 2, 3, 4]
    assert [frame.sensing_time.day for frame in stream.frames] == [2, 7, 12, 17, 22]
    assert stream.timeline.origin == Fraction("1.4")
    assert not stream.doubtful


@pytest.mark.parametrize("pts_time", [1.46, 1.5])
def test_an_image_off_the_beat_is_in_doubt(pts_time: float) -> None:
    """A time between two frames refuses its image, and shifts no other."""
    images = dunia.images(4)
    images[2]["pts_time"] = pts_time
    stream = _stream(_metadata(images))
    assert [frame.number for frame in stream.frames] == [0, 1, 3]
    [doubt] = stream.doubtful
    assert doubt.frame.sensing_time.day == 12
    assert doubt.reason == (
        f"images[2].pts_time {pts_time:g} s is between two frames of the stream"
        " (25 frames/s from 1.4 s)."
    )


def test_images_of_one_time_are_in_doubt() -> None:
    """Two images of one frame are both refused, and no other is."""
    images = dunia.images(4)
    images[2]["pts_time"] = images[1]["pts_time"]
    stream = _stream(_metadata(images))
    assert [frame.number for frame in stream.frames] == [0, 3]
    assert [doubt.reason for doubt in stream.doubtful] == [
        "images[1].pts_time 1.44 s is that of images[2], too.",
        "images[2].pts_time 1.44 s is that of images[1], too.",
    ]


def test_a_label_that_differs_from_the_time_is_ignored() -> None:
    """An image is shown when its time says, whatever its label."""
    images = dunia.images(4)
    images[3]["pts_time"] = 1.6
    stream = _stream(_metadata(images))
    assert [frame.number for frame in stream.frames] == [0, 1, 2, 5]


def test_a_stream_of_doubts_alone_is_refused() -> None:
    images = dunia.images(2, pts_time=1.4)
    said = _refused(lambda: _stream(_metadata(images)))
    assert said == (
        "cannot be used: images names no frame for certain: images[0].pts_time 1.4 s is that of"
        " images[1], too."
    )


def test_a_stream_without_images_is_refused() -> None:
    said = _refused(lambda: _stream(_metadata([])))
    assert said == "cannot be used: images is empty: there is no frame in this stream."


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2025-03-02T11:21:09.024000", 24000),
        ("2025-03-02T11:21:09", 0),
        ("2025-03-02 11:21:09.024000", 24000),
        ("2025-03-02T11:21:09.5", 500_000),
        ("2025-03-02T11:21:09.024Z", 24000),
        ("2025-03-02T11:21:09.024+00:00", 24000),
        ("2025-03-02T11:21:09.024000123", 24000),
    ],
)
def test_a_sensing_time_is_utc_with_or_without_fraction(text: str, microsecond: int) -> None:
    frame = _stream(_metadata(dunia.images(1, sensing_time=text))).frames[0]
    assert frame.sensing_time == datetime(2025, 3, 2, 11, 21, 9, microsecond, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-02",
        "2025-03-02T11:21:09/../../x",
        "../../2025-03-02T11:21:09",
        "2025-03-02T11:21:09\u0000",
        "2025-03-02T11:21:09+02:00",
        "2025-13-02T11:21:09",
        "2025-02-29T11:21:09",
        "0000-01-01T00:00:00",
        "20250302T112109",
        "\u0662\u0660\u0662\u0665-03-02T11:21:09",
    ],
)
def test_what_is_no_sensing_time_is_refused(text: str) -> None:
    said = _refused(lambda: _stream(_metadata(dunia.images(1, sensing_time=text))))
    assert "images[0].sensing_time is " in said
    assert "not a time such as 2025-03-02T11:21:09.024000" in said


@pytest.mark.parametrize(
    "baseline",
    ["5.1", "05.11.1", "../..", "05/11", "05.11\n", "05\\11", "N511", "..", "\u0660\u0665.11"],
)
def test_a_baseline_that_would_not_do_in_a_file_name_is_refused(baseline: str) -> None:
    said = _refused(lambda: _stream(_metadata(dunia.images(1, baseline=baseline))))
    assert said.startswith("cannot be used: images[0].baseline is ")
    assert said.endswith("not of the form 05.11.")


@pytest.mark.parametrize("baseline", ["05.11", "5.11", "N0511", 5.11])
def test_a_baseline_is_one_however_it_is_written(baseline: Json) -> None:
    assert _stream(_metadata(dunia.images(1, baseline=baseline))).frames[0].baseline == "05.11"


def test_a_baseline_as_a_number_keeps_its_last_zero() -> None:
    """JSON writes 05.10 as 5.1."""
    assert _stream(_metadata(dunia.images(1, baseline=5.1))).frames[0].baseline == "05.10"


NEEDED = (
    "sensing_time",
    "image_number",
    "pts_time",
    "baseline",
    "scale_factor",
    "add_offset",
)
NUMBERS = NEEDED[1:3] + NEEDED[4:]
FIGURES = ("cloudy_pixel_percentage", "nodata_pixel_percentage")


@pytest.mark.parametrize("key", NEEDED)
def test_a_field_that_is_missing_is_named(key: str) -> None:
    images = dunia.images(3)
    del images[1][key]
    said = _refused(lambda: _stream(_metadata(images)))
    assert said == f"cannot be used: images[1].{key} is missing."


@pytest.mark.parametrize("key", NEEDED)
@pytest.mark.parametrize("value", [None, True, False, [], {}, [1], {"a": 1}, ""])
def test_a_field_of_another_type_is_named(key: str, value: Json) -> None:
    said = _refused(lambda: _stream(_one(key, value)))
    kind = "a number" if key in NUMBERS else "a text"
    kind = "of the form 05.11" if key == "baseline" else kind
    assert re.fullmatch(rf"cannot be used: images\[0\]\.{key} is .+, not {kind}\.", said)


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("written", ['"1"', "1e400", "-1e400", "9" * 400])
def test_a_number_must_be_written_as_one_and_be_finite(key: str, written: str) -> None:
    raw = json.dumps(_one(key, "@")).replace('"@"', written).encode()
    assert f"images[0].{key} is " in _refused(lambda: _read(raw))


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_know_is_refused(written: str) -> None:
    raw = json.dumps(_metadata(dunia.images(1, unused="@"))).replace('"@"', written).encode()
    assert _refused(lambda: _read(raw)) == f"cannot be used: it holds {written}."


def test_a_number_too_long_to_read_is_refused() -> None:
    raw = json.dumps(_metadata(dunia.images(1, unused="@"))).replace('"@"', "9" * 5000).encode()
    assert _refused(lambda: _read(raw)).startswith("is not JSON (")


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("image_number", -1, "is -1, not a number of a frame"),
        ("image_number", 0.5, "is 0.5, not a number of a frame"),
        ("image_number", 10**6, "is 1000000, not a number of a frame"),
        ("image_number", 1e300, "is 1e+300, not a number of a frame"),
        ("pts_time", -0.04, "is -0.04, not a time in the stream"),
        ("pts_time", 1e9, "is 1000000000.0, not a time in the stream"),
        ("scale_factor", 0, "is 0.0, but must be above 0"),
        ("scale_factor", -2.5, "is -2.5, but must be above 0"),
        ("baseline", "0" * 5000, f'is "{"0" * 36}..., not of the form 05.11'),
        ("sensing_time", "0" * 5000, f'is "{"0" * 36}..., not a time such as 2025-03-02T11:21'),
    ],
)
def test_a_value_out_of_range_is_named_and_shown(key: str, value: Json, problem: str) -> None:
    said = _refused(lambda: _stream(_one(key, value)))
    assert said.startswith(f"cannot be used: images[0].{key} {problem}")
    assert len(said) < 200


@pytest.mark.parametrize(("key", "value"), [("image_number", 0.0), ("add_offset", -1000)])
def test_a_number_is_taken_however_json_writes_it(key: str, value: float) -> None:
    frame = _stream(_one(key, value)).frames[0]
    assert (frame.number, frame.offset) in ((0, 0.0), (0, -1000.0))
    assert isinstance(frame.number, int)
    assert isinstance(frame.offset, float)


def test_a_figure_that_is_null_is_not_known() -> None:
    frame = _stream(_metadata(dunia.images(1, cloudy_pixel_percentage=None))).frames[0]
    assert (frame.cloud_cover, frame.nodata_percentage) == (None, None)
    assert frame.unknown_reason == ""


ODD = ('"1"', '"12 %"', "1e400", "-1e400", "9" * 400, "-1", "-0.1", "999", "100.0000001", "true")


@pytest.mark.parametrize("key", FIGURES)
@pytest.mark.parametrize("written", [*ODD, "{}", "[5]"])
def test_a_figure_that_is_no_percentage_is_left_out_and_the_frame_stays(
    key: str, written: str
) -> None:
    figures: Json = dict.fromkeys(FIGURES, 5)
    sound = _stream(_metadata(dunia.images(1, **figures))).frames[0]
    raw = json.dumps(_metadata(dunia.images(1, **{**figures, key: "@"})))
    (frame,) = _read(raw.replace('"@"', written).encode()).frames
    assert frame.unknown_reason.startswith(f"{key} is ")
    assert len(frame.unknown_reason) < 80
    cloud, nodata = (None if key == each else 5.0 for each in FIGURES)
    assert frame == replace(
        sound,
        cloud_cover=cloud,
        nodata_percentage=nodata,
        unknown_reason=frame.unknown_reason,
    )


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({}, "metadata is missing"),
        ({"metadata": []}, "metadata is a list of 0, not an object"),
        ({"metadata": {}}, "metadata.stream_full is missing"),
        ({"metadata": {"stream_full": 7}}, "metadata.stream_full is 7, not a text"),
        ({"metadata": {"stream_full": "s"}}, "images is missing"),
        ({"metadata": {"stream_full": "s"}, "images": {}}, "images is an object, not a list"),
        ({"metadata": {"stream_full": "s"}, "images": [[]]}, "images[0] is a list of 0, not an"),
        ({"metadata": {"stream_full": "s"}, "images": [None]}, "images[0] is null, not an object"),
    ],
)
def test_an_answer_of_another_shape_is_named_where_it_differs(answer: Json, problem: str) -> None:
    assert _refused(lambda: _stream(answer)).startswith(f"cannot be used: {problem}")


@pytest.mark.parametrize("raw", [b"<html>busy</html>", b"\r\n <!DOCTYPE html>"])
def test_a_web_page_is_called_one(raw: bytes) -> None:
    assert "is a web page, not JSON. Is this the address" in _refused(lambda: _read(raw))


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"metadata": }', b"\xff\xfe\xfa", b"{}{}", b"[" * 10**5]
)
def test_broken_json_is_refused(raw: bytes) -> None:
    assert _refused(lambda: _read(raw)).startswith("is not JSON (")


@pytest.mark.parametrize(
    ("raw", "what"), [(b"[]", "a list of 0"), (b"null", "null"), (b'"x"', '"x"'), (b"7", "7")]
)
def test_an_answer_must_be_an_object(raw: bytes, what: str) -> None:
    assert _refused(lambda: _read(raw)) == f"is {what}, not a JSON object."


def test_however_deep_an_answer_is_it_is_refused() -> None:
    for depth in range(850, 1000):
        raw = b'{"metadata": ' + b"[" * depth + b"]" * depth + b"}"
        _refused(partial(_read, raw))


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["05.11", "../x", "2025-03-02T11:21:09", "http://[", 1e308, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def _answers(draw: st.DrawFn) -> Json:
    """Answers that are right in most places and anything at all in some."""
    answer = _metadata(dunia.images(draw(st.integers(0, 3))))
    places = [(answer, "metadata"), (answer, "images"), (answer["metadata"], "stream_full")]
    places += [(image, key) for image in answer["images"] for key in (*NEEDED, *FIGURES)]
    for holder, key in draw(st.lists(st.sampled_from(places), max_size=2)):
        holder[key] = draw(_json)
    return draw(st.sampled_from([answer] * 9 + [draw(_json)]))


@given(answer=_answers())
def test_any_answer_is_a_stream_or_an_answer_error(answer: Json) -> None:
    try:
        stream = _stream(answer)
    except AnswerError:
        return
    assert stream.playlist_url.startswith(("http://", "https://"))
    numbers = [frame.number for frame in stream.frames]
    assert numbers == sorted(set(numbers))
    assert numbers
    for item_id in item_ids(stream).values():
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", item_id, re.ASCII)


@given(raw=st.binary(max_size=60), seed=st.integers(0, 2**32))
def test_any_bytes_are_a_stream_or_an_answer_error(raw: bytes, seed: int) -> None:
    whole = json.dumps(_metadata()).encode()
    at = random.Random(seed).randrange(len(whole))
    for answer in (raw, whole[:at], whole[:at] + raw + whole[at + len(raw) :]):
        try:
            stream = _read(answer)
        except AnswerError:
            continue
        assert stream.frames


BOUNDS: Json = dunia.BOUNDS_29PKR["utm"]


@pytest.mark.parametrize(("name", "size"), [("B02", 10980), ("B05", 5490), ("B09", 1830)])
@pytest.mark.parametrize("epsg", ["EPSG:32629", 32629])
def test_bounds_become_the_grid_of_the_band(name: str, size: int, epsg: Json) -> None:
    grid = _grid(BOUNDS | {"epsg": epsg, "x": 1}, name)
    assert (grid.epsg, grid.left, grid.top) == (32629, 199980, 1600020)
    assert (grid.size, grid.resolution) == (size, 109_800 // size)
    assert list(grid.bounds) == BOUNDS["bbox"]


@pytest.mark.parametrize("noise", [0.0, 1e-4, -1e-4, 2e-9])
def test_noise_below_a_millimetre_becomes_whole_metres(noise: float) -> None:
    grid = _grid(BOUNDS | {"bbox": [side + noise for side in BOUNDS["bbox"]]})
    assert f"{grid.left} {grid.top}" == "199980 1600020"


@pytest.mark.parametrize(
    ("tile", "bbox", "corner"),
    [
        ("29PKR", [1490220, 199980, 1600020, 309780], "1490220, 309780"),
        ("29PKR", [300000, 1490220, 409800, 1600020], "300000, 1600020"),
        ("29PKR", [200010, 1490220, 309810, 1600020], "200010, 1600020"),
        ("29PKR", [199980, 1490220.01, 309780, 1600020.01], "199980, 1600020.01"),
        ("56HKH", [199980, -3809760, 309780, -3699960], "199980, -3699960"),
    ],
    ids=["axes swapped", "neighbour", "30 m", "1 cm", "no false northing"],
)
def test_bounds_of_another_place_are_refused_by_name(tile: str, bbox: Json, corner: str) -> None:
    own = mgrs.parse(tile)
    epsg = mgrs.epsg(own)
    raw = json.dumps({"utm": {"epsg": epsg, "bbox": bbox}}).encode()
    message = _refused(lambda: parse_grid(raw, url=URL, tile=own, band=bands.find("B09")))
    left, top = mgrs.upper_left(own)
    assert message == (
        f"cannot be used: utm.bbox has its upper-left corner at {corner}; that of tile {tile} is"
        f" {left}, {top} in EPSG:{epsg}."
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"epsg": "EPSG:32630"}, "utm.epsg is 32630, but tile 29PKR lies in EPSG:32629"),
        ({"epsg": 32729}, "utm.epsg is 32729, but tile 29PKR lies in EPSG:32629"),
        ({"epsg": "32629"}, 'utm.epsg is "32629", not a CRS such as EPSG:32629'),
        ({"epsg": "EPSG:32629\n"}, "utm.epsg is "),
        ({"epsg": 32629.0}, "utm.epsg is 32629.0, not a CRS"),
        ({"epsg": True}, "utm.epsg is true, not a CRS"),
        ({"epsg": None}, "utm.epsg is null, not a CRS"),
        ({"bbox": [0, 0, 109740, 109800]}, "utm.bbox is 109740 m by 109800 m; 1830 pixels of 60 m"),
        ({"bbox": [0, 0, 109800, 109740]}, "utm.bbox is 109800 m by 109740 m; 1830 pixels of 60 m"),
        ({"bbox": [109800, 109800, 0, 0]}, "utm.bbox is -109800 m by -109800 m"),
        ({"bbox": [-1e308, 0, 1e308, 0]}, "utm.bbox is inf m by 0 m"),
        ({"bbox": [0, 0, 109800]}, "utm.bbox is a list of 3, not a list of 4 numbers"),
        ({"bbox": [0, 0, 0, 0, 0]}, "utm.bbox is a list of 5, not a list of 4 numbers"),
        ({"bbox": "0 0 1 1"}, 'utm.bbox is "0 0 1 1", not a list of 4 numbers'),
        ({"bbox": [0, 0, None, 0]}, "utm.bbox[2] is null, not a number"),
        ({"bbox": [0, True, 0, 0]}, "utm.bbox[1] is true, not a number"),
        ({"bbox": [0, 0, 0, 10**400]}, "utm.bbox[3] is 1000"),
    ],
)
def test_bounds_that_do_not_fit_are_refused(change: Json, problem: str) -> None:
    assert _refused(lambda: _grid(BOUNDS | change)).startswith(f"cannot be used: {problem}")


@pytest.mark.parametrize(
    ("utm", "problem"),
    [
        (None, "utm is null, not an object"),
        ({"bbox": BOUNDS["bbox"]}, "utm.epsg is missing"),
        ({"epsg": 32629}, "utm.bbox is missing"),
    ],
)
def test_bounds_that_lack_something_are_refused(utm: Json, problem: str) -> None:
    assert _refused(lambda: _grid(utm)) == f"cannot be used: {problem}."


@given(utm=st.fixed_dictionaries({"epsg": _json | st.just(32629), "bbox": _json | st.lists(_json)}))
def test_any_bounds_are_an_answer_error(utm: Json) -> None:
    with pytest.raises(AnswerError):
        _grid(utm)


def _with_figures(stream: Stream, images: list[dict[str, Json]]) -> list[tuple[Json, Json]]:
    raw = json.dumps({"images": images}).encode()
    filled = with_tci_figures(stream, raw, url=URL)
    assert [frame.number for frame in filled.frames] == [frame.number for frame in stream.frames]
    return [(frame.cloud_cover, frame.nodata_percentage) for frame in filled.frames]


def _figures(number: int, cloud: Json, nodata: Json, **changes: Json) -> dict[str, Json]:
    return {
        "sensing_time": dunia.images(9)[number]["sensing_time"],
        "cloudy_pixel_percentage": cloud,
        "nodata_pixel_percentage": nodata,
        **changes,
    }


def _whole(number: int) -> str:
    """The sensing time of an image as TCI streams have it: without the fraction."""
    return str(dunia.images(9)[number]["sensing_time"]).partition(".")[0]


def test_figures_go_to_the_frame_of_their_second() -> None:
    """TCI images tell whole seconds, and may come in any order or lack a frame."""
    images = [
        _figures(number, *figures, sensing_time=_whole(number))
        for number, figures in ((2, (2, 0.2)), (7, (7, 0.7)), (0, (0, 100)))
    ]
    found = _with_figures(_stream(_metadata()), images)
    assert found == [(0.0, 100.0), (None, None), (2.0, 0.2)]


def test_a_second_is_cut_off_and_not_rounded() -> None:
    """11:21:09.9 is in the second of 11:21:09, however near 11:21:10 is."""
    stream = _stream(_one("sensing_time", "2025-03-02T11:21:09.900000"))
    images = [_figures(0, 1, 10, sensing_time="2025-03-02T11:21:10")]
    assert _with_figures(stream, images)[0] == (None, None)
    images += [_figures(0, 2, 20, sensing_time="2025-03-02T11:21:09")]
    assert _with_figures(stream, images)[0] == (2.0, 20.0)


def test_of_several_images_of_a_second_the_nearest_counts() -> None:
    images = [
        _figures(0, 1, 10, sensing_time="2025-03-02T11:21:09.900000"),
        _figures(0, 2, 20, sensing_time="2025-03-02T11:21:09.100000"),
        _figures(0, 3, 30, sensing_time="2025-03-02T11:21:08.999999"),
    ]
    assert _with_figures(_stream(_metadata()), images)[0] == (2.0, 20.0)


def test_of_images_that_are_as_near_the_one_of_the_baseline_counts() -> None:
    images = [_figures(0, 1, 10, baseline="05.10"), _figures(0, 2, 20, baseline="05.11")]
    assert _with_figures(_stream(_metadata()), images)[0] == (2.0, 20.0)
    assert _with_figures(_stream(_metadata()), images[:1])[0] == (1.0, 10.0)


@pytest.mark.parametrize("baselines", [("05.11", "05.11"), ("05.09", "05.10"), (None, None)])
def test_images_that_contradict_each_other_leave_the_figures_out(baselines: Json) -> None:
    images = [
        _figures(0, cloud, 10, **({"baseline": baseline} if baseline else {}))
        for cloud, baseline in enumerate(baselines, start=1)
    ]
    stream = _stream(_metadata())
    assert _with_figures(stream, images)[0] == (None, None)
    assert _reasons(stream, images)[0] == "2 TCI images of that second contradict each other"
    assert _with_figures(stream, [images[0]] * 2)[0] == (1.0, 10.0)


def _reasons(stream: Stream, images: Json) -> list[str]:
    raw = json.dumps({"images": images}).encode()
    return [frame.unknown_reason for frame in with_tci_figures(stream, raw, url=URL).frames]


def test_a_figure_of_the_band_itself_stands() -> None:
    stream = _stream(_metadata(dunia.images(1, cloudy_pixel_percentage=0)))
    assert _with_figures(stream, [_figures(0, 50, 5)]) == [(0.0, 5.0)]
    stream = _stream(_metadata(dunia.images(1, nodata_pixel_percentage=0)))
    assert _with_figures(stream, [_figures(0, 50, 5)]) == [(50.0, 0.0)]
    stream = _stream(_metadata(dunia.images(1, cloudy_pixel_percentage=-1)))
    assert _with_figures(stream, [_figures(0, 50, 5)]) == [(50.0, 5.0)]
    assert _reasons(stream, [_figures(0, 50, 5)]) == [""]


@pytest.mark.parametrize(
    ("image", "figures", "reason"),
    [
        (_figures(0, 101, 3), (None, 3.0), "in its TCI image cloudy_pixel_percentage is 101"),
        (_figures(0, 3, "5"), (3.0, None), 'in its TCI image nodata_pixel_percentage is "5"'),
        (_figures(0, 3, None), (3.0, None), "in its TCI image nodata_pixel_percentage is null"),
        (_figures(0, 3, 4, sensing_time=None), (None, None), "no TCI image is of that second"),
        (_figures(0, 3, 4, baseline=5.11), (3.0, 4.0), ""),
        (None, (None, None), "no TCI image is of that second"),
    ],
)
def test_an_odd_tci_image_costs_its_own_figures_alone(
    image: Json, figures: Json, reason: str
) -> None:
    stream = _stream(_metadata())
    images = [image, _figures(1, 1, 2), _figures(2, 2, 3)]
    assert _with_figures(stream, images) == [figures, (1.0, 2.0), (2.0, 3.0)]
    assert _reasons(stream, images) == [reason, "", ""]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"<html>", "is a web page, not JSON."),
        (b"{", "is not JSON ("),
        (b"{}", "cannot be used: images is missing."),
        (b'{"images": 7}', "cannot be used: images is 7, not a list."),
    ],
)
def test_what_is_no_tci_answer_is_refused(raw: bytes, problem: str) -> None:
    said = _refused(lambda: with_tci_figures(_stream(_metadata()), raw, url=URL))
    assert said.startswith(problem)


def test_a_name_that_comes_twice_is_refused_wherever_it_is() -> None:
    raw = b'{"metadata": {"stream_full": "https://a.example/s.m3u8", "stream_full": "/t.m3u8"}}'
    with pytest.raises(AnswerError, match='it has "stream_full" twice'):
        parse_stream(raw, url=URL, tile=TILE, band=BAND, year=2025)
