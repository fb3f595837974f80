"""Decoding in this very process: in the child, and where there can be none."""

from collections.abc import Iterator

from stacgen.errors import SegmentError
from stacgen.model.protocols import Coded
from stacgen.model.stream import Codes


def here(coded: Coded) -> Iterator[Codes]:
    """See `model.protocols.Decode`."""
    try:
        yield from wanted(coded)
    except MemoryError as error:
        raise SegmentError("it needs more memory than there is") from error


def wanted(coded: Coded) -> Iterator[Codes]:
    """The wanted frames of a segment.

    Raises:
        SegmentError, MemoryError: See `stacgen.video.decoder.frames`.
    """
    from stacgen.video import decoder  # noqa: PLC0415 - FFmpeg is loaded only where it is used

    frames = decoder.frames(
        coded.media,
        numbers=coded.numbers,
        is_last=coded.is_last,
        timeline=coded.timeline,
        shape=coded.shape,
        is_color=coded.is_color,
        initialization=coded.initialization,
        twice=coded.twice,
    )
    yield from (each for each in frames if each.number in coded.wanted)
