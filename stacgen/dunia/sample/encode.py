"""Pixels to an MPEG-TS segment of HEVC by x265, bands and true colour as DUNIA streams them.

No clock, and no threads whose order matters: the same pixels give the same bytes.
"""

import io
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import av.container
import av.video.stream
import numpy as np
from numpy.typing import NDArray

from stacgen.dunia.sample.streams import BAND, Kind

Paint = Callable[[int, NDArray[Any]], None]
"""Writes the pixels of a frame, given by its number, into an array: codes of a band into
(size, size) uint16, red, green and blue into (size, size, 3) uint8."""

_LARGE = 4_000  # pixels in a row from which an encoder is given one frame only
_BLOCK = 32  # pixels; x265 codes whole blocks
_PACKET = 188  # bytes of a transport packet
_X265 = (
    # what a stream for random access needs: no reordering, headers in every segment
    "bframes=0:repeat-headers=1:info=0:scenecut=0:open-gop=0:"
    # the same bytes every time, and nothing on stderr
    "frame-threads=1:log-level=none:"
    # as quick as x265 gets; the coarse blocks cost a tenth of size and save a third of time
    "rc-lookahead=0:aq-mode=0:cutree=0:weightp=0:no-deblock=1:rd=1:me=dia:subme=0:max-merge=1:"
    f"ipratio=1:min-cu-size={_BLOCK}"
)


def segment(paint: Paint, numbers: range, *, size: int, kind: Kind = BAND) -> bytes:
    """The frames of those numbers as one MPEG-TS segment, decodable by itself.

    It starts with an IDR picture and holds the tables and parameter sets; frame `n` is shown at
    1.4 s + n / rate. x265 takes 1.6 GB for a 10 m frame and as much again for each it remembers:
    at 10 and 20 m each frame is an IDR picture, from an encoder of its own.

    Args:
        paint: Called once for each frame, in order.
        numbers: Of the frames, in the stream.
        size: Rows, and columns.
        kind: How the frames are coded.
    """
    few = 1 if size >= _LARGE else len(numbers)
    runs = [numbers[at : at + few] for at in range(0, len(numbers), few)]
    return _renumbered(b"".join(_run(paint, run, size=size, kind=kind) for run in runs))


def _run(paint: Paint, numbers: range, *, size: int, kind: Kind) -> bytes:
    """Frames from one encoder, as a transport stream.

    x265 fills up blocks at the right and lower edge with whatever its memory holds, and its bytes
    then differ from run to run. So it gets pictures of whole blocks, and the stream's headers are
    told afterwards what to cut off.
    """
    wide = -(-size // _BLOCK) * _BLOCK
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts", options={"mpegts_copyts": "1"}) as container:
        stream = container.add_stream("libx265", rate=kind.rate)
        stream.width = stream.height = wide
        stream.pix_fmt = kind.coded
        stream.time_base = stream.codec_context.time_base = Fraction(1, kind.ticks)
        stream.options = _options(large=size >= _LARGE)
        cut = f"hevc_metadata=crop_right={wide - size}:crop_bottom={wide - size}"
        cropped = av.BitStreamFilterContext(cut, stream)
        for number in (*numbers, None):
            for coded in stream.encode(
                None if number is None else _frame(paint, number, size=size, wide=wide, kind=kind)
            ):
                for packet in cropped.filter(coded):
                    packet.stream = stream
                    container.mux(packet)
    return out.getvalue()


def _frame(paint: Paint, number: int, *, size: int, wide: int, kind: Kind) -> av.VideoFrame:
    """A frame painted into its own memory, its edges drawn out to whole blocks."""
    frame = av.VideoFrame(wide, wide, kind.painted)
    plane = frame.planes[0]
    shape, pixel = kind.shape(wide), np.dtype(kind.data_type)
    strides = (plane.line_size, *np.empty(shape[1:], pixel).strides)
    rows: NDArray[Any] = np.ndarray(shape, pixel, memoryview(plane), strides=strides)
    paint(number, rows[:size, :size])
    rows[:size, size:wide] = rows[:size, size - 1 : size]
    rows[size:] = rows[size - 1]
    coded = frame.reformat(format=kind.coded)
    coded.pts = kind.pts(number)
    coded.time_base = Fraction(1, kind.ticks)
    return coded


def _options(*, large: bool) -> dict[str, object]:
    """How x265 is to work: a large picture by two threads, and a little more roughly."""
    work = "pools=2:wpp=1" if large else "pools=none:wpp=0"
    return {
        "preset": "ultrafast",
        "crf": "16" if large else "14",
        "x265-params": f"{_X265}:{work}",
    }


def _renumbered(stream: bytes) -> bytes:
    """The transport stream with its packets counted through, as if one muxer had written it."""
    packets = np.frombuffer(bytearray(stream), dtype=np.uint8).reshape(-1, _PACKET)
    ids = (packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]
    filled = packets[:, 3] & 0x10 != 0
    for each in np.unique(ids):
        own = (ids == each) & filled
        packets[own, 3] = packets[own, 3] & 0xF0 | np.arange(own.sum()) % 16
    return packets.tobytes()
