"""Segment bytes to codes, by FFmpeg inside PyAV; the only module of the pipeline that knows it.

FFmpeg never tells of damage unless made to, and an exception does not remove the bad frame from
its picture buffer. So here every complaint counts: an exception, a log line of WARNING or worse, a
packet or frame marked corrupt, a frame that is not due. What FFmpeg passes over counts, too: the
packets are checked before it is given them, and a stream with picture hashes must have them all.
After any complaint nothing that the segment gave may be used, not even the frames before it.
"""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any
from zlib import crc32

import av
import av.logging
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stacgen.errors import SegmentError, WrongStreamError
from stacgen.model.raster import row_blocks
from stacgen.model.stream import Codes, Timeline
from stacgen.video import blockiness, hevc
from stacgen.video.cross_check import ODD, Recheck
from stacgen.video.integrity import Proof

SOFTWARE = {"ffmpeg": av.ffmpeg_version_info}
"""That inside the PyAV wheel, `8.1.2`."""

_COLOR = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p", "gbrp"})
"""Pixel formats of colour in 8 bits; those with a j use all of a byte's range."""

_HARMLESS = "deprecated pixel format used"
"""How the conversion to red, green and blue begins to speak of full-range formats."""

_GRAY = {"gray": 8, "gray10le": 10, "gray12le": 12, "gray14le": 14, "gray16le": 16}
"""Pixel formats that hold one plane of codes, and their bits."""

_STRICT = "crccheck+bitstream+buffer+explode"
_LEAST_PROBED = 5_000_000
"""FFmpeg's own limit, in bytes, of what it looks at before it begins. A few 10 m frames exceed it,
and it then complains that it has not seen enough of them."""

_HAS_STREAM_OPTIONS = int(av.__version__.partition(".")[0]) < 19  # noqa: PLR2004 - gone since
_UNDECODED: dict[str, Any] = (
    {"stream_options": [{"skip_frame": "all"}]} if _HAS_STREAM_OPTIONS else {}
)
"""Keeps FFmpeg from decoding a frame to learn the pixel format, where PyAV can tell it so."""

_NOT_PROBED = "Could not find codec parameters for stream 0 (Video:"

_TOO_LARGE = "exceeds specified max pixel count"
"""What FFmpeg says before it claims to be out of memory, though nobody has asked for any."""

Plane = NDArray[np.uint16] | NDArray[np.uint8]
"""(rows, columns)."""

Log = tuple[int, str, str]
"""Level, source and text of a line of FFmpeg's log."""

_BLOCK = 64
"""Largest coding block of HEVC: a coded picture is padded to a multiple of a smaller one."""

_SLIGHT = 8
"""Codes of noise where it is looked at twice, which costs a sound one no more than time."""

_GROSS = 1 / 128
"""Of the range of codes, the noise where it is told: sound video of clouds has low steps, too."""

_SLIGHT_COLOR, _GROSS_COLOR = 24, 1 / 8
"""The same for the luma of true colour, whose contrast is far higher: of sound frames of the
reference stream at most 7 % of a row's edges are as steep as the latter."""

_ROWS = 256
"""Of a picture that are looked at together."""

_CLOCK = Fraction(1, 90_000)
"""The unit of times in MPEG-TS, in seconds; they begin anew after 2**33 of them."""

# Complaints are captured below, per thread; the level is the library's and holds for the process.
# Repeated lines must not be swallowed: two threads may complain in the same words.
av.logging.set_level(av.logging.WARNING)
av.logging.set_skip_repeated(False)
logging.getLogger("libav").addHandler(logging.NullHandler())
logging.getLogger("libav").propagate = False


def frames(
    media: bytes,
    *,
    numbers: range,
    timeline: Timeline,
    shape: tuple[int, int],
    is_color: bool = False,
    is_last: bool = False,
    initialization: bytes = b"",
    twice: bool = False,
) -> Iterator[Codes]:
    """Decode a segment, frame by frame, each read before the next is asked for.

    What is yielded may be used only once the iterator has ended without an error.

    Args:
        media: The whole segment, MPEG-TS or (with `initialization`) fragmented MP4.
        numbers: The frames that must come, all of them and in this order.
        is_last: Count the pictures in the segment instead of those in `numbers`, from its first on:
            the playlist does not settle where a stream ends.
        timeline: Pairs presentation times with frame numbers; one that is relative begins with the
            first frame.
        shape: (rows, columns) that every frame must have.
        is_color: Give red, green and blue, as `ffmpeg -pix_fmt rgb24` does, rather than codes.
        initialization: The bytes of EXT-X-MAP.
        twice: Verify HEVC without picture hashes by decoding it again. It is done anyway where a
            picture may have been cut off, or its blocks do not fit together.

    Yields:
        Codes of shape `shape`, in the order of their numbers. The array is the decoder's memory:
        read it, do not keep it.

    Raises:
        WrongStreamError: It is colour where codes are due, or the reverse.
        SegmentError: Anything is amiss; the message says what.
        MemoryError: There is not the memory that it needs.
    """
    content, is_mp4 = initialization + media, bool(initialization)
    count = None if is_last else len(numbers)
    proof = (_proof_of_fragments if is_mp4 else Proof.of_segment)(content, count)
    if is_last and proof.pictures is not None:
        numbers = range(numbers.start, numbers.start + proof.pictures)
    due = iter(numbers)
    formats: set[str] = set()
    if is_color and proof.by_time:
        _check_hashes(content, shape, proof, is_mp4=is_mp4)
        proof = replace(proof, by_time={}, window=hevc.WHOLE)
    gross = _GROSS_COLOR if is_color else _GROSS
    noise = _SLIGHT_COLOR if is_color else _SLIGHT
    recheck = Recheck(proof, noise, again=not proof.is_closed, by_slices=twice)
    with _complaints() as logs, _opened(content, logs, "mp4" if is_mp4 else "mpegts") as container:
        for frame in _decoded(container, shape, proof):
            formats.add(frame.format.name)
            _check_format(formats, is_color=is_color)
            _check_size(frame, shape, proof.window)
            if timeline.is_relative:
                timeline = replace(timeline, origin=_seconds(frame), is_relative=False)
            number = _number(frame, timeline)
            if number != next(due, None):
                raise SegmentError(f"frame {number} came where it was not due ({_range(numbers)})")
            _raise_for(logs)
            codes, bits = _proven(frame, proof), _GRAY.get(frame.format.name, 8)
            jump = _jump(codes, proof, gross * 2**bits)
            if recheck.is_due(codes, jump):
                recheck.sums[number] = _sum(frame, codes)
            yield Codes(
                number=number,
                pixels=_colors(frame, logs) if is_color else codes,
                bits=bits,
                seconds=_seconds(frame),
                verified=proof.kind,
                jump=jump,
                software=SOFTWARE,
            )
        _raise_for(logs)
    missing = next(due, None)
    if missing is not None:
        raise SegmentError(f"frame {missing} is missing ({_range(numbers)})")
    recheck.run(numbers, partial(_sums, shape))


def _sums(shape: tuple[int, int], video: bytes, *, by_rows: bool) -> Iterator[int]:
    """Checksums of the frames of HEVC."""
    with _complaints() as logs, _opened(video, logs, "hevc") as container:
        said = len(logs)
        for frame in _decoded(container, shape, Proof(), by_rows=by_rows):
            yield _sum(frame, _plane(frame))
        _raise_for(logs[said:])


def _sum(frame: VideoFrame, luma: Plane) -> int:
    """A checksum of the pixels of all planes, which may be strided."""
    total = 0
    for plane in (luma, *(_plane(frame, index) for index in range(1, len(frame.planes)))):
        for rows in row_blocks(len(plane), _ROWS):
            total = crc32(plane[rows].tobytes(), total)
    return total


def _colors(frame: VideoFrame, logs: list[Log]) -> NDArray[np.uint8]:
    """(rows, columns, 3) of red, green and blue."""
    said = len(logs)
    colors = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    logs[said:] = [log for log in logs[said:] if not log[2].startswith(_HARMLESS)]
    return colors


def _check_hashes(content: bytes, shape: tuple[int, int], proof: Proof, *, is_mp4: bool) -> None:
    """Compare all planes of each coded picture with its hash, which FFmpeg leaves to us.

    Colour is converted from what is shown, and hashes are of what is coded: so it takes a decoding
    of its own, in which nothing is cut off.

    Raises:
        SegmentError: A picture does not fit its hash.
    """
    with _complaints() as logs, _opened(content, logs, "mp4" if is_mp4 else "mpegts") as container:
        for frame in _decoded(container, shape, proof):
            _check_hash(frame, proof)
        _raise_for(logs)


def _proof_of_fragments(content: bytes, count: int | None) -> Proof:
    """The hashes of fragmented MP4 are complete, or there is none.

    Each picture in it has a length, and no time in units of the clock.
    """
    with _complaints() as logs, _opened(content, logs, "mp4") as container:
        tracks = container.streams.video
        context = tracks[0].codec_context if tracks else None
        if context is None:
            return Proof()
        if context.name != "hevc":
            return Proof(pictures=sum(each.size > 0 for each in container.demux(tracks[0])))
        plain = BitStreamFilterContext("hevc_mp4toannexb", tracks[0])
        packets = (each for packet in container.demux(tracks[0]) for each in plain.filter(packet))
        video = b"".join(map(bytes, packets))
    return Proof.of_video(video, (), count, is_closed=True)


def _proven(frame: VideoFrame, proof: Proof) -> Plane:
    """The codes (or the luma) of a frame, compared with its hash where FFmpeg leaves that to us."""
    plane, window = _plane(frame), proof.window
    if not proof.by_time:
        return plane
    _check_hash(frame, proof)
    rows, columns = plane.shape
    return plane[window.top : rows - window.bottom, window.left : columns - window.right]


def _check_hash(frame: VideoFrame, proof: Proof) -> None:
    if frame.pts is None or frame.time_base != _CLOCK:
        raise SegmentError("a frame's time is not that of its packet")
    expected = proof.by_time.get(frame.pts % 2**33)
    planes = (_plane(frame, index) for index in range(len(frame.planes)))
    if expected is None or not expected.fits(*planes):
        raise SegmentError(f"the pixels of a frame do not fit its {proof.kind}")


def _jump(pixels: Plane, proof: Proof, noise: float) -> float | None:
    """See `Codes.jump`."""
    if proof.kind is not None:
        return None
    share = blockiness.jumps(pixels, noise=noise)
    return share if share > ODD else None


@contextmanager
def _complaints() -> Iterator[list[Log]]:
    """Log lines of this thread, which is the only one that decodes."""
    try:
        with av.logging.Capture() as logs:
            yield logs
    except (av.FFmpegError, ValueError, IndexError) as error:
        if isinstance(error, MemoryError) and not any(_TOO_LARGE in log[2] for log in logs):
            raise MemoryError(_first(logs)) from error
        raise SegmentError(f"the decoder refused it: {_first(logs) or error}") from error


@contextmanager
def _opened(content: bytes, logs: list[Log], kind: str) -> Iterator[InputContainer]:
    """The container, opened without FFmpeg's decoding a frame only to throw it away.

    That probe costs a quarter of a segment's decoding. Told to skip frames, FFmpeg remarks that it
    did not learn the pixel format; it is read from the frames themselves.
    """
    with av.open(
        io.BytesIO(content),
        mode="r",
        format=kind,
        options={
            "probesize": str(len(content) + _LEAST_PROBED),
            # FFmpeg looks for times in the last 16 MB only, and complains if one frame fills them.
            "skip_estimate_duration_from_pts": "1",
        },
        **_UNDECODED,
    ) as container:
        logs[:] = [log for log in logs if not log[2].startswith(_NOT_PROBED)]
        yield container


def _decoded(
    container: InputContainer, shape: tuple[int, int], proof: Proof, *, by_rows: bool = False
) -> Iterator[VideoFrame]:
    if len(container.streams.video) != 1:
        raise SegmentError(f"it holds {len(container.streams.video)} video tracks, not one")
    stream: VideoStream = container.streams.video[0]
    context: VideoCodecContext | None = stream.codec_context
    if context is None:  # PyAV's types do not tell
        raise SegmentError("its video is of a codec that FFmpeg has no decoder for")
    # More would log from threads that nobody listens to; those that take whole frames can deadlock.
    context.thread_count = 2 if by_rows else 1
    context.thread_type = "SLICE"
    rows, columns = shape
    context.options = {
        "err_detect": _STRICT,
        "max_pixels": str((rows + _BLOCK) * (columns + _BLOCK)),
        "apply_cropping": "0" if proof.by_time else "1",
    }
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise SegmentError("a packet is damaged")
        for frame in packet.decode():
            if frame.is_corrupt:
                raise SegmentError("a frame is damaged")
            yield frame


def _check_format(formats: set[str], *, is_color: bool) -> None:
    """Refuse pixels of another kind than is due, and of several kinds."""
    named = ", ".join(sorted(formats))
    if is_color and formats <= _GRAY.keys():
        raise WrongStreamError(f"its pixels are gray ({named}), not true colour")
    if not is_color and formats <= _COLOR:
        raise WrongStreamError(f"its pixels are in colour ({named}), not those of one band")
    due = "colour in 8 bits" if is_color else "gray"
    if len(formats) > 1 or not formats <= (_COLOR if is_color else _GRAY.keys()):
        raise SegmentError(f"its pixels are {named}, not one kind of {due}")


def _check_size(frame: VideoFrame, shape: tuple[int, int], window: hevc.Window) -> None:
    rows = frame.height - window.top - window.bottom
    columns = frame.width - window.left - window.right
    if (rows, columns) != shape:
        raise SegmentError(f"a frame has {columns} x {rows} pixels, not {shape[1]} x {shape[0]}")


def _seconds(frame: VideoFrame) -> Fraction:
    """Presentation time of a frame."""
    if frame.pts is None or frame.time_base is None:
        raise SegmentError("a frame has no presentation time")
    return Fraction(frame.pts) * frame.time_base


def _number(frame: VideoFrame, timeline: Timeline) -> int:
    seconds = _seconds(frame)
    number = timeline.number_at(seconds)
    if number is None:
        raise SegmentError(f"a frame at {float(seconds):.4f} s is off the beat of the stream")
    return number


def _plane(frame: VideoFrame, index: int = 0) -> Plane:
    """A plane as (rows, columns), without a copy; lines are padded, so columns are cut."""
    plane = frame.planes[index]
    content = memoryview(plane).toreadonly()
    if _GRAY.get(frame.format.name, 8) > 8:  # noqa: PLR2004 - bits in a byte
        words = np.frombuffer(content, np.uint16).reshape(-1, plane.line_size // 2)
        return words[: plane.height, : plane.width]
    octets = np.frombuffer(content, np.uint8).reshape(-1, plane.line_size)
    return octets[: plane.height, : plane.width]


def _raise_for(logs: list[Log]) -> None:
    if logs:
        raise SegmentError(f"the decoder complained: {_first(logs)}")


def _first(logs: list[Log]) -> str:
    """The first complaint, which is nearest to the cause; empty where there is none."""
    return logs[0][2].strip(" .;\n") if logs else ""


def _range(numbers: range) -> str:
    return f"frames {numbers.start} to {numbers.stop - 1} were"
