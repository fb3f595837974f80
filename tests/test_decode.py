"""Decoding agrees with the ffmpeg program on good segments, and uses nothing of a bad one."""

import io
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import av.video.plane
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import dunia
from stacgen.errors import SegmentError, WrongStreamError
from stacgen.model.stream import Timeline
from stacgen.video import decoder

SHAPE = (64, 96)
COUNT = 4
PACKET = 188
TIMELINE = Timeline(origin=dunia.ORIGIN)
BEGINS_AT_ZERO = Timeline(origin=Fraction(0))
X265 = "log-level=none:pools=none:frame-threads=1:repeat-headers=1"
LOSSLESS = "lossless=1:bframes=0"
LOSSY = "crf=24:bframes=0"
B_FRAMES = "crf=24:bframes=3:b-adapt=0:open-gop=0"
HASHED = "crf=12:bframes=0:hash=1:info=0"

Frames = list[tuple[int, dunia.Codes]]


def pictures(
    count: int = COUNT, *, bits: int = 12, shape: tuple[int, int] = SHAPE
) -> list[dunia.Codes]:
    """Waves that move from frame to frame, with noise, over most of the range."""
    rows, columns = np.indices(shape)
    random = np.random.default_rng(bits)
    pixels: list[dunia.Codes] = []
    for number in range(count):
        waves = 2 + np.sin(columns / 9 + number) + np.cos(rows / 7 - number)
        values = waves / 4 * (2**bits - 2**bits // 8) + random.integers(0, 2**bits // 8, shape)
        pixels.append(values.astype(np.uint8 if bits == 8 else np.uint16))
    return pixels


def decoded(media: bytes, **changes: Any) -> Frames:  # noqa: ANN401 - of any argument
    """Numbers and copies of the pixels, once the whole segment has been seen."""
    usual: dict[str, Any] = {"numbers": range(COUNT), "timeline": TIMELINE, "shape": SHAPE}
    return [(each.number, each.pixels.copy()) for each in decoder.frames(media, **usual | changes)]


def assert_same(frames: Frames, expected: Iterable[dunia.Codes], *, first: int = 0) -> None:
    assert [number for number, _ in frames] == list(range(first, first + len(frames)))
    for (number, pixels), right in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(pixels, right, err_msg=f"frame {number}")


def by_program(media: bytes, pixel_format: str) -> NDArray[Any]:
    """What the ffmpeg program makes of the same bytes: (frames, rows, columns)."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("the oracle of this test, the ffmpeg program, is not on this machine")
    command = ["ffmpeg", "-v", "error", "-i", "-", "-pix_fmt", pixel_format, "-f", "rawvideo", "-"]
    done = subprocess.run(command, input=media, capture_output=True, check=True)
    dtype = np.uint8 if pixel_format == "gray" else np.dtype("<u2")
    return np.frombuffer(done.stdout, dtype).reshape(-1, *SHAPE)


def fragmented(
    codec: str, pixel_format: str, frames: Sequence[dunia.Codes], *, params: str = LOSSLESS
) -> tuple[bytes, bytes]:
    """Initialization and media of a fragmented MP4 whose first frame is shown at 0 s."""
    file = io.BytesIO()
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(file, "w", format="mp4", options=flags) as out:
        if codec == "ffv1" and codec not in out.supported_codecs:
            pytest.skip("FFmpeg writes FFV1 to MP4 from version 8 on")
        stream: Any = out.add_stream(codec, rate=dunia.RATE)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = pixel_format
        if codec == "libx265":
            stream.options = {"preset": "ultrafast", "x265-params": f"{X265}:{params}"}
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format=pixel_format)
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    whole = file.getvalue()
    cut = whole.index(b"moof") - 4
    return whole[:cut], whole[cut:]


def tracks(*kinds: str) -> bytes:
    """MPEG-TS of four frames a track: a pixel format makes it video, `audio` silence."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts", options={"max_delay": "700000"}) as out:
        for kind in kinds:
            stream: Any = out.add_stream("mp2" if kind == "audio" else "libx265", rate=None)
            if kind == "audio":
                stream.rate, stream.layout = 48_000, "mono"
            else:
                stream.rate, stream.pix_fmt, (stream.height, stream.width) = 25, kind, SHAPE
                stream.options = {"preset": "ultrafast", "x265-params": f"{X265}:{LOSSLESS}"}
        for number in range(COUNT):
            for kind, stream in zip(kinds, out.streams, strict=True):
                out.mux(stream.encode(_silence(number) if kind == "audio" else _grey(kind, number)))
        for stream in out.streams:
            out.mux(stream.encode(None))
    return file.getvalue()


def _silence(number: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), layout="mono")
    frame.sample_rate, frame.pts = 48_000, 1920 * number
    return frame


def _grey(pixel_format: str, number: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(pictures()[number], format="gray12le")
    frame = frame.reformat(format=pixel_format)
    frame.pts = number
    return frame


def packets(media: bytes) -> list[bytes]:
    """The coded frames of a segment, in decoding order."""
    with av.open(io.BytesIO(media), "r", format="mpegts") as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def segment(coded: Iterable[tuple[int, bytes]]) -> bytes:
    """MPEG-TS of frames coded already, each with the number that says when it is shown."""
    file, pattern = io.BytesIO(), io.BytesIO(dunia.encode(pictures(1)))
    with (
        av.open(pattern, "r", format="mpegts") as source,
        av.open(file, "w", format="mpegts", options={"max_delay": "700000"}) as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, content in coded:
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, Fraction(1, dunia.RATE)
            packet.pts = packet.dts = number
            out.mux(packet)
    return file.getvalue()


def with_flipped_bits(media: bytes, number: int) -> bytes:
    """The segment with damage in the middle of a frame, in whole packets all the same."""
    coded = packets(media)
    middle = len(coded[number]) // 2
    damage = bytes(byte ^ 0x10 for byte in coded[number][middle : middle + 8])
    coded[number] = coded[number][:middle] + damage + coded[number][middle + 8 :]
    return segment(enumerate(coded))


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("params", [LOSSLESS, LOSSY, B_FRAMES])
def test_pixels_are_those_of_the_ffmpeg_program(bits: int, params: str) -> None:
    media = dunia.encode(pictures(bits=bits), bits=bits, params=params)
    origin = Fraction("1.48") if params == B_FRAMES else dunia.ORIGIN
    expected = by_program(media, "gray" if bits == 8 else f"gray{bits}le")
    assert_same(decoded(media, timeline=Timeline(origin=origin)), expected)


def test_frames_that_refer_to_later_ones_come_in_the_order_of_their_numbers() -> None:
    shown = pictures(8)
    media = dunia.encode(shown, params=f"{B_FRAMES}:lossless=1")
    timeline = Timeline(origin=Fraction("1.48"))
    assert_same(decoded(media, numbers=range(8), timeline=timeline), shown)


def test_every_code_of_twelve_bits_comes_back() -> None:
    every = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    assert_same(decoded(dunia.encode([every]), numbers=range(1), shape=(64, 64)), [every])


def test_a_frame_that_fills_the_end_of_a_segment_is_decoded() -> None:
    """FFmpeg looks for times in the last 16 MB, and complains where one frame fills them."""
    noise = np.random.default_rng(0).integers(4096, size=(3392, 3392), dtype=np.uint16)
    media = dunia.encode([noise])
    assert len(media) > 16 << 20
    assert_same(decoded(media, numbers=range(1), shape=noise.shape), [noise])


def test_codes_are_those_of_the_notebook() -> None:
    media = dunia.encode(pictures(), params=LOSSY)
    assert_same(decoded(media), by_program(media, "gray16le") >> 4)


@pytest.mark.parametrize(
    ("codec", "bits"),
    [("libx265", 8), ("libx265", 10), ("libx265", 12), ("ffv1", 14), ("ffv1", 16)],
)
def test_fragmented_mp4_decodes_behind_its_initialization(codec: str, bits: int) -> None:
    kind = "gray" if bits == 8 else f"gray{bits}le"
    initialization, media = fragmented(codec, kind, pictures(bits=bits))
    frames = decoded(media, initialization=initialization, timeline=BEGINS_AT_ZERO)
    assert_same(frames, pictures(bits=bits))
    assert_same(frames, by_program(initialization + media, kind))


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (10, np.uint16), (12, np.uint16)])
def test_codes_say_how_many_bits_they_have(bits: int, dtype: type[np.generic]) -> None:
    media = dunia.encode(pictures(1, bits=bits), bits=bits)
    for codes in decoder.frames(media, numbers=range(1), timeline=TIMELINE, shape=SHAPE):
        assert codes.bits == bits
        assert codes.pixels.dtype == dtype
        assert codes.pixels.shape == SHAPE


def test_frames_have_the_numbers_that_their_times_say() -> None:
    media = dunia.encode(pictures(), first=40)
    assert_same(decoded(media, numbers=range(40, 44)), pictures(), first=40)


@pytest.mark.parametrize("bits", [8, 12])
def test_pixels_are_the_decoders_memory_and_cannot_be_written(bits: int) -> None:
    media = dunia.encode(pictures(1, bits=bits), bits=bits)
    for codes in decoder.frames(media, numbers=range(1), timeline=TIMELINE, shape=SHAPE):
        assert not codes.pixels.flags.writeable
        owner: Any = codes.pixels
        while isinstance(owner, np.ndarray):
            owner = owner.base
        assert isinstance(owner.obj, av.video.plane.VideoPlane)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (range(5), "frame 4 is missing (frames 0 to 4 were)"),
        (range(3), "frame 3 came where it was not due (frames 0 to 2 were)"),
        (range(1, 5), "frame 0 came where it was not due (frames 1 to 4 were)"),
        (range(8, 12), "frame 0 came where it was not due (frames 8 to 11 were)"),
    ],
)
def test_other_frames_than_those_due_are_refused(numbers: range, sentence: str) -> None:
    with pytest.raises(SegmentError) as raised:
        decoded(dunia.encode(pictures()), numbers=numbers)
    assert str(raised.value) == sentence


def test_a_hole_between_frames_is_refused() -> None:
    coded = packets(dunia.encode(pictures(), params=f"{LOSSLESS}:keyint=1"))
    assert_same(decoded(segment(enumerate(coded))), pictures())
    with pytest.raises(SegmentError, match="frame 4 came where it was not due"):
        decoded(segment(zip((0, 1, 2, 4), coded, strict=True)))


@pytest.mark.parametrize("origin", ["1.38", "1.385", "1.395", "1.405", "1.42"])
def test_a_frame_between_two_beats_is_refused(origin: str) -> None:
    with pytest.raises(SegmentError, match=r"a frame at 1\.4000 s is off the beat"):
        decoded(dunia.encode(pictures()), timeline=Timeline(origin=Fraction(origin)))


@pytest.mark.parametrize("origin", ["1.36", "1.44", "1.48"])
def test_a_wrong_origin_shifts_no_frame_unseen(origin: str) -> None:
    with pytest.raises(SegmentError, match="came where it was not due"):
        decoded(dunia.encode(pictures()), timeline=Timeline(origin=Fraction(origin)))


def test_a_frame_without_a_time_is_refused() -> None:
    media = dunia.encode(pictures(1))
    start = media.index(b"\0\0\1\xe0") + 7  # flags of the PES header, its length, and five of PTS
    assert media[start] & 0xC0 == 0x80
    length = media[start + 1]
    timeless = media[:start] + bytes([0, length]) + b"\xff" * length + media[start + 2 + length :]
    with pytest.raises(SegmentError, match="a frame has no presentation time"):
        decoded(timeless, numbers=range(1))


@pytest.mark.parametrize("shape", [(64, 80), (56, 96), (96, 64), (72, 104)])
def test_a_frame_of_another_size_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(SegmentError, match=f"96 x 64 pixels, not {shape[1]} x {shape[0]}"):
        decoded(dunia.encode(pictures()), shape=shape)


def test_a_far_larger_frame_is_not_even_decoded() -> None:
    with pytest.raises(SegmentError, match=r"refused it: Picture size .* exceeds"):
        decoded(dunia.encode(pictures(1, shape=(256, 320))), numbers=range(1))


def test_pixels_that_are_not_gray_alone_are_refused() -> None:
    problem = r"its pixels are in colour \(yuv420p\), not those of one band"
    with pytest.raises(WrongStreamError, match=problem):
        decoded(tracks("yuv420p"))


def test_a_change_of_bit_depth_is_refused() -> None:
    deep = packets(dunia.encode(pictures()[:2], params=f"{LOSSLESS}:keyint=1"))
    shallow = packets(dunia.encode(pictures(2, bits=10), bits=10, params=f"{LOSSLESS}:keyint=1"))
    with pytest.raises(SegmentError, match="its pixels are gray10le, gray12le, not one kind"):
        decoded(segment(enumerate([*deep, *shallow])))


@pytest.mark.parametrize(
    ("kinds", "videos"), [(("gray12le", "gray12le"), 2), (("audio",), 0), (("audio", "audio"), 0)]
)
def test_any_number_of_video_tracks_but_one_is_refused(kinds: tuple[str, ...], videos: int) -> None:
    with pytest.raises(SegmentError, match=f"it holds {videos} video tracks, not one"):
        decoded(tracks(*kinds))


def test_a_codec_without_a_decoder_is_refused() -> None:
    initialization, media = fragmented("libx265", "gray12le", pictures())
    unknown = initialization.replace(b"hev1", b"none")
    assert unknown != initialization
    with pytest.raises(SegmentError, match="no decoder"):
        decoded(media, initialization=unknown, timeline=BEGINS_AT_ZERO)


@pytest.mark.parametrize(
    ("media", "begins"),
    [
        (b"", "b''"),
        (b"<!doctype html><html><body>Gone</body></html>" * 50, "b'<!doctype html><'"),
        (dunia.playlist([4, 4]), "b'#EXTM3U"),
        (b'{"detail": "Not found"}', """b'{"detail": "Not '"""),
    ],
)
def test_what_is_no_segment_is_refused_with_its_beginning(media: bytes, begins: str) -> None:
    with pytest.raises(SegmentError) as raised:
        decoded(media)
    assert begins in str(raised.value)


@pytest.mark.parametrize("media", [b"", b"<!doctype html>", dunia.playlist([4])])
def test_what_is_no_fragment_is_refused(media: bytes) -> None:
    initialization, _ = fragmented("libx265", "gray12le", pictures())
    with pytest.raises(SegmentError):
        decoded(media, initialization=initialization, timeline=BEGINS_AT_ZERO)


def test_what_is_no_initialization_is_refused() -> None:
    _, media = fragmented("libx265", "gray12le", pictures())
    with pytest.raises(SegmentError):
        decoded(media, initialization=b"<!doctype html>", timeline=BEGINS_AT_ZERO)


def test_an_initialization_of_a_version_to_come_is_refused() -> None:
    initialization, media = fragmented("libx265", "gray12le", pictures())
    later = initialization.replace(b"mdhd\0", b"mdhd\xff")
    assert later != initialization
    with pytest.raises(SegmentError, match="refused it: Version 255"):
        decoded(media, initialization=later, timeline=BEGINS_AT_ZERO)


def test_a_fragment_cut_short_is_refused() -> None:
    initialization, media = fragmented("libx265", "gray12le", pictures())
    for length in range(0, len(media) - 200, len(media) // 20):  # behind the frames is an index
        with pytest.raises(SegmentError):
            decoded(media[:length], initialization=initialization, timeline=BEGINS_AT_ZERO)


def test_a_segment_cut_short_anywhere_is_refused() -> None:
    media = dunia.encode(pictures())
    for length in {*range(0, len(media), 997), *range(len(media) - PACKET + 1, len(media))}:
        if length % PACKET:
            with pytest.raises(SegmentError):
                decoded(media[:length])


def test_a_segment_without_its_last_frame_is_refused() -> None:
    media = dunia.encode(pictures())
    last = [
        start
        for start in range(0, len(media), PACKET)
        if b"\0\0\1\xe0" in media[start : start + PACKET]
    ][-1]
    with pytest.raises(SegmentError, match="frame 3 is missing"):
        decoded(media[:last])


@pytest.mark.parametrize("astray", [b"\n", b"\r\n" * 94, bytes(500)])
@pytest.mark.parametrize("place", [0, 20, 100])
def test_bytes_astray_between_packets_are_refused(astray: bytes, place: int) -> None:
    media = dunia.encode(pictures())
    start = PACKET * place
    with pytest.raises(SegmentError, match="MPEG-TS"):
        decoded(media[:start] + astray + media[start:])


def test_a_lost_packet_of_video_is_refused() -> None:
    """But for the very last: of its loss nothing tells but the length of the transfer."""
    media = dunia.encode(pictures(), params=LOSSY)
    video = [
        start
        for start in range(0, len(media), PACKET)
        if media[start + 1 : start + 3] in (b"\x01\x00", b"\x41\x00")
    ]
    assert len(video) > COUNT
    for start in video[:-1]:
        with pytest.raises(SegmentError):
            decoded(media[:start] + media[start + PACKET :])


@pytest.mark.parametrize("number", range(COUNT))
def test_damage_that_only_the_hash_in_the_video_tells_is_refused(number: int) -> None:
    media = dunia.encode(pictures(), params=HASHED)
    assert len(decoded(media)) == COUNT
    with pytest.raises(SegmentError, match="Verifying checksum"):
        decoded(with_flipped_bits(media, number))


WIDE = (256, 320)
VERIFIED = {"wpp=0": False, "wpp=1:pools=2": False, "wpp=0:hash=1": True}
"""Whether video so encoded has hashes."""


def smooth(bits: int) -> dunia.Codes:
    rows, columns = np.indices(WIDE)
    codes = (2000 + 2 * rows + 3 * columns) >> (12 - bits)
    return codes.astype(np.uint8) if bits == 8 else codes.astype(np.uint16)


def jumping(bits: int) -> dunia.Codes:
    """Two of five blocks in a row are as if from elsewhere."""
    codes = smooth(bits)
    codes[64:128, 64:192] -= 1000 >> (12 - bits)
    return codes


def jumps(media: bytes, **more: Any) -> list[float | None]:  # noqa: ANN401 - of any argument
    usual: dict[str, Any] = {"numbers": range(2), "timeline": TIMELINE, "shape": WIDE}
    return [each.jump for each in decoder.frames(media, **usual | more)]


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("params", VERIFIED)
def test_blocks_that_jump_are_told_where_no_hash_verifies_them(params: str, bits: int) -> None:
    shown = [smooth(bits), jumping(bits)]
    media = dunia.encode(shown, bits=bits, params=f"{LOSSLESS}:{params}")
    assert jumps(media) == [None, None if VERIFIED[params] else 2 / 5]


@pytest.mark.parametrize("params", VERIFIED)
def test_fragmented_mp4_is_asked_for_hashes_and_rows_too(params: str) -> None:
    shown = [smooth(12), jumping(12)]
    start, media = fragmented("libx265", "gray12le", shown, params=f"{LOSSLESS}:{params}")
    more = {"initialization": start, "timeline": BEGINS_AT_ZERO}
    assert jumps(media, **more) == [None, None if VERIFIED[params] else 2 / 5]


def test_hashes_in_fragmented_mp4_are_complete_or_it_is_refused() -> None:
    start, media = fragmented("libx265", "gray12le", pictures(), params=HASHED)
    usual: dict[str, Any] = {"numbers": range(COUNT), "timeline": BEGINS_AT_ZERO, "shape": SHAPE}
    usual["initialization"] = start
    assert {each.verified for each in decoder.frames(media, **usual)} == {"md5"}
    missing = media.replace(b"\x50\x01\x84", b"\x50\x01\x83", 1)
    with pytest.raises(SegmentError, match=r"3 picture hashes \(md5\) in 4 pictures"):
        list(decoder.frames(missing, **usual))


def test_video_that_is_not_hevc_has_nothing_to_verify_it_by() -> None:
    start, media = fragmented("ffv1", "gray16le", [smooth(12) * 16, jumping(12) * 16])
    assert jumps(media, initialization=start, timeline=BEGINS_AT_ZERO) == [None, 2 / 5]


def test_a_lost_reference_frame_is_refused() -> None:
    coded = packets(dunia.encode(pictures(), params=LOSSY))
    with pytest.raises(SegmentError, match=r"Could not find ref|came where it was not due"):
        decoded(segment((number, coded[number]) for number in (0, 2, 3)))


@pytest.mark.parametrize(
    ("junk", "complaint"),
    [
        (b"\x7e\x01", "the decoder complained: missing picture in access unit"),
        (b"\x44\x01", "the decoder refused it: PPS id out of range"),
    ],
)
def test_a_complaint_after_the_last_frame_refuses_them_all(junk: bytes, complaint: str) -> None:
    """Of a shorter stream FFmpeg parses the end before the first frame comes."""
    coded = packets(dunia.encode(pictures(200), params=LOSSY))
    media = segment(enumerate([*coded, b"\0\0\0\1" + junk + bytes(range(1, 20))]))
    decoding = decoder.frames(media, numbers=range(200), timeline=TIMELINE, shape=SHAPE)
    assert [each.number for each in islice(decoding, 200)] == list(range(200))
    with pytest.raises(SegmentError, match=complaint):
        next(decoding)


def test_a_complaint_made_on_opening_lets_no_frame_pass() -> None:
    coded = packets(dunia.encode(pictures(), params=LOSSY))
    media = segment(enumerate([*coded, b"\0\0\0\1\x7e\x01" + bytes(range(1, 20))]))
    with pytest.raises(SegmentError, match="complained: missing picture in access unit"):
        next(decoder.frames(media, numbers=range(4), timeline=TIMELINE, shape=SHAPE))


def test_complaints_reach_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    damaged = with_flipped_bits(dunia.encode(pictures(), params=HASHED), 1)
    capfd.readouterr()
    with pytest.raises(SegmentError):
        decoded(damaged)
    assert capfd.readouterr() == ("", "")


def test_a_complaint_names_its_cause_in_one_line() -> None:
    with pytest.raises(SegmentError) as raised:
        decoded(with_flipped_bits(dunia.encode(pictures(), params=HASHED), 1))
    text = str(raised.value)
    assert text.startswith("the decoder refused it: Verifying checksum for frame with POC 1")
    assert text[-1] not in " .;"
    assert "\n" not in text


def test_a_segment_given_up_halfway_leaves_the_next_alone() -> None:
    media = dunia.encode(pictures(), params=HASHED)
    given_up = decoder.frames(media, numbers=range(4), timeline=TIMELINE, shape=SHAPE)
    next(given_up)
    del given_up
    with pytest.raises(SegmentError):
        decoded(with_flipped_bits(media, 3))
    assert len(decoded(media)) == COUNT


def test_threads_have_the_same_frames_and_each_its_own_complaints() -> None:
    shape = (256, 320)
    clean = dunia.encode(pictures(shape=shape), params=HASHED)
    damaged = with_flipped_bits(clean, 2)
    expected = [pixels for _, pixels in decoded(clean, shape=shape)]

    def is_refused(media: bytes) -> bool:
        try:
            assert_same(decoded(media, shape=shape), expected)
        except SegmentError:
            return True
        return False

    with ThreadPoolExecutor(4) as pool:
        refused = list(pool.map(is_refused, [clean, damaged] * 20))
    assert refused == [False, True] * 20


@pytest.fixture(scope="module")
def lossy() -> bytes:
    return dunia.encode(pictures(), params=HASHED)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_is_amiss_is_a_segment_error(lossy: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(lossy)))
    stop = data.draw(st.integers(start, min(start + 400, len(lossy))))
    media = lossy[:start] + data.draw(st.binary(max_size=400)) + lossy[stop:]
    try:
        frames = decoded(media)
    except SegmentError as error:
        assert str(error)  # noqa: PT017 - a SegmentError is right, and so are four frames
    else:
        assert [number for number, _ in frames] == list(range(COUNT))


def test_frames_of_many_megabytes_are_no_cause_for_complaint() -> None:
    """FFmpeg looks at 5 MB before it begins, and complains where that is less than two frames."""
    noise = np.random.default_rng(0).integers(100, 4096, (2, 1830, 1830), dtype=np.uint16)
    media = dunia.encode(list(noise))
    assert len(media) > 10_000_000
    frames = decoder.frames(media, numbers=range(2), timeline=TIMELINE, shape=(1830, 1830))
    assert [(codes.pixels == noise[codes.number]).all() for codes in frames] == [True, True]


BOMB = """
import resource, sys
from pathlib import Path
from stacgen.video import decoder as decode
from stacgen.errors import SegmentError, WrongStreamError
from stacgen.model.stream import Timeline
media = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    list(decode.frames(media, numbers=range(1), timeline=Timeline(origin=1), shape=(64, 96)))
except SegmentError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_bomb_is_stopped_before_it_takes_memory(tmp_path: Path) -> None:
    """67 million pixels of nothing, 134 MB, in a file of some kilobytes."""
    dark = np.zeros((8192, 8192), np.uint16)
    file = tmp_path / "bomb.ts"
    file.write_bytes(dunia.encode([dark], params="bframes=0"))
    assert file.stat().st_size < 200_000
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(file)], check=True, capture_output=True, text=True
    )
    said, kilobytes = done.stdout.splitlines()
    assert "Picture size 8192x8192 exceeds" in said
    assert int(kilobytes) < 30_000


@pytest.mark.parametrize("shape", [(1024, 1024), (128, 96)])
def test_pictures_that_grow_in_mid_stream_are_stopped(shape: tuple[int, int]) -> None:
    small = packets(dunia.encode(pictures(2), params=f"{LOSSLESS}:keyint=1"))
    large = packets(dunia.encode(pictures(2, shape=shape), params=f"{LOSSLESS}:keyint=1"))
    with pytest.raises(SegmentError, match=r"Picture size .* exceeds|a frame has 96 x 128 pixels"):
        decoded(segment(enumerate([*small, *large])))
