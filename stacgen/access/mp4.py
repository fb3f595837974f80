"""Pictures to a film: H.264 in MP4, by x264 inside PyAV.

It plays in every browser: 4:2:0, limited range, and the table of contents ahead of the pictures.
The same pictures give the same bytes.
"""

import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from stacgen.errors import OutputError

_FORMAT = "yuv420p"
_QUALITY = {"crf": "18", "preset": "medium", "threads": "1"}
"""Nearly all that an eye sees, on one thread, whose order does not matter."""

_BT709, _LIMITED = 1, 1
"""As H.273 numbers them; PyAV has no names for some before version 16."""

_KEY_SECONDS = 2
"""Between pictures that a player can jump to."""


def encode(pictures: Iterable[NDArray[np.uint8]], *, fps: float) -> bytes:
    """A film of pictures, one after another, as the bytes of an MP4.

    Args:
        pictures: (rows, columns, 3) of red, green and blue; rows and columns even, and the same
            for all. At least one.
        fps: Pictures a second.

    Raises:
        OutputError: FFmpeg could not write it.
    """
    # A file and not memory: FFmpeg opens it again to move the table of contents to the front.
    with tempfile.TemporaryDirectory(prefix="stacgen-") as folder:
        path = Path(folder, "film.mp4")
        try:
            _write(path, iter(pictures), rate=Fraction(fps).limit_denominator(1000))
        except av.FFmpegError as error:
            raise OutputError(f"The film cannot be encoded: {error}.") from error
        return path.read_bytes()


def _write(path: Path, pictures: Iterator[NDArray[np.uint8]], *, rate: Fraction) -> None:
    first = next(pictures)
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=_QUALITY)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = _FORMAT
        context = stream.codec_context
        context.gop_size = max(round(rate * _KEY_SECONDS), 1)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        for number, picture in enumerate(chain([first], pictures)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format=_FORMAT, dst_colorspace=_BT709, dst_color_range=_LIMITED
            )
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
