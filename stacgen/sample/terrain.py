"""The shape of the land: heights that rivers have cut, computed once a tile on a coarse grid.

Water is let in from the edges and rises (priority flood), which gives each cell the neighbour it
drains to; the drained area then sets the slope of each reach (steep brooks, flat rivers), and the
slopes give the heights. The land is computed with a margin, so that rivers also flow in.
"""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stacgen.sample.noise import Field, generator, lattice
from stacgen.tiles import EXTENT, TileId

CELLS = 244
"""Cells along a tile, of 450 m each."""

_MARGIN = 30
_WIDE = CELLS + 2 * _MARGIN
_CELL = EXTENT / CELLS
_BROOK = 40  # drained cells from which a reach is kept
_RIVER = 150  # drained cells from which a valley is measured
_STEPS = (-_WIDE - 1, -_WIDE, -_WIDE + 1, -1, 1, _WIDE - 1, _WIDE, _WIDE + 1)
_HILLS = ((4, 1.0), (9, 0.6), (20, 0.34), (45, 0.2), (100, 0.12), (200, 0.07))
_DRY = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terrain:
    """A tile's land on a coarse grid; each field is (CELLS, CELLS), float32, row 0 in the north."""

    height: Field
    """In metres above the sea."""

    above_river: Field
    """Height above the river cell that the water of this cell comes to, in metres."""

    hollow: Field
    """How deep a hollow was before water filled it; lakes are where it is deepest."""

    reaches: NDArray[np.float32]
    """River reaches as curves, (n, 7): three control points (row, column) in parts of the tile,
    then how many cells drain through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drainage:
    """Where water goes, each list by cell."""

    order: list[int]
    """Cells, each after the one it drains to."""

    down: list[int]
    """The neighbour a cell drains to; itself on the edge."""

    level: list[float]
    """Height of the ground, or of the water that fills a hollow there."""

    area: list[float]
    """How many cells' water passes, its own included."""


def build(tile: TileId) -> Terrain:
    """The land of a tile, from its name alone."""
    at = generator("terrain", tile)
    rough = _rough(at)
    water = _flood(rough)
    uplift = np.exp(lattice(at, 5, _WIDE) * 1.1 + lattice(at, 11, _WIDE) * 0.35)
    slope = uplift.ravel() * np.float32(at.uniform(6.0, 22.0) * _CELL / 100)
    heights, above = _climb(water, slope.tolist())
    return Terrain(
        height=_inner(heights + at.uniform(20, 350)),
        above_river=_inner(above),
        hollow=_inner(np.array(water.level) - rough.ravel()),
        reaches=_reaches(water, at),
    )


def _inner(flat: NDArray[np.floating]) -> Field:
    square = flat.reshape(_WIDE, _WIDE)[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    return np.ascontiguousarray(square, dtype=np.float32)


def _rough(at: np.random.Generator) -> Field:
    """What the land is before water shapes it: hills of every size on a tilted plain."""
    out = np.zeros((_WIDE, _WIDE), np.float32)
    for cells, amplitude in _HILLS:
        out += lattice(at, cells, _WIDE) * np.float32(amplitude)
    heading = at.uniform(0, 2 * np.pi)
    line = np.linspace(-1.6, 1.6, _WIDE, dtype=np.float32)
    out += np.float32(np.cos(heading)) * line
    out += np.float32(np.sin(heading)) * line[:, None]
    return out


def _flood(rough: Field) -> _Drainage:
    """Lets water rise from the edges: a cell drains to where it was reached from.

    Of cells at the same level the one with the deepest ground goes first, so that the drains of a
    filled hollow follow its floor.
    """
    ground = rough.ravel().tolist()
    level = [_DRY] * len(ground)
    down = list(range(len(ground)))
    edge = np.ones((_WIDE, _WIDE), bool)
    edge[1:-1, 1:-1] = False
    border = set(np.flatnonzero(edge).tolist())
    heap = [(ground[cell], ground[cell], cell) for cell in border]
    for height, _, cell in heap:
        level[cell] = height
    heapq.heapify(heap)
    order: list[int] = []
    while heap:
        water, _, cell = heapq.heappop(heap)
        order.append(cell)
        for other in _inwards(cell) if cell in border else [cell + step for step in _STEPS]:
            if level[other] == _DRY:
                level[other] = max(water, ground[other])
                down[other] = cell
                heapq.heappush(heap, (level[other], ground[other], other))
    return _Drainage(order=order, down=down, level=level, area=_gather(order, down))


def _inwards(cell: int) -> list[int]:
    """The neighbours of a cell on the edge."""
    row, column = divmod(cell, _WIDE)
    rows = range(max(row - 1, 0), min(row + 2, _WIDE))
    columns = range(max(column - 1, 0), min(column + 2, _WIDE))
    return [y * _WIDE + x for y in rows for x in columns]


def _gather(order: list[int], down: list[int]) -> list[float]:
    area = [1.0] * len(order)
    for cell in reversed(order):
        if down[cell] != cell:
            area[down[cell]] += area[cell]
    return area


def _climb(
    water: _Drainage, slope: list[float]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Heights above the edge and above the next river, upstream from the edges.

    A reach rises by its slope over the root of the area that it drains, as mature rivers do.
    """
    height = [0.0] * len(slope)
    above = [0.0] * len(slope)
    for cell in water.order:
        to = water.down[cell]
        if to != cell:
            rise = slope[cell] / water.area[cell] ** 0.5
            height[cell] = height[to] + rise
            above[cell] = 0.0 if water.area[cell] > _RIVER else above[to] + rise
    return np.array(height), np.array(above)


def _reaches(water: _Drainage, at: np.random.Generator) -> NDArray[np.float32]:
    """Quadratic splines through the drains, bent at random so that the grid does not show."""
    down = np.array(water.down)
    area = np.array(water.area)
    cells = np.arange(len(down))
    place = np.stack(np.divmod(cells, _WIDE), axis=1) + at.uniform(-0.45, 0.45, (len(down), 2))
    place = (place - _MARGIN + 0.5) / CELLS
    via = down
    kept = (area >= _BROOK) & (via != cells) & (down[via] != via)
    start, middle, end = cells[kept], via[kept], down[via[kept]]
    out = np.column_stack(
        [
            (place[start] + place[middle]) / 2,
            place[middle],
            (place[middle] + place[end]) / 2,
            area[start],
        ]
    )
    inside = (np.abs(out[:, :6] - 0.5) < 0.5 + 2 / CELLS).all(axis=1)
    return np.asarray(out[inside], dtype=np.float32)
