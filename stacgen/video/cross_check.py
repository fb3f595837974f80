"""Reasons to decode a segment again, and checks of what comes out then. Pure.

Only video without picture hashes is decoded again. A slice of which packets are lost makes the
decoder lose its place. It then ends too early, or still reads where the slice ends. So nothing may
change with what is put behind each slice, and something must with its last bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Protocol

from stacgen.errors import SegmentError
from stacgen.video import blockiness, hevc
from stacgen.video.integrity import Proof

ODD = 0.1
"""Share of steep edges in a row of blocks beyond which a frame is doubted."""

_NOISES = 16
"""Changes of the end of a slice, before it counts as one that the decoder does not need. Where a
slice ends in a dark edge of the swath, up to 42 % of the changes showed in no pixel."""

_MOST_SLICES = 16
"""In a segment whose slices are looked at one by one, each of which takes decoding all before."""


class Decode(Protocol):
    """Decodes HEVC."""

    def __call__(self, video: bytes, *, by_rows: bool) -> Iterator[int]:
        """Yield a checksum of the pixels of each frame.

        Args:
            video: NAL units behind start codes.
            by_rows: Begin each row of blocks where the slice header says.

        Raises:
            SegmentError: The decoder refuses it.
        """


@dataclass(slots=True)
class Recheck:
    """The second decoding of a segment, where there is a reason for one."""

    proof: Proof

    noise: float
    """Codes, for `blocks.jumps`."""

    again: bool
    """Decode it a second time, with ones behind each slice. FFmpeg takes zeros for what is missing
    there; between these two lies whatever it was.

    One thread begins a row of blocks where it has ended the one before. An encoder that works on
    several rows at once, as x265 does unless told, also writes where each begins, and the second
    time each begins there. In a sound stream these are one place; where a bit has flipped, they
    hardly ever are.
    """

    by_slices: bool
    """Also change the end of each slice, one after the other."""

    sums: dict[int, int] = field(default_factory=dict)
    """Checksums of the pixels of frames by number, from the first on that gives a reason."""

    def is_due(self, codes: blockiness.Plane, jump: float | None) -> bool:
        """Return True if there is a reason, once the next frame was looked at.

        Args:
            codes: (rows, columns) of the frame, or of its luma.
            jump: See `Codes.jump`.
        """
        if self.proof.unproven is None:
            return False
        self.by_slices = self.by_slices or jump is not None
        if not self.again and not self.by_slices and self.proof.is_in_rows:
            self.again = blockiness.jumps(codes, noise=self.noise) > ODD
        return self.again or self.by_slices

    def run(self, numbers: range, decode: Decode) -> None:
        """Decode the segment again where there is a reason.

        Args:
            numbers: Of all its frames.
            decode: Decodes it.

        Raises:
            SegmentError: It gives other pixels, or the end of a slice is not needed.
        """
        video = self.proof.unproven
        if video is None or not self.sums:
            return
        sums = list(decode(hevc.with_ones(video), by_rows=self.proof.is_in_rows))
        if len(sums) != len(numbers) or any(
            sums[number - numbers.start] != each for number, each in self.sums.items()
        ):
            raise SegmentError("two ways of decoding it give different pixels")
        if self.by_slices:
            _check_ends(video, sums, decode)


def _check_ends(video: bytes | bytearray, sums: Sequence[int], decode: Decode) -> None:
    slices = hevc.slice_segments(video)
    if len(slices) > _MOST_SLICES:
        return
    for place in slices:
        changed = (hevc.with_noise(video, place, seed) for seed in range(_NOISES))
        if not any(_is_other(each, sums, decode) for each in changed):
            raise SegmentError("the decoder does not need the end of one of its pictures")


def _is_other(video: bytes, sums: Sequence[int], decode: Decode) -> bool:
    """True if a video gives other frames than those of the checksums; ends at the first."""
    try:
        found = decode(video, by_rows=False)
        return any(one != other for one, other in zip_longest(found, sums))
    except SegmentError:
        return True
