"""What a segment itself says of the pixels that must come out of it. Pure.

FFmpeg skips a packet that is missing, and a picture hash that is, without a word of it. So packets
and hashes are counted here, before it is given any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stacgen.errors import SegmentError
from stacgen.video import hevc, mpegts


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What pictures can be held against."""

    pictures: int | None = None
    """How many the segment holds; None where that is not known before they are decoded."""

    kind: str | None = None
    """Of the hashes that every picture has; None where they have none."""

    by_time: Mapping[int, hevc.PictureHash] = field(default_factory=dict)
    """Those that FFmpeg does not verify, by presentation time in units of the clock."""

    is_closed: bool = True
    """Whether each picture shows where it ends."""

    unproven: bytes | bytearray | None = field(default=None, repr=False)
    """HEVC as NAL units behind start codes, whose pictures are verified by no hash; else None."""

    is_in_rows: bool = False
    """Whether each row of blocks can be decoded from where a header says that it begins."""

    window: hevc.Window = hevc.WHOLE
    """What FFmpeg must not cut off, as it is part of the hash; we do."""

    @classmethod
    def of_segment(cls, media: bytes, count: int | None) -> "Proof":
        """That of MPEG-TS: its packets are whole, and the hashes complete, or there is none at all.

        Args:
            media: The whole segment.
            count: Of the pictures that are due; None for as many as there are.

        Raises:
            SegmentError: They are not.
        """
        carried = mpegts.check(media)
        if carried.codec != mpegts.HEVC:
            return cls(pictures=len(carried.times), is_closed=carried.is_closed)
        return cls.of_video(carried.video, carried.times, count, is_closed=carried.is_closed)

    @classmethod
    def of_video(
        cls,
        video: bytes | bytearray,
        times: Sequence[int | None],
        count: int | None,
        *,
        is_closed: bool,
    ) -> "Proof":
        """That of HEVC: the hashes are complete, or there is none at all.

        Args:
            video: NAL units behind start codes.
            times: Of its pictures, in their order in the video, in units of the clock; empty where
                they are not known.
            count: Of the pictures that are due; None for as many as there are.
            is_closed: Whether each picture shows where it ends.

        Raises:
            SegmentError: They are not.
        """
        found = hevc.hashes(video)
        count = len(found) if count is None else count
        kinds = {each.kind for each in found if each is not None}
        if not kinds:
            return cls._without_hashes(video, len(found), is_closed=is_closed)
        if None in found or len(found) != count or len(kinds) > 1:
            there = sum(each is not None for each in found)
            raise SegmentError(
                f"{there} picture hashes ({', '.join(sorted(kinds))}) in {len(found)} pictures"
                f" are no proof of {count} frames"
            )
        if kinds == {"md5"}:  # FFmpeg verifies these itself, under `crccheck`
            return cls(pictures=len(found), kind="md5")
        pairs = zip(times, found, strict=False)
        by_time = {time: each for time, each in pairs if time is not None and each is not None}
        if len(by_time) != len(found) or len(times) != len(found):  # whose a hash is, is not known
            return cls._without_hashes(video, len(found), is_closed=is_closed)
        return cls(
            pictures=len(found), kind=kinds.pop(), by_time=by_time, window=hevc.window(video)
        )

    @classmethod
    def _without_hashes(
        cls, video: bytes | bytearray, pictures: int, *, is_closed: bool
    ) -> "Proof":
        return cls(
            pictures=pictures,
            is_closed=is_closed,
            unproven=video,
            is_in_rows=hevc.is_in_rows(video),
        )
