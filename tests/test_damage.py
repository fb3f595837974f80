"""What a damaged stream gives: its pixels, or none; `python tests/damage.py` is the long form."""

import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import damage
import dunia
from stacgen.errors import SegmentError
from stacgen.model.stream import Timeline
from stacgen.video import blockiness, decoder, hevc, mpegts

SHAPE = (64, 96)
TIMELINE = Timeline(origin=dunia.ORIGIN)
PACKET = mpegts.PACKET
SEI = b"\0\0\1\x50\x01\x84"
"""The beginning of a unit that holds a picture hash."""


def pictures(*, bits: int = 12, shape: tuple[int, int] = SHAPE) -> list[dunia.Codes]:
    random = np.random.default_rng(1)
    dtype = np.uint8 if bits == 8 else np.uint16
    return [random.integers(0, 2**bits, shape, dtype) for _ in range(4)]


def decoded(media: bytes, count: int = 4) -> list[str | None]:
    """What each frame was verified with, once all have come."""
    frames = decoder.frames(media, numbers=range(count), timeline=TIMELINE, shape=SHAPE)
    return [each.verified for each in frames]


@pytest.mark.parametrize("name", damage.CLIPS)
@pytest.mark.parametrize("twice", [False, True])
def test_damage_gives_no_wrong_pixel(name: str, *, twice: bool) -> None:
    counted = damage.tally(name, 0.15, twice=twice)
    assert sum(map(counted.size, counted.rows)) > 45
    assert not list(damage.failures(name, counted)), damage.table(name, counted)


@pytest.mark.parametrize("name", [*damage.CLIPS, *damage.UNVERIFIED])
@pytest.mark.parametrize("twice", [False, True])
def test_clean_streams_are_taken(name: str, *, twice: bool) -> None:
    for place, media in enumerate(damage.clip(name)):
        assert len(damage.decoded(name, place, media, twice=twice)) == damage.EACH


@pytest.mark.parametrize(("number", "kind"), [(1, "md5"), (2, "crc"), (3, "checksum")])
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("shape", [(64, 96), (50, 91)])
def test_every_kind_of_picture_hash_is_verified(
    number: int, kind: str, bits: int, shape: tuple[int, int]
) -> None:
    shown = pictures(bits=bits, shape=shape)
    media = dunia.encode(shown, bits=bits, params=f"lossless=1:bframes=2:hash={number}")
    first = min(time for time in mpegts.check(media).times if time is not None)
    timeline = Timeline(origin=Fraction(first, 90_000))
    frames = decoder.frames(media, numbers=range(4), timeline=timeline, shape=shape)
    for codes, right in zip(frames, shown, strict=True):
        assert codes.verified == kind
        np.testing.assert_array_equal(codes.pixels, right)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_hash_that_does_not_fit_is_refused(number: int) -> None:
    media = dunia.encode(pictures(), params=f"crf=12:bframes=0:hash={number}")
    at = media.rindex(SEI) + len(SEI) + 2  # behind the length of the message and the kind of hash
    for bit in range(8):
        changed = media[:at] + bytes([media[at] ^ 1 << bit]) + media[at + 1 :]
        with pytest.raises(SegmentError):
            decoded(changed)


def test_a_frame_without_its_hash_is_refused_where_others_have_one() -> None:
    media = dunia.encode(pictures(), params="crf=12:bframes=0:hash=1")
    assert decoded(media) == ["md5"] * 4
    assert media.count(SEI) == 4
    parts = media.split(SEI)
    for missing in range(4):
        marks = [SEI] * 4
        marks[missing] = SEI[:-1] + b"\x83"  # another kind of message, which FFmpeg passes over
        changed = b"".join(part + mark for part, mark in zip(parts, [*marks, b""], strict=True))
        with pytest.raises(SegmentError, match=r"3 picture hashes \(md5\) in 4 pictures"):
            decoded(changed)


def test_a_stream_without_hashes_says_so() -> None:
    assert decoded(dunia.encode(pictures())) == [None] * 4


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("byte", range(4))
def test_a_flipped_bit_in_a_packet_header_loses_no_packet_unseen(byte: int, bit: int) -> None:
    """But for the bit of priority, which means nothing here."""
    media = damage.clip("no hash")[1]
    at = 50 * PACKET + byte
    changed = media[:at] + bytes([media[at] ^ 1 << bit]) + media[at + 1 :]
    if (byte, bit) == (1, 5):
        assert mpegts.check(changed).video == mpegts.check(media).video
    else:
        with pytest.raises(SegmentError):
            mpegts.check(changed)


def _tables(media: bytes) -> dict[str, bytes]:
    packets = [media[at : at + PACKET] for at in range(0, len(media), PACKET)]
    by_pid = {int.from_bytes(each[1:3]) & 0x1FFF: each for each in packets}
    return {"program table": by_pid[0], "program map": by_pid[0x1000]}


@pytest.mark.parametrize("table", ["program table", "program map"])
def test_a_flipped_bit_in_a_table_is_refused(table: str) -> None:
    media = dunia.encode(pictures())
    packet = _tables(media)[table]
    length = packet[7]
    for bit in range(8 * (3 + length)):
        at = media.index(packet) + 5 + bit // 8
        changed = media[:at] + bytes([media[at] ^ 1 << bit % 8]) + media[at + 1 :]
        with pytest.raises(SegmentError, match=r"table|program"):
            mpegts.check(changed)


@pytest.mark.parametrize(("table", "pid"), [("program table", 0), ("program map", 0x1000)])
def test_a_missing_table_is_refused(table: str, pid: int) -> None:
    media = dunia.encode(pictures())
    packets = [media[at : at + PACKET] for at in range(0, len(media), PACKET)]
    kept = [each for each in packets if int.from_bytes(each[1:3]) & 0x1FFF != pid]
    with pytest.raises(SegmentError, match=f"{table} is missing"):
        mpegts.check(b"".join(kept))


def test_packets_that_carry_nothing_are_passed_over() -> None:
    media = damage.clip("no hash")[0]
    nothing = b"\x47\x1f\xff\x10" + b"\xff" * 184
    packets = [media[at : at + PACKET] for at in range(0, len(media), PACKET)]
    assert mpegts.check(nothing.join([*packets, b""])).video == mpegts.check(media).video


def test_the_video_is_that_of_the_packets() -> None:
    media = damage.clip("md5")[2]
    carried = mpegts.check(media)
    assert carried.codec == mpegts.HEVC
    assert len(carried.times) == damage.EACH
    assert [each and each.kind for each in hevc.hashes(carried.video)] == ["md5"] * damage.EACH
    assert carried.video.startswith(b"\0\0\0\1")


@pytest.mark.parametrize("place", range(4))
def test_a_segment_that_ends_within_its_last_picture_is_not_closed(place: int) -> None:
    media = damage.clip("no hash")[place]
    assert mpegts.check(media).is_closed
    assert not mpegts.check(media[: -2 * PACKET]).is_closed


@pytest.fixture(scope="module")
def hashed() -> bytes:
    return dunia.encode(pictures(), params="crf=12:bframes=0:hash=1")


@given(seed=st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_whatever_is_checked_ends_in_a_segment_or_a_segment_error(hashed: bytes, seed: int) -> None:
    random = Random(seed)
    changes: list[Callable[[bytes, Random], bytes]] = [
        damage.flip_anywhere,
        damage.noise,
        damage.hole,
        damage.drop_one,
        damage.duplicate_or_swap,
        damage.cut_anywhere,
    ]
    try:
        hevc.hashes(mpegts.check(random.choice(changes)(hashed, random)).video)
    except SegmentError as error:
        assert str(error)  # noqa: PT017 - a SegmentError is right, and so is none


def test_the_checksum_of_tables_is_that_of_the_standard() -> None:
    for table in _tables(dunia.encode(pictures())).values():
        section = table[5 : 8 + table[7]]
        assert mpegts.crc32(section) == 0
        assert mpegts.crc32(section[:-4]) == int.from_bytes(section[-4:])


def test_blocks_that_fit_together_do_not_jump() -> None:
    rows, columns = np.indices((256, 320))
    smooth = (2000 + 9 * rows + 5 * columns).astype(np.uint16)
    assert blockiness.jumps(smooth, noise=8) == 0
    shifted = smooth.copy()
    shifted[64:128, 64:192] += 500
    assert blockiness.jumps(shifted, noise=8) == 2 / 5
    assert blockiness.jumps(shifted, noise=500) == 0
    assert blockiness.jumps(smooth[:60], noise=8) == blockiness.jumps(smooth[:, :60], noise=8) == 0
    assert blockiness.jumps((smooth // 32).astype(np.uint8), noise=8) == 0


def test_a_lost_place_in_the_bits_is_noticed_without_being_asked_to() -> None:
    """Two ways of decoding are compared where the blocks of the first do not fit together."""
    [kind] = [each for each in damage.kinds("no hash") if each.name == "1 bit, video payload"]
    found = [damage.verdict("no hash", kind, seed)[0] for seed in range(12)]
    assert found.count("twice") >= 6


def taken(media: bytes) -> list[dunia.Codes]:
    """The pixels of four frames, of which the first to be shown is frame 0."""
    first = min(time for time in mpegts.check(media).times if time is not None)
    timeline = Timeline(origin=Fraction(first, 90_000))
    frames = decoder.frames(media, numbers=range(4), timeline=timeline, shape=SHAPE)
    return [each.pixels.copy() for each in frames]


@pytest.mark.parametrize("option", ["bframes=0:wpp=0", "bframes=2:wpp=0", "keyint=1:wpp=0"])
def test_a_picture_cut_off_anywhere_is_refused_with_nothing_else_to_tell(option: str) -> None:
    """No hash, no rows, no next segment, and a length that is true."""
    media = dunia.encode(pictures(), params=f"crf=12:{option}")
    packets, last = len(media) // PACKET, damage._starts(media)[-1]
    assert packets - last > 20
    assert len(taken(media)) == 4
    for count in range(last + 1, packets):
        with pytest.raises(SegmentError):
            taken(media[: count * PACKET])


@pytest.mark.parametrize("option", ["bframes=0:wpp=0", "bframes=2", "keyint=1:wpp=0"])
def test_a_whole_picture_that_does_not_show_its_end_is_taken(option: str) -> None:
    """Zeros may follow on a picture, here so many that its last packet needs no stuffing."""
    media = dunia.encode(pictures(), params=f"lossless=1:{option}")
    last = media[damage._video(media)[-1] * PACKET :][:4]
    head = bytes([last[0], last[1] & 0x1F, last[2], 0x10 | (last[3] + 1) & 0x0F])
    media += head.ljust(PACKET, b"\0")
    assert not mpegts.check(media).is_closed
    np.testing.assert_array_equal(taken(media), pictures())


@pytest.mark.parametrize("place", range(3))
def test_the_next_segment_tells_of_an_end_that_is_missing(place: int) -> None:
    """FFmpeg counts on; of a packager that counts anew in each segment nothing can be told."""
    media, following = damage.clip("no hash")[place : place + 2]
    head = following[: 16 * PACKET]
    assert mpegts.goes_on(media, head)
    for lost in range(1, 16):
        assert not mpegts.goes_on(media[: -lost * PACKET], head)
    assert mpegts.goes_on(media[:-PACKET], media[: 16 * PACKET])


@pytest.mark.parametrize(("option", "in_rows"), [("wpp=0", False), ("wpp=1:pools=2", True)])
def test_a_stream_says_whether_its_rows_begin_by_themselves(option: str, *, in_rows: bool) -> None:
    media = dunia.encode([dunia.landscape(0, size=256)], params=f"lossless=1:{option}")
    assert hevc.is_in_rows(mpegts.check(media).video) is in_rows


@pytest.mark.parametrize("name", ["no hash", *damage.UNVERIFIED])
def test_lost_packets_after_which_counters_fit_again_give_no_wrong_pixel(name: str) -> None:
    """Nothing but the video tells: no hash, no counter, no length."""
    kind = damage.Kind("16 lost", 0, damage._in_one(partial(lose, count=16)))
    found = [damage.verdict(name, kind, seed, twice=True)[0] for seed in range(12)]
    assert "wrong" not in found
    assert "twice" in found


def lose(media: bytes, random: Random, *, count: int) -> bytes:
    return damage._dropped(media, random.randrange(4, len(media) // PACKET - count), count)


@pytest.mark.parametrize("option", ["bframes=0:wpp=0", "bframes=2:wpp=0", "bframes=0"])
def test_slices_that_end_in_nodata_are_taken(option: str) -> None:
    """The bits of a dark edge are few, and changes of them seldom show."""
    shown = [dunia.landscape(number, size=256) for number in range(4)]
    for codes in shown:
        codes[150:] = 0
    media = dunia.encode(shown, params=f"crf=12:{option}")
    timeline = Timeline(origin=Fraction(0), is_relative=True)
    frames = decoder.frames(
        media, numbers=range(4), timeline=timeline, shape=(256, 256), twice=True
    )
    assert [each.pixels[200:].max() < 100 for each in frames] == [True] * 4


def test_padding_is_no_part_of_a_slice() -> None:
    video = mpegts.check(damage.clip("no hash")[0]).video
    (start, stop), *others = hevc.slice_segments(video)
    padded = video[:stop] + b"\0\0\3\0\0\3" + video[stop:]
    assert hevc.slice_segments(padded)[0] == (start, stop)
    assert len(others) == damage.EACH - 1
    assert hevc.with_ones(video)[stop : stop + 4] == b"\xff" * 4
    noisy = hevc.with_noise(video, (start, stop), 0)
    assert noisy[: stop - 6] == video[: stop - 6]
    assert noisy.endswith(video[stop:])
    assert len(hevc.slice_segments(noisy)) == damage.EACH


def test_a_start_code_with_nothing_behind_it_is_refused() -> None:
    """Found by tests/fuzz.py."""
    video = mpegts.check(damage.clip("no hash")[0]).video
    for nothing in (b"\0\0\1", b"\0\0\1\0\0\1"):
        with pytest.raises(SegmentError, match=r"NAL unit \d+ is malformed"):
            hevc.hashes(video + nothing)


def test_a_parameter_set_of_nothing_but_zeros_is_soon_seen_through() -> None:
    zeros = b"\0\0\1\x44\x01\xff" + b"\0\0\3" * 1_000_000
    began = time.monotonic()
    assert hevc.is_in_rows(zeros)
    with pytest.raises(SegmentError, match="parameter set is malformed"):
        hevc.window(zeros.replace(b"\x44", b"\x42", 1))
    assert time.monotonic() - began < 2


def test_of_a_damaged_parameter_set_the_better_is_thought() -> None:
    assert hevc.is_in_rows(b"\0\0\1\x44\x01\xff")
