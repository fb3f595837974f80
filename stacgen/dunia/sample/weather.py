"""What hangs between the ground and the satellite: clouds, their shadows, and the swath's edge.

Clouds are made on a 120 m grid with a margin, so that a cloud outside the tile throws its shadow
into it, and doubled to the 60 m grid. That grid is the one the figures are counted on; all bands
and resolutions share it.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stacgen.dunia.sample import passes
from stacgen.dunia.sample.noise import TEXTURE, Field, cut, generator, lattice, smoothstep, texture
from stacgen.dunia.sample.passes import Pass
from stacgen.dunia.sample.raster import SIZE
from stacgen.model import mgrs

_DRY = (
    (0, 8, 14, 20, 27, 34, 41, 48, 56, 63, 70, 80),
    (*(0.0, 0.04, 0.14, 0.78, 0.66, 0.18, 0.1, 0.04, 0.04, 0.1, 0.45, 0.85),),
)
"""Degrees of latitude, and how rare clouds are there, 0 to 1."""

_HALF = SIZE // 2
_WIDE = TEXTURE
_PAD = (_WIDE - _HALF) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """The sky over a tile at one moment; each field is (1830, 1830)."""

    cloud: Field
    """How much of the ground a cloud hides, 0 to 1."""
    white: Field
    """How bright the cloud is, as a share of the brightest."""
    light: Field
    """How much of the sunlight reaches the ground, 0 to 1."""
    cloudy: NDArray[np.bool_]
    """What the figures count as cloud: seen, and more cloud than ground."""
    unseen: NDArray[np.bool_]
    """Outside the swath: no data."""
    haze: float
    """How thick the haze is, 0 to 1."""

    @property
    def nodata_percentage(self) -> float:
        """Share of the pixels outside the swath, as the API gives it."""
        return round(100 * float(self.unseen.mean(dtype=np.float64)), 6)

    @property
    def cloudy_percentage(self) -> float:
        """Share of cloud among the pixels seen, as the API gives it."""
        seen = self.unseen.size - int(self.unseen.sum())
        return round(100 * int(self.cloudy.sum()) / seen, 6)


@lru_cache(maxsize=2)
def sky(of: Pass) -> Sky:
    """The sky of an acquisition, always the same one."""
    at = of.random("clouds")
    thick = _thickness(of, at)
    soft = float(at.uniform(0.25, 0.9))
    alpha = smoothstep(thick, -0.6 * soft, soft)
    up, azimuth = passes.sun(of)
    away = (math.cos(math.radians(azimuth)), -math.sin(math.radians(azimuth)))
    lit = thick - _moved(thick, (away[0] * 1.6, away[1] * 1.6))
    white = np.clip(0.42 + 0.6 * np.tanh(thick * 0.7) + 0.2 * lit, 0.25, 1.15)
    far = min(float(at.uniform(1.2, 3.8)) * 1000 / 120 / math.tan(math.radians(up)), _PAD - 2)
    shadow = _moved(alpha, (away[0] * far, away[1] * far))
    cloud = _tile(alpha)
    unseen = _unseen(of)
    return Sky(
        cloud=cloud,
        white=_tile(white),
        light=1 - np.float32(0.66) * _tile(shadow),
        cloudy=(cloud > np.float32(0.5)) & ~unseen,
        unseen=unseen,
        haze=float(at.beta(1.2, 4)),
    )


def _thickness(of: Pass, at: np.random.Generator) -> Field:
    """How thick the clouds are, above 0 where there are any, on the wide 120 m grid."""
    front = _swollen(lattice(at, int(at.integers(4, 9)), _WIDE // 16))
    billow = cut(texture("billow", slope=1.9, finest=3, coarsest=256), _WIDE, at)
    fleck = cut(texture("fleck", slope=1.5, finest=3, coarsest=36), _WIDE, at)
    broken = float(at.random())
    out = front * (1.0 - 0.7 * broken) + billow * 0.8 + fleck * (0.12 + 0.75 * broken)
    share = _share(of, at)
    return np.asarray(out - np.quantile(out[::4, ::4], 1 - share), dtype=np.float32)


def _share(of: Pass, at: np.random.Generator) -> float:
    """How much of the sky is cloud: often next to nothing, sometimes all."""
    dry = float(np.interp(abs(mgrs.latitude(of.tile)), *_DRY))
    dice = float(at.random()) ** (1 + 1.2 * dry)
    steps, shares = (0, 0.28, 0.45, 0.7, 0.88, 1), (0, 0.012, 0.10, 0.42, 0.93, 1)
    return float(np.interp(dice, steps, shares))


def _swollen(field: Field) -> Field:
    """The field on sixteen times as many rows and columns."""
    for _ in range(4):
        field = _doubled(np.pad(field, 1, mode="edge"))
    return field


def _moved(field: Field, by: tuple[float, float]) -> Field:
    """The field moved by whole rows (south) and columns (east); what leaves comes back in."""
    return np.roll(field, (round(by[0]), round(by[1])), axis=(0, 1))


def _doubled(field: Field) -> Field:
    """All but the outermost pixels on twice as many rows and columns, by linear interpolation."""
    inner = field[1:-1] * np.float32(0.75)
    rows = np.empty((2 * len(inner), field.shape[1]), np.float32)
    rows[0::2] = inner + field[:-2] * np.float32(0.25)
    rows[1::2] = inner + field[2:] * np.float32(0.25)
    inner = rows[:, 1:-1] * np.float32(0.75)
    out = np.empty((len(rows), 2 * inner.shape[1]), np.float32)
    out[:, 0::2] = inner + rows[:, :-2] * np.float32(0.25)
    out[:, 1::2] = inner + rows[:, 2:] * np.float32(0.25)
    return out


def _tile(field: Field) -> Field:
    """The tile itself, without the margin, on the 60 m grid."""
    inner = slice(_PAD - 1, _PAD + _HALF + 1)
    return _doubled(field[inner, inner])


def _unseen(of: Pass) -> NDArray[np.bool_]:
    """The side of the tile that the swath leaves out: its edge leans as the orbit does."""
    if of.orbit == "full":
        return np.zeros((SIZE, SIZE), bool)
    at = generator("swath", of.tile, of.orbit)
    share = float(at.uniform(0.08, 0.66)) + float(of.random("swath").normal(0, 0.004))
    lean = math.tan(math.radians(float(at.uniform(10, 13))))
    middle = (share if of.orbit == "west" else 1 - share) * SIZE
    line = middle + (SIZE / 2 - np.arange(SIZE, dtype=np.float32)[:, None]) * lean
    columns = np.arange(SIZE, dtype=np.float32)[None, :] + 0.5
    return np.asarray(columns < line if of.orbit == "west" else columns > line)
