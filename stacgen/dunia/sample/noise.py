"""Noise that is the same in every run: seeds from names, periodic textures, enlargement.

Nothing here touches numpy's global random state. A seed is a hash of the names of what is drawn,
so the same tile, year and frame give the same picture in every process.
"""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""A picture of one quantity: (rows, columns), float32, row 0 in the north."""

TEXTURE = 1024
"""Width and height of a texture, in pixels; it repeats without a seam."""


def generator(*names: object) -> np.random.Generator:
    """A random generator that depends on the names and on nothing else.

    >>> int(generator("29PKR", 2025).integers(1000)) == int(generator("29PKR", 2025).integers(1000))
    True
    """
    digest = hashlib.blake2b("/".join(map(str, names)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


@lru_cache(maxsize=24)
def texture(name: str, *, slope: float, finest: float = 2.0, coarsest: float = 512.0) -> Field:
    """A periodic texture whose amplitude falls with the frequency to the power of `slope`.

    Wavelengths, in pixels, lie between `finest` and `coarsest`. Mean 0, standard deviation 1.
    Read-only: it is shared.
    """
    rows = np.fft.fftfreq(TEXTURE).astype(np.float32)[:, None]
    columns = np.fft.rfftfreq(TEXTURE).astype(np.float32)[None, :]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1
    gain = frequency**-slope * (frequency < 1 / finest) * (frequency > 1 / coarsest)
    white = generator("texture", name).standard_normal((TEXTURE, TEXTURE), dtype=np.float32)
    out = np.fft.irfft2(np.fft.rfft2(white) * gain, s=(TEXTURE, TEXTURE)).astype(np.float32)
    out -= out.mean()
    out /= out.std()
    out.flags.writeable = False
    return out


def cut(pattern: Field, size: int, at: np.random.Generator) -> Field:
    """A square of `size` pixels of a texture, from anywhere, turned any way.

    >>> cut(texture("grain", slope=0), 1500, generator("here")).shape
    (1500, 1500)
    """
    top, left, turns, mirrored = (int(n) for n in at.integers((TEXTURE, TEXTURE, 4, 2)))
    turned = np.rot90(pattern, turns)
    if mirrored:
        turned = turned.T
    repeats = -(-size // TEXTURE)
    turned = np.roll(turned, (top, left), axis=(0, 1))
    return (
        np.tile(turned, (repeats, repeats))[:size, :size] if repeats > 1 else turned[:size, :size]
    )


def enlarge(field: Field, size: int, *, smooth: bool = True) -> Field:
    """The same field on `size` x `size` pixels: by cubic B-splines, or by straight lines.

    A spline has no creases, which hill shading would show; it also rounds the peaks off.

    >>> enlarge(np.ones((5, 5), np.float32), 60).round(3).min()
    np.float32(1.0)
    """
    rows = _stretched(field, size, smooth=smooth)
    return np.ascontiguousarray(_stretched(np.ascontiguousarray(rows.T), size, smooth=smooth).T)


def _stretched(field: Field, many: int, *, smooth: bool) -> Field:
    """The field on `many` rows: each a sum of up to four of the old ones.

    Not a matrix product: that of a BLAS library depends on how many threads it has.
    """
    few = len(field)
    place = (np.arange(many, dtype=np.float32) + 0.5) * (few / many) - 0.5
    place = np.clip(place, 0, few - 1)
    first = np.floor(place).astype(np.intp)
    out = np.zeros((many, field.shape[1]), np.float32)
    whole = np.zeros(many, np.float32)
    for step in (-1, 0, 1, 2) if smooth else (0, 1):
        weight = _kernel(np.abs(place - (first + step)), smooth=smooth)
        weight *= (first + step >= 0) & (first + step < few)
        out += field[np.clip(first + step, 0, few - 1)] * weight[:, None]
        whole += weight
    out /= whole[:, None]
    return out


def _kernel(far: NDArray[np.floating], *, smooth: bool) -> NDArray[np.float32]:
    """The weight of a sample so many samples away: a cubic B-spline, or a tent."""
    if not smooth:
        return np.asarray(np.clip(1 - far, 0, None), dtype=np.float32)
    near = 2 / 3 - far**2 + far**3 / 2
    return np.asarray(np.where(far < 1, near, np.clip(2 - far, 0, None) ** 3 / 6), np.float32)


def lattice(at: np.random.Generator, cells: int, size: int) -> Field:
    """Smooth hills: normal numbers on `cells` x `cells` points, enlarged; mean 0, deviation 1."""
    out = enlarge(at.standard_normal((cells, cells), dtype=np.float32), size)
    out -= out.mean()
    out /= out.std()
    return out


def smoothstep(field: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high`, an S between them."""
    t = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
