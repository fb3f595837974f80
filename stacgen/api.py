"""What DUNIA's API answers, turned into our nouns; raw JSON ends here.

Pure: URLs and bytes in, nouns out. Every field that is used is checked, since all that is
published rests on it; keys that are not known are ignored.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from stacgen import tiles
from stacgen.bands import TILE_EXTENT, Band
from stacgen.errors import AnswerError
from stacgen.gate import public_url
from stacgen.models import Frame, Grid, Stream, Timeline
from stacgen.tiles import TileId

_BASELINE = re.compile(r"\d\d\.\d\d", re.ASCII)
_SENSING_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)?",
    re.ASCII,
)


def parse_stream(raw: bytes, *, url: str, tile: TileId, band: Band, year: int) -> Stream:
    """The stream that an answer describes.

    Args:
        raw: The answer of `stacgen.endpoints.Endpoint.band_metadata`.
        url: Where it came from; messages name it, and a relative playlist is resolved against it.
        tile: The tile asked for.
        band: The band asked for.
        year: The year asked for.

    Raises:
        AnswerError: It is no JSON, a field is missing, mistyped or out of range, a frame number
            or presentation time comes twice, or numbers and times do not go together.
    """
    answer = _open(raw, url)
    playlist_url = _web_url(answer.child("metadata").text("stream_full"), base=url)
    if playlist_url is None:
        answer.fail("metadata.stream_full", "is no http(s) URL")
    images = list(answer.children("images"))
    if not images:
        answer.fail("images", "is empty: there is no frame in this stream")
    return Stream(
        tile=tile,
        band=band,
        year=year,
        playlist_url=playlist_url,
        frames=tuple(sorted(map(_frame, images), key=lambda frame: frame.number)),
        timeline=_timeline(images),
        is_sample=_is_synthetic(answer),
    )


def parse_grid(raw: bytes, *, url: str, tile: TileId, band: Band) -> Grid:
    """The grid of a band on a tile.

    Args:
        raw: The answer of `stacgen.endpoints.Endpoint.tile_bounds`.
        url: Where it came from; messages name it.
        tile: The tile asked for; its zone must be that of the answer.
        band: The band, whose resolution must divide the bounds into its frame.

    Raises:
        AnswerError: It is no JSON, a field is missing or mistyped, or the bounds fit neither
            tile nor band.
    """
    answer = _open(raw, url).child("utm")
    epsg = answer.epsg("epsg")
    if epsg != tiles.epsg(tile):
        answer.fail("epsg", f"is {epsg}, but tile {tile} lies in EPSG:{tiles.epsg(tile)}")
    left, bottom, right, top = answer.numbers("bbox", 4)
    if (right - left, top - bottom) != (TILE_EXTENT, TILE_EXTENT):
        answer.fail(
            "bbox",
            f"is {right - left:.10g} m by {top - bottom:.10g} m; {band.size} pixels of"
            f" {band.resolution} m need {TILE_EXTENT} m by {TILE_EXTENT} m",
        )
    return Grid(
        epsg=epsg,
        left=_whole(left),
        top=_whole(top),
        resolution=band.resolution,
        size=band.size,
    )


def is_synthetic(raw: bytes, *, url: str) -> bool:
    """True if an answer says of itself that its data are made up, as those of the sample do.

    Raises:
        AnswerError: It is no JSON object.
    """
    return _is_synthetic(_open(raw, url))


def _is_synthetic(answer: "_Node") -> bool:
    return answer.value.get("synthetic") is True


def with_tci_figures(stream: Stream, raw: bytes, *, url: str) -> Stream:
    """The stream, with cloud and nodata figures from the TCI stream where its own lack them.

    A figure belongs to the frame of the same second, since the TCI stream has whole seconds; where
    several TCI images have that second, to the one of the same baseline; where that is not clear,
    it is left out.

    Raises:
        AnswerError: The answer is no JSON or a figure in it is no percentage.
    """
    answer = _open(raw, url)
    figures: dict[datetime, list[_Figures]] = {}
    for image in answer.children("images"):
        found = _figures(image)
        figures.setdefault(found.sensing_time.replace(microsecond=0), []).append(found)

    def fill(frame: Frame) -> Frame:
        candidates = figures.get(frame.sensing_time.replace(microsecond=0), [])
        if len(candidates) > 1:
            candidates = [each for each in candidates if each.baseline == frame.baseline]
        if len(candidates) != 1:
            return frame
        cloud, nodata = candidates[0].cloud_cover, candidates[0].nodata_percentage
        return replace(
            frame,
            cloud_cover=cloud if frame.cloud_cover is None else frame.cloud_cover,
            nodata_percentage=nodata
            if frame.nodata_percentage is None
            else frame.nodata_percentage,
        )

    return replace(stream, frames=tuple(map(fill, stream.frames)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    sensing_time: datetime
    baseline: str | None
    cloud_cover: float | None
    nodata_percentage: float | None


def _figures(image: "_Node") -> _Figures:
    return _Figures(
        sensing_time=image.moment("sensing_time"),
        baseline=image.text("baseline") if "baseline" in image.value else None,
        cloud_cover=image.percentage("cloudy_pixel_percentage"),
        nodata_percentage=image.percentage("nodata_pixel_percentage"),
    )


def _frame(image: "_Node") -> Frame:
    baseline = image.text("baseline")
    if not _BASELINE.fullmatch(baseline):
        image.fail("baseline", f"is {baseline[:40]!r}, not of the form 05.11")
    scale = image.number("scale_factor")
    if scale <= 0:
        image.fail("scale_factor", f"is {scale}, but must be above 0")
    return Frame(
        number=image.count("image_number"),
        sensing_time=image.moment("sensing_time"),
        baseline=baseline,
        scale=scale,
        offset=image.number("add_offset"),
        cloud_cover=image.percentage("cloudy_pixel_percentage"),
        nodata_percentage=image.percentage("nodata_pixel_percentage"),
    )


def _timeline(images: list["_Node"]) -> Timeline:
    """The beat that all images keep; an image off it, or twice on it, is an error."""
    first = images[0]
    rate = Timeline(origin=Fraction(0)).rate
    origin = first.seconds("pts_time") - Fraction(first.count("image_number"), rate)
    timeline = Timeline(origin=origin, rate=rate)
    seen: dict[int, _Node] = {}
    for image in images:
        number = image.count("image_number")
        if timeline.number_at(image.seconds("pts_time")) != number:
            image.fail(
                "pts_time",
                f"is {float(image.seconds('pts_time')):.6g}, which is not image_number {number} on"
                f" the beat of {first.path} ({rate} frames/s from {float(origin):.6g} s)",
            )
        if number in seen:
            image.fail("image_number", f"is {number}, as is that of {seen[number].path}")
        seen[number] = image
    return timeline


@dataclass(frozen=True, slots=True)
class _Node:
    """A JSON object, with the way to it, so that an error can name the field."""

    value: Mapping[str, Any]
    url: str
    path: str

    def fail(self, key: str, problem: str) -> NoReturn:
        field = f"{self.path}.{key}".lstrip(".")
        raise AnswerError(f"The answer of {self.url} cannot be used: {field} {problem}.")

    def _get(self, key: str) -> Any:  # noqa: ANN401 - JSON, narrowed by the callers
        if key not in self.value:
            self.fail(key, "is missing")
        return self.value[key]

    def child(self, key: str) -> "_Node":
        return self._node(key, self._get(key))

    def _node(self, key: str, value: Any) -> "_Node":  # noqa: ANN401 - JSON
        if not isinstance(value, dict):
            self.fail(key, f"is {_short(value)}, not an object")
        return _Node(value, self.url, f"{self.path}.{key}".lstrip("."))

    def children(self, key: str) -> Iterator["_Node"]:
        values = self._get(key)
        if not isinstance(values, list):
            self.fail(key, f"is {_short(values)}, not a list")
        for index, value in enumerate(values):
            yield self._node(f"{key}[{index}]", value)

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str) or not value:
            self.fail(key, f"is {_short(value)}, not a text")
        return value

    def number(self, key: str) -> float:
        return self._finite(key, self._get(key))

    def _finite(self, key: str, value: Any) -> float:  # noqa: ANN401 - JSON
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(key, f"is {_short(value)}, not a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fail(key, f"is {_short(value)}, not a finite number")
        return number

    def numbers(self, key: str, count: int) -> list[float]:
        values = self._get(key)
        if not isinstance(values, list) or len(values) != count:
            self.fail(key, f"is {_short(values)}, not a list of {count} numbers")
        return [self._finite(f"{key}[{index}]", value) for index, value in enumerate(values)]

    def count(self, key: str) -> int:
        value = self.number(key)
        if value != int(value) or not 0 <= value < 10**6:
            self.fail(key, f"is {_short(self.value[key])}, not a number of a frame")
        return int(value)

    def seconds(self, key: str) -> Fraction:
        value = self.number(key)
        if not 0 <= value < 10**6:
            self.fail(key, f"is {_short(self.value[key])}, not a time in the stream")
        return Fraction(repr(value))

    def percentage(self, key: str) -> float | None:
        if self.value.get(key) is None:
            return None
        value = self.number(key)
        if not 0 <= value <= 100:  # noqa: PLR2004 - per cent
            self.fail(key, f"is {_short(self.value[key])}, not a percentage")
        return value

    def moment(self, key: str) -> datetime:
        value = self.text(key)
        problem = f"is {_short(value)}, not a time such as 2025-03-02T11:21:09.024000"
        if not _SENSING_TIME.fullmatch(value):
            self.fail(key, problem)
        try:
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        except ValueError:
            self.fail(key, problem)

    def epsg(self, key: str) -> int:
        value = self._get(key)
        if isinstance(value, str) and re.fullmatch(r"EPSG:\d{4,6}", value, re.ASCII):
            return int(value.removeprefix("EPSG:"))
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(key, f"is {_short(value)}, not a CRS such as EPSG:32629")
        return value


def _open(raw: bytes, url: str) -> _Node:
    """The object that an answer is, no name in it twice; errors tell its URL without secrets."""
    url = public_url(url)

    def refuse(constant: str) -> NoReturn:
        raise AnswerError(f"The answer of {url} cannot be used: it holds {constant}.")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
            raise AnswerError(f"The answer of {url} cannot be used: it has {_short(twice)} twice.")
        return found

    if raw.lstrip()[:1] == b"<":
        raise AnswerError(
            f"The answer of {url} is a web page, not JSON. Is this the address of a DUNIA API?"
        )
    try:
        value = json.loads(raw, parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"The answer of {url} is not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise AnswerError(f"The answer of {url} is {_short(value)}, not a JSON object.")
    return _Node(value, url, "")


def _web_url(text: str, *, base: str = "") -> str | None:
    """The absolute http(s) URL that a text means, or None where it means none."""
    try:
        url = urljoin(base, text)
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def _short(value: object) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004 - one line of a terminal


def _whole(value: float) -> float:
    """An integer where it is one: grids are published as 199980, not 199980.0."""
    return int(value) if value == int(value) else value
