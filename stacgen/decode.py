"""Segment bytes to codes, by FFmpeg inside PyAV; the only module of the pipeline that knows it.

FFmpeg never tells of damage unless made to, and an exception does not remove the bad frame from
its picture buffer. So here every complaint counts: an exception, a log line of WARNING or worse, a
packet or frame marked corrupt, a frame that is not due. After any of them nothing that the
segment gave may be used, not even the frames that came before.
"""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import av.logging
import numpy as np
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stacgen.errors import SegmentError
from stacgen.models import Codes, Timeline

FFMPEG_VERSION: str = av.ffmpeg_version_info
"""Version of the FFmpeg inside the PyAV wheel, `8.1.2`."""

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

Log = tuple[int, str, str]
"""Level, source and text of a line of FFmpeg's log."""

_BLOCK = 64
"""Largest coding block of HEVC: a coded picture is padded to a multiple of a smaller one."""

_PACKET, _SYNC = 188, 0x47
"""Length of a packet of MPEG-TS, and the byte that each begins with."""

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
    initialization: bytes = b"",
) -> Iterator[Codes]:
    """Decode a segment, frame by frame, each read before the next is asked for.

    What is yielded may be used only once the iterator has ended without an error.

    Args:
        media: The whole segment, MPEG-TS or (with `initialization`) fragmented MP4.
        numbers: The frames that must come, all of them and in this order.
        timeline: Pairs presentation times with frame numbers.
        shape: (rows, columns) that every frame must have.
        initialization: The bytes of EXT-X-MAP.

    Yields:
        Codes of shape `shape`, in the order of their numbers. The array is the decoder's memory:
        read it, do not keep it.

    Raises:
        SegmentError: Anything is amiss; the message says what.
    """
    if not initialization:
        _check_transport(media)
    due = iter(numbers)
    formats: set[str] = set()
    with (
        _complaints() as logs,
        _opened(initialization + media, logs, is_mp4=bool(initialization)) as container,
    ):
        for frame in _decoded(container, shape):
            _check_picture(frame, shape, formats)
            number = _number(frame, timeline)
            if number != next(due, None):
                raise SegmentError(f"frame {number} came where it was not due ({_range(numbers)})")
            _raise_for(logs)
            yield Codes(number=number, pixels=_plane(frame), bits=_GRAY[frame.format.name])
        _raise_for(logs)
    missing = next(due, None)
    if missing is not None:
        raise SegmentError(f"frame {missing} is missing ({_range(numbers)})")


def _check_transport(media: bytes) -> None:
    """FFmpeg skips what is no packet, and a packet cut short, without a word of it."""
    if not media or media[0] != _SYNC:
        raise SegmentError(f"it is no MPEG-TS but begins with {media[:16]!r}")
    if len(media) % _PACKET or media[::_PACKET].strip(bytes([_SYNC])):
        raise SegmentError("it is not whole packets of MPEG-TS: some bytes are missing or astray")


@contextmanager
def _complaints() -> Iterator[list[Log]]:
    """Log lines of this thread, which is the only one that decodes."""
    try:
        with av.logging.Capture() as logs:
            yield logs
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise SegmentError(f"the decoder refused it: {_first(logs) or error}") from error


@contextmanager
def _opened(content: bytes, logs: list[Log], *, is_mp4: bool) -> Iterator[InputContainer]:
    """The container, opened without FFmpeg's decoding a frame only to throw it away.

    That probe costs a quarter of a segment's decoding. Told to skip frames, FFmpeg remarks that it
    did not learn the pixel format; it is read from the frames themselves.
    """
    with av.open(
        io.BytesIO(content),
        mode="r",
        format="mp4" if is_mp4 else "mpegts",
        options={"probesize": str(len(content) + _LEAST_PROBED)},
        **_UNDECODED,
    ) as container:
        logs[:] = [log for log in logs if not log[2].startswith(_NOT_PROBED)]
        yield container


def _decoded(container: InputContainer, shape: tuple[int, int]) -> Iterator[VideoFrame]:
    if len(container.streams.video) != 1:
        raise SegmentError(f"it holds {len(container.streams.video)} video tracks, not one")
    stream: VideoStream = container.streams.video[0]
    context: VideoCodecContext | None = stream.codec_context
    if context is None:  # PyAV's types do not tell
        raise SegmentError("its video is of a codec that FFmpeg has no decoder for")
    context.thread_count = 1  # more would log from threads that nobody listens to, and can deadlock
    rows, columns = shape
    context.options = {
        "err_detect": _STRICT,
        "max_pixels": str((rows + _BLOCK) * (columns + _BLOCK)),
    }
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise SegmentError("a packet is damaged")
        for frame in packet.decode():
            if frame.is_corrupt:
                raise SegmentError("a frame is damaged")
            yield frame


def _check_picture(frame: VideoFrame, shape: tuple[int, int], formats: set[str]) -> None:
    formats.add(frame.format.name)
    if (frame.height, frame.width) != shape:
        raise SegmentError(
            f"a frame has {frame.width} x {frame.height} pixels, not {shape[1]} x {shape[0]}"
        )
    if frame.format.name not in _GRAY or len(formats) > 1:
        raise SegmentError(f"its pixels are {', '.join(sorted(formats))}, not one kind of gray")


def _number(frame: VideoFrame, timeline: Timeline) -> int:
    if frame.pts is None or frame.time_base is None:
        raise SegmentError("a frame has no presentation time")
    seconds = Fraction(frame.pts) * frame.time_base
    number = timeline.number_at(seconds)
    if number is None:
        raise SegmentError(f"a frame at {float(seconds):.4f} s is off the beat of the stream")
    return number


def _plane(frame: VideoFrame) -> NDArray[np.uint16] | NDArray[np.uint8]:
    """The codes as (rows, columns), without a copy; lines are padded, so columns are cut."""
    plane = frame.planes[0]
    content = memoryview(plane).toreadonly()
    if _GRAY[frame.format.name] > 8:  # noqa: PLR2004 - bits in a byte
        words = np.frombuffer(content, np.uint16).reshape(-1, plane.line_size // 2)
        return words[: frame.height, : frame.width]
    octets = np.frombuffer(content, np.uint8).reshape(-1, plane.line_size)
    return octets[: frame.height, : frame.width]


def _raise_for(logs: list[Log]) -> None:
    if logs:
        raise SegmentError(f"the decoder complained: {_first(logs)}")


def _first(logs: list[Log]) -> str:
    """The first complaint, which is nearest to the cause; empty where there is none."""
    return logs[0][2].strip(" .;\n") if logs else ""


def _range(numbers: range) -> str:
    return f"frames {numbers.start} to {numbers.stop - 1} were"
