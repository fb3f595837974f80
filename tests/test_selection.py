"""A selection takes the frames that were asked for, or says why it cannot."""

import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stacgen.errors import EmptySelectionError, UsageError
from stacgen.model import bands, mgrs
from stacgen.model.selection import (
    check,
    choose,
    parse_interval,
    parse_moment,
    unjudged,
    unknown_figures,
)
from stacgen.model.stream import Frame, Selection, Stream, Timeline, Unknown, timestamp

NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
_percentages = st.floats(0, 100)
_moments = st.integers(0, 20).map(lambda days: NEW_YEAR + timedelta(days=days))


def _frame(number: int, when: datetime, cloud: float | None, nodata: float | None) -> Frame:
    return Frame(
        number=number,
        sensing_time=when,
        baseline="05.11",
        scale=1.0,
        offset=0.0,
        cloud_cover=cloud,
        nodata_percentage=nodata,
    )


def _stream(*frames: Frame) -> Stream:
    return Stream(
        tile=mgrs.parse("29PKR"),
        band=bands.find("B09"),
        year=2025,
        playlist_url="https://dunia.example/stream.m3u8",
        frames=frames,
        timeline=Timeline(origin=Fraction("1.4")),
    )


@st.composite
def _streams(
    draw: st.DrawFn, percentages: st.SearchStrategy[float | None] = _percentages
) -> Stream:
    """Streams whose numbers have gaps and whose times need not follow them."""
    numbers = sorted(draw(st.sets(st.integers(0, 30), min_size=1, max_size=8)))
    return _stream(
        *(
            _frame(number, draw(_moments), draw(percentages), draw(percentages))
            for number in numbers
        )
    )


_selections = st.builds(
    Selection,
    start=st.none() | _moments,
    end=st.none() | _moments,
    max_cloud=st.none() | _percentages,
    max_nodata=st.none() | _percentages,
    limit=st.none() | st.integers(1, 5),
)


def _is_wanted(frame: Frame, wanted: Selection) -> bool:
    """What a selection without a limit means, said once more and plainly."""
    return (
        (wanted.start or frame.sensing_time)
        <= frame.sensing_time
        <= (wanted.end or frame.sensing_time)
        and (frame.cloud_cover or 0) <= (100 if wanted.max_cloud is None else wanted.max_cloud)
        and (frame.nodata_percentage or 0)
        <= (100 if wanted.max_nodata is None else wanted.max_nodata)
    )


@given(stream=_streams(), wanted=_selections)
def test_chosen_are_the_earliest_of_all_that_are_wanted(stream: Stream, wanted: Selection) -> None:
    expected = [frame for frame in stream.frames if _is_wanted(frame, wanted)]
    try:
        chosen = choose(stream, wanted)
    except EmptySelectionError:
        assert not expected
        return
    assert set(chosen) <= set(expected)
    assert len(chosen) == min(len(expected), wanted.limit or len(expected))
    left = [frame.sensing_time for frame in expected if frame not in chosen]
    assert max(frame.sensing_time for frame in chosen) <= min(left, default=LAST)


@given(stream=_streams(), wanted=_selections)
def test_chosen_frames_stay_in_order_and_are_chosen_again(
    stream: Stream, wanted: Selection
) -> None:
    try:
        chosen = choose(stream, wanted)
    except EmptySelectionError:
        return
    numbers = [frame.number for frame in chosen]
    assert numbers == sorted(set(numbers))
    assert choose(_stream(*chosen), wanted) == chosen


@given(stream=_streams())
def test_nothing_asked_is_everything_wanted(stream: Stream) -> None:
    assert choose(stream, Selection()) == stream.frames


def test_both_ends_of_an_interval_belong_to_it() -> None:
    frames = [_frame(day, NEW_YEAR + timedelta(days=day), None, None) for day in range(5)]
    wanted = Selection(start=frames[1].sensing_time, end=frames[3].sensing_time)
    assert choose(_stream(*frames), wanted) == tuple(frames[1:4])


def test_the_limit_takes_the_earliest_in_time_not_in_number() -> None:
    late, early = _frame(0, NEW_YEAR + timedelta(1), None, None), _frame(1, NEW_YEAR, None, None)
    assert choose(_stream(late, early), Selection(limit=1)) == (early,)


def test_limits_of_percentages_include_themselves() -> None:
    frame = _frame(0, NEW_YEAR, 20.0, 30.0)
    assert choose(_stream(frame), Selection(max_cloud=20, max_nodata=30)) == (frame,)


def test_an_empty_interval_tells_what_the_stream_has() -> None:
    stream = _stream(*(_frame(n, NEW_YEAR + timedelta(days=n), None, None) for n in range(3)))
    sentence = (
        "No frame of 29PKR B09 2025 lies between 2026-01-01T00:00:00Z and ..; the stream has 3"
        " frames from 2025-01-01T00:00:00Z to 2025-01-03T00:00:00Z."
    )
    with pytest.raises(EmptySelectionError, match=f"^{re.escape(sentence)}$"):
        choose(stream, Selection(start=datetime(2026, 1, 1, tzinfo=UTC)))
    with pytest.raises(EmptySelectionError, match=r"between \.\. and 2024-01-01T00:00:00Z"):
        choose(stream, Selection(end=datetime(2024, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (Selection(max_cloud=10), "has at most 10 % cloud; the lowest is 20 %"),
        (Selection(max_nodata=2.5), "has at most 2.5 % nodata; the lowest is 30 %"),
    ],
)
def test_a_percentage_that_none_meets_tells_the_lowest(wanted: Selection, sentence: str) -> None:
    frames = [_frame(0, NEW_YEAR, 20.0, 30.0), _frame(1, NEW_YEAR, 90.0, 80.0)]
    with pytest.raises(EmptySelectionError, match=re.escape(sentence)):
        choose(_stream(*frames), wanted)


@pytest.mark.parametrize("name", ["cloud", "nodata"])
def test_a_percentage_that_is_not_known_is_neither_met_nor_missed(name: str) -> None:
    known, unknown = _frame(0, NEW_YEAR, 1.0, 1.0), _frame(7, NEW_YEAR + timedelta(1), None, None)
    wanted = Selection(max_cloud=50) if name == "cloud" else Selection(max_nodata=50)
    sentence = (
        f"no {name} percentage for 1 of 2 frames of 29PKR B09 2025: frame 7 (2025-01-02T00:00:00Z);"
        f" so --max-{name} cannot be answered. Say --unknown-cloud keep or --unknown-cloud drop, or"
        f" leave --max-{name} out."
    )
    with pytest.raises(UsageError, match=re.escape(sentence)):
        choose(_stream(known, unknown), wanted)
    assert choose(_stream(known, unknown), replace(wanted, end=NEW_YEAR)) == (known,)


@given(
    stream=_streams(st.none() | _percentages),
    wanted=_selections,
    unknown=st.sampled_from(["keep", "drop"]),
)
def test_frames_of_unknown_cloud_pass_or_not_as_is_said(
    stream: Stream, wanted: Selection, unknown: Unknown
) -> None:
    """Kept frames count as having nothing of what is limited, dropped ones as having too much."""
    asked = replace(wanted, unknown=unknown)
    filled = 0.0 if unknown == "keep" else 100.1
    known = {
        frame.number: replace(
            frame,
            cloud_cover=filled if frame.cloud_cover is None else frame.cloud_cover,
            nodata_percentage=filled
            if frame.nodata_percentage is None
            else frame.nodata_percentage,
        )
        for frame in stream.frames
    }
    try:
        chosen = choose(_stream(*known.values()), wanted)
    except EmptySelectionError:
        with pytest.raises(EmptySelectionError):
            choose(stream, asked)
        return
    assert [known[frame.number] for frame in choose(stream, asked)] == list(chosen)


def test_frames_that_a_limit_cannot_judge_are_named() -> None:
    frames = [_frame(day, NEW_YEAR + timedelta(day), None, 1.0) for day in range(12)]
    clear, cloudy = _frame(20, NEW_YEAR, 0.0, None), _frame(21, NEW_YEAR, 80.0, None)
    stream = _stream(*frames[:2], clear, cloudy)
    wanted = Selection(max_cloud=50, max_nodata=50, unknown="keep")
    assert choose(stream, wanted) == (*frames[:2], clear)
    cloud, nodata = unjudged(stream, wanted)
    assert cloud == (
        "--max-cloud cannot judge 2 frames of 29PKR B09 2025, kept: frame 0"
        " (2025-01-01T00:00:00Z), frame 1 (2025-01-02T00:00:00Z)."
    )
    assert nodata == (
        "--max-nodata cannot judge 1 frame of 29PKR B09 2025, kept: frame 20"
        " (2025-01-01T00:00:00Z)."
    )
    assert not list(unjudged(stream, Selection(unknown="keep")))
    (sentence,) = unjudged(_stream(*frames), Selection(max_cloud=5, unknown="drop"))
    assert sentence.startswith("--max-cloud cannot judge 12 frames")
    assert "29PKR B09 2025, dropped: " in sentence
    assert sentence.endswith("frame 9 (2025-01-10T00:00:00Z), and so on.")
    with pytest.raises(EmptySelectionError, match="at most 5 % cloud; it is known of none"):
        choose(_stream(*frames), Selection(max_cloud=5, unknown="drop"))


def _unknown(number: int, reason: str) -> Frame:
    frame = _frame(number, NEW_YEAR + timedelta(number), None, None)
    return replace(frame, unknown_reason=reason)


def test_unknown_figures_are_told_once_a_stream_with_the_reasons() -> None:
    known = [_frame(n, NEW_YEAR + timedelta(n), 1.0, 1.0) for n in range(7)]
    assert unknown_figures(_stream(*known)) == ""
    assert unknown_figures(_stream(*known, _frame(7, NEW_YEAR, None, None))) == ""
    stream = _stream(*known, _unknown(7, "gone"), _unknown(8, "odd"), _unknown(9, "gone"))
    assert unknown_figures(stream) == (
        "cloud and nodata known for 7 of 10 frames of 29PKR B09 2025: frame 7"
        " (2025-01-08T00:00:00Z), frame 9 (2025-01-10T00:00:00Z): gone; frame 8"
        " (2025-01-09T00:00:00Z): odd."
    )
    clouded = replace(_unknown(7, "odd"), cloud_cover=7.0)
    assert unknown_figures(_stream(*known, clouded)).startswith("nodata known for 7 of 8 frames")
    cloudless = replace(_frame(8, NEW_YEAR, None, 8.0), unknown_reason="odd")
    assert unknown_figures(_stream(*known, cloudless)).startswith("cloud known for 7 of 8 frames")
    lacks_nodata = _frame(9, NEW_YEAR, 9.0, None)
    assert unknown_figures(_stream(*known, lacks_nodata, cloudless)).startswith("cloud known for 8")
    assert unknown_figures(_stream(_unknown(0, "gone"), _unknown(1, "gone"))) == (
        "cloud and nodata known for 0 of 2 frames of 29PKR B09 2025: gone."
    )


def test_no_cloud_at_all_can_be_asked_for() -> None:
    clear, cloudy = _frame(0, NEW_YEAR, 0.0, 0.0), _frame(1, NEW_YEAR, 0.1, 0.0)
    assert choose(_stream(clear, cloudy), Selection(max_cloud=0)) == (clear,)


@given(days=st.tuples(st.dates(), st.dates()))
def test_an_interval_of_dates_is_whole_days(days: tuple[date, date]) -> None:
    first, last = days
    start, end = parse_interval(f"{first}/{last}")
    assert timestamp(start or NEW_YEAR) == f"{first}T00:00:00Z"
    assert timestamp(end or NEW_YEAR) == f"{last}T23:59:59.999999Z"
    assert parse_interval(f"{first}") == parse_interval(f"{first}/{first}")


@given(moment=st.datetimes(), hours=st.integers(-14, 14))
def test_a_time_is_read_in_its_zone_or_else_in_utc(moment: datetime, hours: int) -> None:
    naive = moment.isoformat()
    assert parse_moment(naive) == parse_moment(f"{naive}Z") == moment.replace(tzinfo=UTC)
    assert parse_moment(f"{naive}Z".lower()) == moment.replace(tzinfo=UTC)
    assert parse_moment(naive, is_end=True) == moment.replace(tzinfo=UTC)
    zoned = f"{naive}{'-' if hours < 0 else '+'}{abs(hours):02}:00"
    try:
        expected = moment.replace(tzinfo=UTC) - timedelta(hours=hours)
    except OverflowError:
        with pytest.raises(UsageError, match="is no date or time"):
            parse_moment(zoned)
        return
    found = parse_moment(zoned)
    assert found == expected
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize("text", ["2025-03-01/..", "2025-03-01/", " 2025-03-01 / .. "])
def test_an_open_end_is_no_end(text: str) -> None:
    assert parse_interval(text) == (datetime(2025, 3, 1, tzinfo=UTC), None)


def test_an_open_start_is_no_start() -> None:
    moment = datetime(2025, 3, 1, 11, 20, tzinfo=UTC)
    assert parse_interval("../2025-03-01T11:20:00Z") == (None, moment)
    assert parse_interval("2025-03-01T11:20Z") == (moment, moment)


@pytest.mark.parametrize("text", ["", "..", "/", "../..", " / .. "])
def test_an_interval_open_at_both_ends_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is open at both ends; leave it out"):
        parse_interval(text)


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2025",
        "2025-03",
        "2025-W10",
        "20250301",
        "01.03.2025",
        "2025-02-29",
        "2025-03-01x",
        "2025-03-01T25:00",
        "2025-03-01T",
        "2025-03-01 2025-03-02",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2025-03-01/2025-03-02",
        "\u0662\u0660\u0662\u0665-03-01",
    ],
)
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"{text!r} is no date or time. Write 2025")):
        parse_moment(text, is_end=True)
    with pytest.raises(UsageError):
        parse_interval(f"2024-01-01/{text}")


@given(text=st.text(alphabet="0123456789-T:Z./W+ ", max_size=24))
def test_any_text_is_an_interval_or_a_usage_error(text: str) -> None:
    try:
        found = parse_interval(text)
    except UsageError:
        return
    assert any(found)
    assert all(moment.tzinfo is UTC for moment in found if moment)


@given(wanted=_selections)
def test_a_selection_is_checked_for_its_order_alone(wanted: Selection) -> None:
    assume(wanted.start != wanted.end)
    if wanted.start and wanted.end and wanted.end < wanted.start:
        with pytest.raises(UsageError, match=r"lies before the start .*; swap them"):
            check(wanted)
    else:
        check(wanted)


def test_a_selection_of_one_moment_is_one() -> None:
    check(Selection(start=NEW_YEAR, end=NEW_YEAR, max_cloud=0, max_nodata=100, limit=1))


@pytest.mark.parametrize("value", [-0.1, 100.1, math.nan, math.inf, -math.inf])
def test_what_is_no_percentage_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match=f"The cloud limit {value} is no percentage"):
        check(Selection(max_cloud=value))
    with pytest.raises(UsageError, match=f"The nodata limit {value} is no percentage"):
        check(Selection(max_nodata=value))


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_no_frame_is_refused(limit: int) -> None:
    with pytest.raises(UsageError, match=f"The limit {limit} asks for nothing"):
        check(Selection(limit=limit))
