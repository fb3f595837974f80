"""What DUNIA's API answers, turned into our nouns; raw JSON ends here.

Pure: URLs and bytes in, nouns out. Every field that is used is checked, since all that is
published rests on it; keys that are not known are ignored.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from urllib.parse import urljoin, urlsplit

from stacgen.dunia import figures, json_node
from stacgen.dunia.figures import TciImage
from stacgen.dunia.json_node import Node
from stacgen.errors import AnswerError, NotStreamedError
from stacgen.model import mgrs
from stacgen.model.bands import Band
from stacgen.model.mgrs import TileId
from stacgen.model.stream import Doubt, Frame, Grid, Stream, Timeline
from stacgen.model.urls import public_url

_RATE, _COLOR_RATE = 25, 4
"""Frames per second of band streams and of true-colour streams, as in ESA's notebooks."""

_EARLIEST = Fraction("1.4")
"""Presentation time, in seconds, before which FFmpeg's muxer begins no stream: a frame 0 that is
shown then is the first of its stream. Other streams are asked when they begin."""

_SIZES = {10: "stream_full", 20: "stream_4k", 60: "stream_2k"}
"""Names of the true-colour streams, by their resolution in metres."""

_TRIED = 20
"""Images whose times are tried as the beat of the stream."""

_CLOUD, _NODATA = "cloudy_pixel_percentage", "nodata_pixel_percentage"

_NOISE = 1e-3
"""Metres by which bounds may differ from whole numbers after arithmetic in floating point."""


def parse_stream(raw: bytes, *, url: str, tile: TileId, band: Band, year: int) -> Stream:
    """The stream of a band, or of true colour, that an answer describes.

    Times pair images with frames. An image whose time is off the beat of the others, or is that of
    another image, is in doubt: it is refused by itself, and no other is shifted.

    Args:
        raw: The answer of `stacgen.dunia.endpoints.Endpoint.metadata`.
        url: Where it came from; messages name it, and a relative playlist is resolved against it.
        tile: The tile asked for.
        band: The band asked for.
        year: The year asked for.

    Raises:
        AnswerError: It is no JSON, a field is missing, mistyped or out of range, or no image can be
            paired with a frame.
        NotStreamedError: True colour does not come in the resolution of the band.
    """
    answer = json_node.opened(raw, url)
    sizes = _sizes(answer.child("metadata"), url) if band.is_color else {}
    playlist_url = sizes.get(band.resolution, "")
    if not band.is_color:
        playlist_url = _playlist_url(answer.child("metadata"), "stream_full", url)
    elif not playlist_url:
        raise NotStreamedError(
            f"The true-colour stream of {tile} {year} does not come in {band.resolution} m"
            f" ({public_url(url)} has no {_SIZES[band.resolution]}). Take --resolution"
            f" {' or '.join(map(str, sorted(sizes)))}."
        )
    images = list(answer.children("images"))
    if not images:
        answer.fail("images", "is empty: there is no frame in this stream")
    has_times = not band.is_color or any("pts_time" in image.value for image in images)
    rate = _COLOR_RATE if band.is_color else _RATE
    timeline = _timeline(images, rate) if has_times else _relative(images, rate)
    frames, doubtful = _paired(images, timeline, band)
    if not frames:
        answer.fail("images", f"names no frame for certain: {doubtful[0].reason.rstrip('.')}")
    return Stream(
        tile=tile,
        band=band,
        year=year,
        playlist_url=playlist_url,
        sizes=sizes,
        frames=frames,
        doubtful=doubtful,
        timeline=timeline,
        is_sample=_is_synthetic(answer),
    )


def parse_grid(raw: bytes, *, url: str, tile: TileId, band: Band) -> Grid:
    """The grid of a band on a tile.

    Args:
        raw: The answer of `stacgen.dunia.endpoints.Endpoint.tile_bounds`.
        url: Where it came from; messages name it.
        tile: The tile asked for; zone and corner must be those of the answer.
        band: The band, whose resolution must divide the bounds into its frame.

    Raises:
        AnswerError: It is no JSON, a field is missing or mistyped, or the bounds are not those of
            the tile, by a millimetre or more.
    """
    answer = json_node.opened(raw, url).child("utm")
    epsg = answer.epsg("epsg")
    if epsg != mgrs.epsg(tile):
        answer.fail("epsg", f"is {epsg}, but tile {tile} lies in EPSG:{mgrs.epsg(tile)}")
    left, bottom, right, top = answer.numbers("bbox", 4)
    if max(abs(right - left - mgrs.EXTENT), abs(top - bottom - mgrs.EXTENT)) > _NOISE:
        answer.fail(
            "bbox",
            f"is {right - left:.10g} m by {top - bottom:.10g} m; {band.size} pixels of"
            f" {band.resolution} m need {mgrs.EXTENT} m by {mgrs.EXTENT} m",
        )
    expected_left, expected_top = mgrs.upper_left(tile)
    if max(abs(left - expected_left), abs(top - expected_top)) > _NOISE:
        answer.fail(
            "bbox",
            f"has its upper-left corner at {left:.10g}, {top:.10g}; that of tile {tile} is"
            f" {expected_left}, {expected_top} in EPSG:{epsg}",
        )
    return Grid(
        epsg=epsg,
        left=expected_left,
        top=expected_top,
        resolution=band.resolution,
        size=band.size,
    )


def is_synthetic(raw: bytes, *, url: str) -> bool:
    """True if an answer says of itself that its data are made up, as those of the sample do.

    Raises:
        AnswerError: It is no JSON object.
    """
    return _is_synthetic(json_node.opened(raw, url))


def _is_synthetic(answer: Node) -> bool:
    return answer.value.get("synthetic") is True


def with_tci_figures(stream: Stream, raw: bytes, *, url: str) -> Stream:
    """The stream, with cloud and nodata figures from the TCI stream where its own lack them.

    See `stacgen.dunia.figures.paired`. TCI images whose time cannot be read are passed over.

    Raises:
        AnswerError: The answer is no JSON, or holds no list of images.
    """
    images = map(_tci_image, json_node.opened(raw, url).children("images", skips=True))
    return figures.paired(stream, [image for image in images if image is not None])


def _tci_image(image: Node) -> TciImage | None:
    """An image of the TCI stream, or None where its time cannot be read."""
    try:
        moment = image.moment("sensing_time")
    except AnswerError:
        return None
    try:
        baseline = image.baseline("baseline")
    except AnswerError:
        baseline = None
    return TciImage(
        sensing_time=moment,
        baseline=baseline,
        cloud_cover=image.percentage(_CLOUD),
        nodata_percentage=image.percentage(_NODATA),
        unknown_reason=_unknown(image),
    )


def _oddities(image: Node) -> str:
    """The figures of an image that are given and are no percentages, in words."""
    return _unknown(image, [key for key in (_CLOUD, _NODATA) if image.value.get(key) is not None])


def _unknown(image: Node, keys: Sequence[str] = (_CLOUD, _NODATA)) -> str:
    """Those of these figures that are not known, in words."""
    return " and ".join(
        f"{key} is {json_node.short(image.value[key]) if key in image.value else 'missing'}"
        for key in keys
        if image.percentage(key) is None
    )


def _color_frame(image: Node) -> Frame:
    """A frame of true colour, whose images have neither baseline nor scale."""
    return Frame(
        number=image.count("image_number"),
        sensing_time=image.moment("sensing_time"),
        baseline=None,
        scale=1.0,
        offset=0.0,
        cloud_cover=image.percentage(_CLOUD),
        nodata_percentage=image.percentage(_NODATA),
        unknown_reason=_unknown(image),
    )


def _frame(image: Node) -> Frame:
    scale = image.number("scale_factor")
    if scale <= 0:
        image.fail("scale_factor", f"is {scale}, but must be above 0")
    return Frame(
        number=image.count("image_number"),
        sensing_time=image.moment("sensing_time"),
        baseline=image.baseline("baseline"),
        scale=scale,
        offset=image.number("add_offset"),
        cloud_cover=image.percentage(_CLOUD),
        nodata_percentage=image.percentage(_NODATA),
        unknown_reason=_oddities(image),
    )


def _sizes(metadata: Node, url: str) -> dict[int, str]:
    """The playlists of a true-colour stream by their resolution, in metres; at least one."""
    found = {
        resolution: _playlist_url(metadata, key, url)
        for resolution, key in _SIZES.items()
        if metadata.value.get(key) is not None
    }
    if not found:
        metadata.fail("stream_full", f"is missing, as are {_SIZES[20]} and {_SIZES[60]}")
    return found


def _playlist_url(metadata: Node, key: str, url: str) -> str:
    found = _web_url(metadata.text(key), base=url)
    if found is None:
        metadata.fail(key, "is no http(s) URL")
    return found


def _relative(images: list[Node], rate: int) -> Timeline:
    """The beat of images that have no times: `image_number` counts from the start of the stream."""
    first = min(image.count("image_number") for image in images)
    return Timeline(origin=Fraction(0), rate=rate, begins_at_zero=first == 0, is_relative=True)


def _timeline(images: list[Node], rate: int) -> Timeline:
    """The beat that most images keep, counted as their `image_number` does where most agree on it.

    Labels that agree with no beat are ignored; frames are then counted from the earliest image.
    """
    times = [image.seconds("pts_time") for image in images]
    labels = [image.count("image_number") for image in images]
    starts = [time - Fraction(label, rate) for time, label in zip(times, labels, strict=True)]

    def agreeing(origin: Fraction) -> int:
        return sum(abs(start - origin) * rate < Timeline.TOLERANCE for start in starts)

    origin = max(starts[:_TRIED], key=agreeing)
    if 2 * agreeing(origin) > len(images):
        first = 0 in labels and abs(origin - _EARLIEST) * rate < Timeline.TOLERANCE
        return Timeline(origin=origin, rate=rate, begins_at_zero=first)

    beats = (Timeline(origin=time, rate=rate) for time in times[:_TRIED])
    kept = [[time for time in times if beat.number_at(time) is not None] for beat in beats]
    _, origin = max((len(each), -min(each)) for each in kept)  # of equal ones the earliest
    return Timeline(origin=-origin, rate=rate)


def _paired(
    images: list[Node], timeline: Timeline, band: Band
) -> tuple[tuple[Frame, ...], tuple[Doubt, ...]]:
    """The frames that images describe, in the order of their numbers, and those in doubt."""
    frames: dict[int, list[tuple[Frame, Node]]] = {}
    doubtful: list[Doubt] = []
    for image in images:
        frame = _color_frame(image) if band.is_color else _frame(image)
        number = frame.number if timeline.is_relative else timeline.number_at(_time(image))
        if number is None:
            beat = f"{timeline.rate} frames/s from {float(timeline.origin):.6g} s"
            reason = f"{_shown(image)} is between two frames of the stream ({beat})."
            doubtful.append(Doubt(frame=frame, reason=reason))
        else:
            frames.setdefault(number, []).append((replace(frame, number=number), image))
    for several in [each for each in frames.values() if len(each) > 1]:
        for frame, image in several:
            others = ", ".join(other.path for _, other in several if other is not image)
            reason = f"{_shown(image)} is that of {others}, too."
            doubtful.append(Doubt(frame=frame, reason=reason))
    certain = (each[0][0] for _, each in sorted(frames.items()) if len(each) == 1)
    return tuple(certain), tuple(doubtful)


def _time(image: Node) -> Fraction:
    """The presentation time of an image, in seconds."""
    return image.seconds("pts_time")


def _shown(image: Node) -> str:
    """What places an image in the stream, as messages name it."""
    if "pts_time" not in image.value:
        return f"{image.path}.image_number {image.count('image_number')}"
    return f"{image.path}.pts_time {float(_time(image)):.6g} s"


def _web_url(text: str, *, base: str = "") -> str | None:
    """The absolute http(s) URL that a text means, or None where it means none."""
    try:
        url = urljoin(base, text)
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None
