"""Cloud and nodata figures of frames, from the images of the true-colour (TCI) stream. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from stacgen.model.stream import Frame, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class TciImage:
    """An image of the TCI stream: its figures, and what pairs it with a frame."""

    sensing_time: datetime
    """In UTC; the services tell whole seconds."""

    baseline: str | None
    """Version of ESA's processor; None where the answer has none."""

    cloud_cover: float | None
    """Cloudy pixels in percent; None where it is not known."""

    nodata_percentage: float | None
    """Nodata pixels in percent; None where it is not known."""

    unknown_reason: str = ""
    """The figures that are missing or no percentages; empty where both are known."""

    @property
    def figures(self) -> tuple[float | None, float | None]:
        """Cloud and nodata, in percent."""
        return self.cloud_cover, self.nodata_percentage


def paired(stream: Stream, images: Sequence[TciImage]) -> Stream:
    """The stream, its frames that lack figures with those of the TCI image of the same second.

    Of several images of one second the nearest in time counts; of several that are equally near,
    the only one of the frame's baseline. Where these contradict each other, the figures are left
    out. Frames that still lack a figure carry the reason.
    """
    by_second: dict[datetime, list[TciImage]] = {}
    for image in images:
        by_second.setdefault(_second(image.sensing_time), []).append(image)
    frames = (
        frame
        if frame.has_figures
        else _filled(frame, by_second.get(_second(frame.sensing_time), []))
        for frame in stream.frames
    )
    return replace(stream, frames=tuple(frames))


def unpaired(stream: Stream, reason: str) -> Stream:
    """The stream, its frames that lack figures carrying the reason that no TCI image is known."""
    frames = (frame if frame.has_figures else _because(frame, reason) for frame in stream.frames)
    return replace(stream, frames=tuple(frames))


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _filled(frame: Frame, images: Sequence[TciImage]) -> Frame:
    """A frame with the figures of the TCI images of its second, where these are clear."""
    if not images:
        return _because(frame, "no TCI image is of that second")
    distances = [abs(image.sensing_time - frame.sensing_time) for image in images]
    nearest = [image for image, far in zip(images, distances, strict=True) if far == min(distances)]
    if len({image.figures for image in nearest}) > 1:
        of_baseline = [image for image in nearest if image.baseline == frame.baseline]
        if len(of_baseline) != 1:
            return _because(
                frame, f"{len(nearest)} TCI images of that second contradict each other"
            )
        nearest = of_baseline
    cloud, nodata = nearest[0].figures
    filled = replace(
        frame,
        cloud_cover=cloud if frame.cloud_cover is None else frame.cloud_cover,
        nodata_percentage=nodata if frame.nodata_percentage is None else frame.nodata_percentage,
    )
    if filled.has_figures:
        return replace(filled, unknown_reason="")
    return _because(filled, f"in its TCI image {nearest[0].unknown_reason}")


def _because(frame: Frame, reason: str) -> Frame:
    """A frame with one more reason why a figure is not known."""
    reasons = filter(None, [frame.unknown_reason, reason])
    return replace(frame, unknown_reason=", and ".join(reasons))
