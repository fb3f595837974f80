"""A frame as a STAC Item. Pure: facts in, document out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stacgen.model import bands
from stacgen.model.bands import Band
from stacgen.model.cog_profile import CogProfile
from stacgen.model.raster import (
    AUTO,
    NONE,
    Cleaning,
    Footprint,
    Reflectance,
    Statistics,
    StoredFile,
)
from stacgen.model.stream import Frame, Grid, Stream, timestamp
from stacgen.model.urls import public_url
from stacgen.stac import layout, renders, stac_json, versions, visual
from stacgen.stac.layout import CollectionPlace, ItemPlace

if TYPE_CHECKING:
    import pystac

PICTURE_HASH = "stacgen:picture_hash"
"""The property that says which hash in the stream the pixels were verified with, or `none`."""

STREAM_YEAR = "stacgen:stream_year"
"""The property that says of which year's stream an Item is, where that isn't the year it was sensed
in: the last acquisition of a year may come in the stream of the next."""

CLEAN_NODATA, CLEANED = "stacgen:clean_nodata", "stacgen:cleaned_pixels"
"""Properties: which pixels were set to nodata (`auto`, `none` or a code as text), and how many."""

_EXTENSIONS = ("eo", "file", "grid", "processing", "projection", "raster", "render", "sentinel-2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The segment of the stream that a frame was decoded from, as it arrived."""

    url: str
    frames: range
    """Numbers of the frames in it."""

    file: StoredFile | None
    """None where it is a part of a file, of which the rest was not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """What was found out about a frame while its pixels were at hand."""

    statistics: tuple[Statistics, ...]
    """Of each band of the COG: one, or red, green and blue."""

    footprint: Footprint
    reflectance: Reflectance
    """Ignored for true colour."""

    profile: CogProfile = CogProfile()  # noqa: RUF009 - frozen
    saturated: int
    clean_nodata: Cleaning
    cleaned: int
    """Pixels set to nodata."""

    cog: StoredFile
    thumbnail: StoredFile
    thumbnail_shape: tuple[int, int]
    """(rows, columns)."""

    picture_hash: str | None = None
    """Kind of the hash in the stream that the decoded picture fits; None where it has none."""

    origin: Origin | None = None


_SET = " were set to nodata."
_HASHES = {"md5": "MD5 hash", "crc": "16-bit CRC", "checksum": "32-bit checksum"}


def title(place: CollectionPlace, frame: Frame) -> str:
    """What an Item is called, here and in links to it."""
    moment = frame.sensing_time.strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"Sentinel-2 L2A {place.tile} {place.band.name}, {moment}"


def build(
    stream: Stream,
    frame: Frame,
    grid: Grid,
    pixels: Pixels,
    *,
    item_id: str,
    software: Mapping[str, str],
    now: datetime,
) -> stac_json.Document:
    """The Item of a frame; a value that is not known is left out.

    Args:
        stream: Where it comes from.
        frame: What the API says of it.
        grid: Where its pixels lie.
        pixels: What its pixels say.
        item_id: Unique in its Collection.
        software: Name and version of what made it, `{"stacgen": "0.1.0"}`.
        now: The time of creation, in UTC.
    """
    import pystac  # noqa: PLC0415 - 0.1 s, and a run with nothing to do makes no Item

    place = CollectionPlace(tile=stream.tile, band=stream.band)
    item_place = place.item(item_id, frame.sensing_time.year)
    data = {stream.band.asset: _data(stream.band, grid, pixels, item_place)}
    assets = {**data, "thumbnail": _thumbnail(stream.band, pixels)}
    made = pystac.Item(
        id=item_id,
        geometry=dict(pixels.footprint.geometry),
        bbox=list(pixels.footprint.bbox),
        datetime=frame.sensing_time,
        properties={
            "title": title(place, frame),
            "datetime": None,  # pystac fills it in, here and not at the end
            "created": timestamp(now),
            "updated": timestamp(now),
            **_properties(stream, frame, grid),
            "processing:lineage": lineage(stream, pixels),
            "processing:software": dict(software),
            PICTURE_HASH: pixels.picture_hash or "none",
            **({STREAM_YEAR: stream.year} if stream.year != frame.sensing_time.year else {}),
            **({} if stream.band.is_color else _cleaning(pixels)),
            "renders": renders.of_item(data),
        },
        stac_extensions=stac_json.extensions(*_EXTENSIONS),
        collection=place.id,
        assets={key: pystac.Asset.from_dict(asset) for key, asset in assets.items()},
    )
    made.add_links(_links(stream, frame, item_place, pixels.origin))
    return stac_json.document(made)


def _cleaning(pixels: Pixels) -> dict[str, Any]:
    """How nodata was cleaned."""
    return {CLEAN_NODATA: str(pixels.clean_nodata), CLEANED: pixels.cleaned}


def band_object(band: Band) -> dict[str, Any]:
    """The entry of a band in `bands`, in Items and Collections alike."""
    return {
        "name": band.name,
        "description": band.description,
        "eo:common_name": band.common_name,
        "eo:center_wavelength": band.center_wavelength,
        "eo:full_width_half_max": band.full_width_half_max,
    }


def band_objects(band: Band) -> list[dict[str, Any]]:
    """The entries of `bands` of the asset that holds a band, or true colour."""
    if band.is_color:
        return [{"name": name, "eo:common_name": name} for name in bands.COLORS]
    return [band_object(band)]


def shared_facts(band: Band, reflectance: Mapping[str, float]) -> dict[str, Any]:
    """What the assets of all Items of a Collection have in common, without the grid.

    Args:
        band: Of the Collection.
        reflectance: Scale, and offset, of digital numbers to reflectance; ignored for true colour.
    """
    return {
        "type": stac_json.COG,
        "title": f"{band.description} - {band.resolution}m",
        "roles": [visual.KEY] if band.is_color else ["data", "reflectance"],
        "gsd": band.resolution,
        "data_type": "uint8" if band.is_color else "uint16",
        **({} if band.is_color else {"nodata": 0, **reflectance}),
        "raster:spatial_resolution": band.resolution,
        "raster:sampling": "area",
    }


def lineage(stream: Stream, pixels: Pixels) -> str:
    """How the pixels came to be, and what was done to them, in plain sentences."""
    grid = f"MGRS {stream.tile} {stream.band.resolution} m grid"
    what, codes = "band frame", "integer digital numbers"
    if stream.band.is_color:
        what, codes = "true-colour image (TCI)", "bytes of red, green and blue"
    if stream.is_sample:
        origin = (
            "Synthetic landscape made by stacgen's sample server, no satellite data; encoded as a"
            f" lossy video stream, decoded to {codes} and written as a"
            f" Cloud-Optimized GeoTIFF on the {grid}."
        )
    else:
        origin = (
            f"Copernicus Sentinel-2 L2A {what}, distributed by {stream.service} as one frame of a"
            f" lossy video stream, decoded to {codes} and written as a"
            f" Cloud-Optimized GeoTIFF on the {grid}."
        )
    notes = [
        "The stream has no picture hashes: its packets and the decoder's complaints were checked."
        if pixels.picture_hash is None
        else f"The decoded picture fits its {_HASHES[pixels.picture_hash]} in the stream."
    ]
    if pixels.saturated:
        notes.append(f"{pixels.saturated} pixels outside 0..65535 were set to the nearer end.")
    if stream.band.is_color:
        notes.append("A mask in the file marks nodata: black, and almost black that touches it.")
    elif pixels.clean_nodata == NONE:
        notes.append("Small numbers that video coding leaves in nodata were kept.")
    elif pixels.clean_nodata == AUTO:
        notes.append(f"{pixels.cleaned} pixels that touch nodata and cannot be ground{_SET}")
    else:
        codes = f"codes up to {pixels.clean_nodata}"
        notes.append(f"{pixels.cleaned} pixels of {codes} that touch nodata{_SET}")
    if pixels.profile.is_lossy:
        notes.append(f"The file is compressed with loss ({pixels.profile.compress}).")
    return " ".join([origin, *notes])


def _properties(stream: Stream, frame: Frame, grid: Grid) -> dict[str, Any]:
    baseline = {}
    if frame.baseline is not None:
        baseline = {
            "s2:processing_baseline": frame.baseline,
            "processing:version": frame.baseline,
        }
    known = {
        "eo:cloud_cover": frame.cloud_cover,
        "s2:nodata_pixel_percentage": frame.nodata_percentage,
    }
    return {
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": stream.band.resolution,
        "grid:code": f"MGRS-{stream.tile}",
        "proj:code": f"EPSG:{grid.epsg}",
        **{key: value for key, value in known.items() if value is not None},
        **baseline,
        "processing:level": "L2A",
    }


def _data(band: Band, grid: Grid, pixels: Pixels, place: ItemPlace) -> dict[str, Any]:
    reflectance = {
        "raster:scale": pixels.reflectance.scale,
        "raster:offset": pixels.reflectance.offset,
    }
    return {
        "href": layout.href(place.key, place.cog_key),
        **shared_facts(band, reflectance),
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform),
        "proj:bbox": list(grid.bounds),
        "bands": [
            {**each, "statistics": _figures(statistics, pixels.profile)}
            for each, statistics in zip(band_objects(band), pixels.statistics, strict=True)
        ],
        "file:size": pixels.cog.size,
        "file:checksum": pixels.cog.multihash,
    }


def _figures(statistics: Statistics, profile: CogProfile) -> dict[str, float]:
    """The statistics of a band; of pixels that compression changes, those that stay true."""
    exact = {"count": statistics.count, "valid_percent": statistics.valid_percent}
    if profile.is_lossy:
        return exact
    return {
        "minimum": statistics.minimum,
        "maximum": statistics.maximum,
        "mean": statistics.mean,
        "stddev": statistics.stddev,
        **exact,
    }


def quicklook_title(band: Band) -> str:
    """The title of the thumbnails of a Collection."""
    return "True-colour quicklook" if band.is_color else "Grey-scale quicklook"


def _thumbnail(band: Band, pixels: Pixels) -> dict[str, Any]:
    return {
        "href": "./thumbnail.png",
        "type": stac_json.PNG,
        "title": quicklook_title(band),
        "roles": ["thumbnail", "overview"],
        "proj:shape": list(pixels.thumbnail_shape),
        "file:size": pixels.thumbnail.size,
        "file:checksum": pixels.thumbnail.multihash,
    }


def _links(
    stream: Stream, frame: Frame, place: ItemPlace, origin: Origin | None
) -> "list[pystac.Link]":
    home = CollectionPlace(tile=stream.tile, band=stream.band)
    year = frame.sensing_time.year

    def up(rel: str, key: str, name: str) -> "pystac.Link":
        return stac_json.link(rel, layout.href(place.key, key), name)

    links = [
        up("root", layout.ROOT, layout.root_title(is_sample=stream.is_sample)),
        up("parent", home.year_key(year), str(year)),
        up("collection", home.key, home.title),
    ]
    if not stream.is_sample:
        links.append(
            stac_json.link(
                "derived_from",
                public_url(stream.playlist_url),
                f"{stream.service} HLS stream, frame {frame.number}",
                stac_json.HLS,
            )
        )
    if not stream.is_sample and origin is not None:
        links.append(_segment_link(origin))
    return links


def _segment_link(origin: Origin) -> "pystac.Link":
    """To the bytes that the frame was decoded from; whoever fetches them again can compare."""
    file = origin.file
    link = stac_json.link(
        "derived_from",
        public_url(origin.url),
        f"Segment of it, frames {origin.frames.start} to {origin.frames.stop - 1}",
        stac_json.SEGMENT if PurePosixPath(urlsplit(origin.url).path).suffix == ".ts" else None,
    )
    if file is not None:
        link.extra_fields = {"file:size": file.size, "file:checksum": file.multihash}
    return link


def segment_file(document: stac_json.Document) -> StoredFile | None:
    """The segment that an Item was made from, as it was then; None where it does not say."""
    for link in document.get("links", []):
        size, checksum = link.get("file:size"), link.get("file:checksum")
        if link.get("rel") == "derived_from" and isinstance(checksum, str):
            return StoredFile(size=int(size or 0), sha256=checksum.removeprefix("1220"))
    return None


def succeeding(
    document: stac_json.Document, previous: stac_json.Document | None
) -> stac_json.Document:
    """The Item that takes the place of another: created when that was, and deprecated if it was.

    Where it says nothing new, it is the other, so that not a byte changes.
    """
    if previous is None:
        return document
    document = versions.carried(document, previous)
    before = previous["properties"]
    after = document["properties"] | {"created": before["created"]}
    unchanged = {**document, "properties": after | {"updated": before["updated"]}}
    return unchanged if unchanged == previous else {**document, "properties": after}
