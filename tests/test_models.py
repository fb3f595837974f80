"""Bands are found as people write them, and names come out as they must."""

import re
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacgen.errors import UsageError
from stacgen.model import bands, mgrs
from stacgen.model.raster import Reflectance, StoredFile, row_blocks
from stacgen.model.stream import (
    ByteRange,
    Frame,
    Grid,
    Resource,
    Segment,
    Stream,
    Timeline,
    item_ids,
    timestamp,
)

SECOND = datetime(2025, 3, 2, 11, 21, 9, tzinfo=UTC)


def _stream(frames: list[tuple[datetime, str]], band: str = "B09") -> Stream:
    return Stream(
        tile=mgrs.parse("29PKR"),
        band=bands.find(band),
        year=2025,
        playlist_url="https://dunia.example/stream.m3u8",
        frames=tuple(
            Frame(
                number=number,
                sensing_time=sensing_time,
                baseline=baseline,
                scale=1.0,
                offset=0.0,
                cloud_cover=None,
                nodata_percentage=None,
            )
            for number, (sensing_time, baseline) in enumerate(frames)
        ),
        timeline=Timeline(origin=Fraction("1.4")),
    )


@pytest.mark.parametrize(
    ("resolution", "size", "names"),
    [
        (10, 10980, "B02 B03 B04 B08"),
        (20, 5490, "B05 B06 B07 B8A B11 B12"),
        (60, 1830, "B01 B09"),
    ],
)
def test_a_band_has_the_resolution_of_level_2a(resolution: int, size: int, names: str) -> None:
    found = [band for band in bands.BANDS.values() if band.resolution == resolution]
    assert " ".join(band.name for band in found) == names
    assert {band.size for band in found} == {size}


def test_the_bands_stand_in_the_order_of_their_wavelengths() -> None:
    wavelengths = [band.center_wavelength or 0 for band in bands.BANDS.values()]
    assert wavelengths == sorted(wavelengths)
    assert 0.4 < wavelengths[0] < wavelengths[-1] < 2.3  # micrometres, not nanometres


def test_every_band_has_names_of_its_own() -> None:
    found = bands.BANDS.values()
    for names in ([b.name for b in found], [b.common_name for b in found]):
        assert len(set(names)) == 12
    assert len({band.description for band in found}) == 12


@pytest.mark.parametrize("name", bands.BANDS)
@pytest.mark.parametrize("dressed", [str, str.lower, " {} ".format])
def test_case_and_blanks_make_no_other_band(name: str, dressed: type[str]) -> None:
    assert bands.find(dressed(name)).name == name


@pytest.mark.parametrize("digit", "123456789")
def test_the_zero_of_a_band_may_be_left_out(digit: str) -> None:
    assert bands.find(f"b{digit}").name == f"B0{digit}"


@pytest.mark.parametrize("name", ["", "B", "B0", "B00", "B13", "B8B", "11", "X1", "9", "B\u00b2"])
def test_what_is_no_band_is_refused_with_a_list_of_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match=f"There is no band {name!r}.*B01, B02.*B11, B12"):
        bands.find(name)


def test_for_the_cirrus_band_the_message_says_why() -> None:
    with pytest.raises(UsageError, match="B10 is not streamed: it sees cirrus"):
        bands.find("b10")


@pytest.mark.parametrize(
    ("name", "description"),
    [("B01", "Coastal aerosol (band 1)"), ("B8A", "Narrow near infrared (band 8A)")],
)
def test_a_description_names_the_band_as_people_do(name: str, description: str) -> None:
    assert bands.find(name).description == description


def test_an_item_id_is_the_file_name_of_the_notebook() -> None:
    moment = SECOND.replace(microsecond=24000)
    assert item_ids(_stream([(moment, "05.11")])) == {0: "T29PKR_20250302T112109_05.11_B09_60m"}
    assert item_ids(_stream([(moment, "05.11")], "b8a"))[0].endswith("_05.11_B8A_20m")


def test_of_two_frames_in_one_second_the_later_gets_its_number() -> None:
    later = SECOND.replace(microsecond=900_000)
    ids = item_ids(_stream([(SECOND, "05.11"), (SECOND, "05.10"), (later, "05.11")]))
    stem = "T29PKR_20250302T112109"
    assert ids == {
        0: f"{stem}_05.11_B09_60m",
        1: f"{stem}_05.10_B09_60m",
        2: f"{stem}_05.11_B09_60m_2",
    }


_moments = st.one_of(
    st.datetimes(timezones=st.just(UTC)),
    st.builds(timedelta, milliseconds=st.integers(0, 3000)).map(lambda later: SECOND + later),
)
_frames = st.lists(st.tuples(_moments, st.sampled_from(["05.11", "05.10", "00.01"])), max_size=12)


@given(frames=_frames, name=st.sampled_from(list(bands.BANDS)))
def test_item_ids_are_unique_and_safe_as_file_names(
    frames: list[tuple[datetime, str]], name: str
) -> None:
    ids = item_ids(_stream(frames, name))
    assert list(ids) == list(range(len(frames)))
    assert len({each.casefold() for each in ids.values()}) == len(frames)
    for each in ids.values():
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", each, re.ASCII)


@given(frames=_frames, more=_frames)
def test_frames_that_come_later_leave_ids_as_they_were(
    frames: list[tuple[datetime, str]], more: list[tuple[datetime, str]]
) -> None:
    before, after = item_ids(_stream(frames)), item_ids(_stream(frames + more))
    assert before == {number: after[number] for number in before}


@given(moment=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3))])))
def test_a_timestamp_is_the_same_moment_in_utc(moment: datetime) -> None:
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:  # the last hours of the year 9999
        return
    text = timestamp(moment)
    assert datetime.fromisoformat(text) == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z", text)
    assert not re.search(r"\.0+Z|000Z", text)


@given(
    number=st.integers(0, 10**5),
    origin=st.fractions(0, 10, max_denominator=90_000),
    error=st.fractions(-1, 1).map(lambda share: share * Fraction(99, 1000)),
)
def test_a_time_a_little_off_the_beat_is_still_that_frame(
    number: int, origin: Fraction, error: Fraction
) -> None:
    timeline = Timeline(origin=origin)
    assert timeline.number_at(origin + (number + error) / 25) == number


@given(number=st.integers(0, 10**5), off=st.fractions(Fraction(11, 100), Fraction(89, 100)))
def test_a_time_between_two_beats_is_no_frame(number: int, off: Fraction) -> None:
    assert Timeline(origin=Fraction("1.4")).number_at(Fraction("1.4") + (number + off) / 25) is None


@given(offset=st.integers(0, 10**12), length=st.integers(1, 10**9))
def test_a_range_header_names_its_last_byte(offset: int, length: int) -> None:
    first, last = re.findall(r"\d+", ByteRange(offset=offset, length=length).header)
    assert (int(first), int(last) - int(first) + 1) == (offset, length)


@given(rows=st.integers(1, 400), height=st.integers(1, 100))
def test_row_blocks_are_all_rows_once_and_in_order(rows: int, height: int) -> None:
    blocks = list(row_blocks(rows, height))
    assert [row for block in blocks for row in range(rows)[block]] == list(range(rows))
    assert max(block.stop - block.start for block in blocks) <= height


def test_a_grid_goes_down_and_right_from_its_upper_left_corner() -> None:
    grid = Grid(epsg=32629, left=100, top=900, resolution=20, size=3)
    assert grid.shape == (3, 3)
    assert list(grid.bounds) == [100, 840, 160, 900]
    assert list(grid.transform) == [20, 0, 100, 0, -20, 900]


@pytest.mark.parametrize(("baseline", "offset"), [("03.01", 0), ("04.00", -0.1), ("05.11", -0.1)])
def test_from_baseline_4_on_numbers_have_an_offset(baseline: str, offset: float) -> None:
    assert Reflectance.of(baseline) == Reflectance(scale=0.0001, offset=offset)


def test_a_multihash_says_which_digest_it_is_and_how_long() -> None:
    digest = sha256(b"").hexdigest()
    multihash = bytes.fromhex(StoredFile(size=0, sha256=digest).multihash)
    assert multihash == bytes([0x12, 32]) + sha256(b"").digest()


def test_messages_name_nouns_without_secrets() -> None:
    stream = _stream([(SECOND, "05.11")])
    media = Resource(url="https://dunia.example/a/seg_001.ts?token=secret")
    segment = Segment(media=media, start=4, stop=8)
    assert str(stream) == "29PKR B09 2025"
    assert str(stream.frames[0]) == "frame 0 (2025-03-02T11:21:09Z)"
    assert str(segment) == "segment seg_001.ts (frames 4 to 7)"
    assert [number for number in range(10) if number in segment] == [4, 5, 6, 7]
