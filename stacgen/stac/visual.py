"""True colour: red, green and blue as the bytes of a picture, and what an Item says of it. Pure.

One stretch holds for all three bands, so colours are those of the ground, and for all pictures of a
tile and year, so these can be compared. It is one of reflectance, since what digital numbers mean
changes with the processing baseline.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacgen.model.bands import COLORS
from stacgen.model.raster import Reflectance, StoredFile
from stacgen.model.stream import timestamp
from stacgen.stac import stac_json

BANDS_SHOWN = ("B04", "B03", "B02")
"""Red, green and blue."""

KEY = "visual"
"""Of the asset."""

GAMMA = 1.3
"""Lifts shadow and forest a little, as eyes and other true-colour products do."""

_LOW, _HIGH = 1, 99
"""Percentiles of the valid pixels between which most of the ground lies."""

_HEADROOM = 1.2
"""Times that span from black to white, so that bright soils keep their colour; clouds are white."""

_NARROWEST = 0.05
"""Reflectance between black and white at the least, so that noise is not drawn as landscape."""

_NUMBERS = 1 << 16

_DARKEST = -0.03
"""Reflectance that no ground has, but what video coding leaks into nodata, and means with it."""

_LEAKED = 10
"""Digital numbers up to which large patches of nodata are found."""

_SOURCES, _STRETCH = "stacgen:sources", "stacgen:stretch"
"""Fields of the assets: checksums of the COGs they were made of by band, and the stretch."""

Numbers = Sequence[NDArray[np.uint16]]
"""Digital numbers of red, green and blue, each (rows, columns)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The surface reflectances that are drawn black and white."""

    black: float
    white: float
    gamma: float = GAMMA

    @classmethod
    def of(cls, reflectances: Iterable[NDArray[np.float64]]) -> "Stretch | None":
        """From the 1st percentile of all values to beyond the 99th; None where there are none."""
        values = np.concatenate([np.zeros(0), *reflectances])
        if not values.size:
            return None
        black, bright = (float(each) for each in np.percentile(values, (_LOW, _HIGH)))
        span = max(_HEADROOM * (bright - black), _NARROWEST)
        return cls(black=round(black, 3), white=round(black + span, 3))

    def table(self, reflectance: Reflectance) -> NDArray[np.uint8]:
        """(65536,) the byte of each digital number, from 1 to 255; nodata is the caller's.

        >>> stretch = Stretch(black=0.0, white=0.2, gamma=1.0)
        >>> stretch.table(Reflectance(scale=0.0001, offset=-0.1))[[0, 1000, 2000, 3000]].tolist()
        [1, 1, 128, 255]
        """
        values = np.arange(_NUMBERS) * reflectance.scale + reflectance.offset
        share = np.clip((values - self.black) / (self.white - self.black), 0, 1)
        table: NDArray[np.uint8] = (1 + np.rint(254 * share ** (1 / self.gamma))).astype(np.uint8)
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """How digital numbers of one scene become colours."""

    stretch: Stretch
    reflectances: tuple[Reflectance, ...]
    """Of red, green and blue."""

    def colors(self, numbers: Numbers) -> NDArray[np.uint8]:
        """(rows, columns, 3) of red, green and blue; 0 in all three is nodata, and only that."""
        valid = seen(numbers, self.reflectances)
        layers = [
            np.where(valid, self.stretch.table(each)[band], 0)
            for band, each in zip(numbers, self.reflectances, strict=True)
        ]
        return np.stack(layers, axis=-1)


def seen(numbers: Numbers, reflectances: Sequence[Reflectance]) -> NDArray[np.bool_]:
    """Where ground is seen: in all three bands, and not only what video coding leaked.

    Since baseline 04.00 the offset sets what is dark far above what is leaked. Before it both
    overlap, and only the numbers of large patches are taken for leaked, where all bands have them.
    """
    least = [max(0.0, (_DARKEST - each.offset) / each.scale) for each in reflectances]
    valid: NDArray[np.bool_] = np.logical_and.reduce(
        [band > number for band, number in zip(numbers, least, strict=True)]
    )
    valid &= np.logical_or.reduce([band > _LEAKED for band in numbers])
    return valid


def reflectances(numbers: Numbers, each: Sequence[Reflectance]) -> list[NDArray[np.float64]]:
    """The reflectance of what is seen, band by band, (pixels,)."""
    valid = seen(numbers, each)
    pairs = zip(numbers, each, strict=True)
    return [band[valid].astype(np.float64) * one.scale + one.offset for band, one in pairs]


@dataclass(slots=True)
class Extremes:
    """The darkest and brightest byte of each band, of what is seen so far."""

    low: NDArray[np.uint8] = field(default_factory=lambda: np.full(3, 255, np.uint8))
    high: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(3, np.uint8))

    def take(self, colors: NDArray[np.uint8]) -> None:
        """Look at some rows, (rows, columns, 3)."""
        self.high = np.maximum(self.high, colors.max(axis=(0, 1)))
        # Nodata is 0, which becomes the largest number when one is taken from it.
        self.low = np.minimum(self.low, (colors - np.uint8(1)).min(axis=(0, 1)))

    def statistics(self) -> list[dict[str, dict[str, int]]]:
        """What the bands say of it; nothing where all is nodata.

        >>> extremes = Extremes()
        >>> extremes.take(np.array([[[0, 0, 0], [7, 1, 255]]], np.uint8))
        >>> extremes.statistics()[2]
        {'statistics': {'minimum': 255, 'maximum': 255}}
        """
        if not self.high.any():
            return [{}, {}, {}]
        return [
            {"statistics": {"minimum": int(low) + 1, "maximum": int(high)}}
            for low, high in zip(self.low, self.high, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A picture and its quicklook, as they were written."""

    cog: StoredFile
    cog_href: str
    """From the Item."""

    thumbnail: StoredFile
    thumbnail_shape: tuple[int, int]
    """(rows, columns)."""

    extremes: Extremes
    software: Mapping[str, str]
    created: datetime
    """In UTC."""


def assets(
    scene_assets: Mapping[str, Mapping[str, Any]], palette: Palette, files: Files, *, year: int
) -> dict[str, dict[str, Any]]:
    """What an Item says of its picture and of the quicklook of it.

    Args:
        scene_assets: Those of the Item, with the three bands.
        palette: How it was made.
        files: What was made.
        year: Of which the stretch is.
    """
    red = scene_assets[BANDS_SHOWN[0]]
    sources = {name: scene_assets[name]["file:checksum"] for name in BANDS_SHOWN}
    stretch = palette.stretch
    noted = {"black": stretch.black, "white": stretch.white, "gamma": stretch.gamma}
    return {
        KEY: {
            "href": files.cog_href,
            **(shared := _shared(red)),
            "bands": [
                band | statistics
                for band, statistics in zip(
                    shared["bands"], files.extremes.statistics(), strict=True
                )
            ],
            "description": _describe(stretch, year),
            "proj:bbox": red["proj:bbox"],
            "created": timestamp(files.created),
            "processing:lineage": _lineage(palette, year),
            "processing:software": dict(files.software),
            "file:size": files.cog.size,
            "file:checksum": files.cog.multihash,
            _STRETCH: noted,
            _SOURCES: sources,
        },
        "thumbnail": {
            "href": "./thumbnail.png",
            "type": stac_json.PNG,
            "title": "True-colour quicklook",
            "roles": ["thumbnail", "overview"],
            "proj:shape": list(files.thumbnail_shape),
            "created": timestamp(files.created),
            "file:size": files.thumbnail.size,
            "file:checksum": files.thumbnail.multihash,
            _SOURCES: sources,
        },
    }


def item_asset(red: Mapping[str, Any]) -> dict[str, Any]:
    """What the pictures of all Items share, given what their red bands share."""
    return {**_shared(red), **({"proj:code": red["proj:code"]} if "proj:code" in red else {})}


def _shared(red: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": stac_json.COG,
        "title": f"True colour - {red['gsd']}m",
        "roles": [KEY],
        "gsd": red["gsd"],
        "data_type": "uint8",
        "nodata": 0,
        "raster:spatial_resolution": red["gsd"],
        "raster:sampling": "area",
        "proj:shape": red["proj:shape"],
        "proj:transform": red["proj:transform"],
        "bands": [{"name": name, "eo:common_name": name} for name in COLORS],
    }


def _describe(stretch: Stretch, year: int) -> str:
    return (
        f"Surface reflectance of {', '.join(BANDS_SHOWN)}: {stretch.black:g} is drawn as 1, and"
        f" {stretch.white:g} as 255, with gamma {stretch.gamma:g}. 0 in all three is nodata. The"
        f" stretch is that of all pictures of this tile in {year}. For looking at: measure in the"
        " bands."
    )


def _lineage(palette: Palette, year: int) -> str:
    stretch = palette.stretch
    steps = ", ".join(
        f"{color} = {name} x {each.scale:g} {'-' if each.offset < 0 else '+'} {abs(each.offset):g}"
        for color, name, each in zip(COLORS, BANDS_SHOWN, palette.reflectances, strict=True)
    )
    return (
        f"Made of the COGs of this Item: {steps}; byte = 1 + round(254 x share^(1/{stretch.gamma:g}"
        f")), where share = (reflectance - {stretch.black:g}) / ({stretch.white:g} -"
        f" {stretch.black:g}), clipped to 0..1. Black is percentile {_LOW} of all three"
        f" bands in the least cloudy scenes of {year} that were there, and white lies {_HEADROOM:g}"
        f" times as far from it as percentile {_HIGH}."
        " Small numbers that video coding leaks into nodata are nodata."
    )


def is_current(asset: Mapping[str, Any], scene_assets: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the files that an asset was made of are those of the Item; True if it says none."""
    sources = asset.get(_SOURCES)
    if not isinstance(sources, Mapping):
        return True
    return all(
        scene_assets.get(name, {}).get("file:checksum") == checksum
        for name, checksum in sources.items()
    )


def stretch_of(asset: Mapping[str, Any]) -> Stretch | None:
    """The stretch that an asset says it was made with; None where it says none that can be."""
    noted: Any = asset.get(_STRETCH)
    try:
        stretch = Stretch(**{key: float(noted[key]) for key in ("black", "white", "gamma")})
    except (KeyError, TypeError, ValueError):
        return None
    return stretch if stretch.black < stretch.white and stretch.gamma > 0 else None
