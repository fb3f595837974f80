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
from stacgen.bands import Band
from stacgen.errors import AnswerError, UsageError
from stacgen.gate import public_url
from stacgen.models import Frame, Grid, Stream, Timeline
from stacgen.tiles import TileId

DUNIA = "https://dunia.esa.int"
"""Where ESA serves the API."""

TCI_PATH = "/api/streaming/metadata/{tile}/{year}"
"""Where cloud and nodata figures are assumed to be; ESA's notebook does not say."""

_NOISE = 1e-3
"""Metres by which bounds may differ from whole numbers after arithmetic in floating point."""

_BASELINE = re.compile(r"\d\d\.\d\d", re.ASCII)
_SENSING_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An API that answers as DUNIA's does."""

    base: str = DUNIA
    """Scheme, host and what stands before `/api/...`."""

    tci_path: str = TCI_PATH
    """Template of the path of the TCI metadata; empty where there is none."""

    def __post_init__(self) -> None:
        """Refuse what is no URL, and a template that cannot be filled."""
        if _web_url(self.base) is None:
            raise UsageError(f"The API's address {public_url(self.base)!r} is no http(s) URL.")
        if "@" in urlsplit(self.base).netloc:
            raise UsageError(
                f"The API's address {public_url(self.base)!r} came with a user or password, which"
                " addresses show. Send them in a header: --header 'Authorization=Basic ...'."
            )
        try:
            self._fill("29PKR", 2025)
        except (LookupError, ValueError, AttributeError, TypeError) as error:
            raise UsageError(
                f"The TCI path {self.tci_path!r} may hold {{tile}} and {{year}}, nothing else."
            ) from error

    def band_metadata(self, tile: TileId, band: Band, year: int) -> str:
        """URL of the frames of a stream."""
        return self._url(f"/api/streaming/band_metadata/{tile}/{band.name}/{year}")

    def tile_bounds(self, tile: TileId) -> str:
        """URL of the bounds of a tile."""
        return self._url(f"/api/streaming/s2-tiles/utm-bounds/{tile}")

    def tci_metadata(self, tile: TileId, year: int) -> str | None:
        """URL of cloud and nodata figures, or None where the template is empty."""
        return self._url(self._fill(tile, year)) if self.tci_path else None

    def _fill(self, tile: str, year: int) -> str:
        """The TCI path of a tile and year; `{tile_id}`, the notebook's word, is understood, too."""
        return self.tci_path.format(tile=tile, tile_id=tile, year=year)

    def _url(self, path: str) -> str:
        return self.base.rstrip("/") + "/" + path.lstrip("/")


def parse_stream(raw: bytes, *, url: str, tile: TileId, band: Band, year: int) -> Stream:
    """The stream that an answer describes.

    Args:
        raw: The answer of `Endpoint.band_metadata`.
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
    )


def parse_grid(raw: bytes, *, url: str, tile: TileId, band: Band) -> Grid:
    """The grid of a band on a tile.

    Args:
        raw: The answer of `Endpoint.tile_bounds`.
        url: Where it came from; messages name it.
        tile: The tile asked for; zone and corner must be those of the answer.
        band: The band, whose resolution must divide the bounds into its frame.

    Raises:
        AnswerError: It is no JSON, a field is missing or mistyped, or the bounds are not those of
            the tile, by a millimetre or more.
    """
    answer = _open(raw, url).child("utm")
    epsg = answer.epsg("epsg")
    if epsg != tiles.epsg(tile):
        answer.fail("epsg", f"is {epsg}, but tile {tile} lies in EPSG:{tiles.epsg(tile)}")
    left, bottom, right, top = answer.numbers("bbox", 4)
    if max(abs(right - left - tiles.EXTENT), abs(top - bottom - tiles.EXTENT)) > _NOISE:
        answer.fail(
            "bbox",
            f"is {right - left:.10g} m by {top - bottom:.10g} m; {band.size} pixels of"
            f" {band.resolution} m need {tiles.EXTENT} m by {tiles.EXTENT} m",
        )
    expected_left, expected_top = tiles.upper_left(tile)
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


def with_tci_figures(stream: Stream, raw: bytes, *, url: str) -> Stream:
    """The stream, with cloud and nodata figures from the TCI stream where its own lack them.

    A figure belongs to the frame of the same sensing time; where several TCI images have that
    time, to the one of the same baseline; where that is not clear, it is left out.

    Raises:
        AnswerError: The answer is no JSON or a figure in it is no percentage.
    """
    answer = _open(raw, url)
    figures: dict[datetime, list[_Figures]] = {}
    for image in answer.children("images"):
        found = _figures(image)
        figures.setdefault(found.sensing_time, []).append(found)

    def fill(frame: Frame) -> Frame:
        candidates = figures.get(frame.sensing_time, [])
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
