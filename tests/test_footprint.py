"""A footprint is the ground that the pixels show, as pyproj and plain counting see it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import shapely
import shapely.geometry
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pyproj import Transformer

from conftest import Reference
from dunia import ORIGIN
from stacgen.model import geometry
from stacgen.model.raster import Coverage, Footprint
from stacgen.model.stream import Codes, Frame, Grid, Timeline
from stacgen.raster import footprint, rescale
from stacgen.video import decoder

Mask = NDArray[np.bool_]

TILE = Grid(epsg=32629, left=199980, top=1600020, resolution=60, size=1830)
CELLS = 915
"""Of a tile's side, each of two pixels of 60 m."""

CROSSING = [
    Grid(epsg=32701, left=99960, top=8300020, resolution=60, size=1830),  # 01LAC
    Grid(epsg=32601, left=300000, top=6700020, resolution=60, size=1830),  # 01VCG
    Grid(epsg=32660, left=600000, top=7300020, resolution=60, size=1830),  # in the north of 60
]
"""Tiles over 180 degrees."""

COARSE = Grid(epsg=32632, left=300000, top=5200020, resolution=2400, size=24)
"""Cells far larger than what simplifying may cut off."""

MASKS = arrays.arrays(np.bool_, (24, 24), elements=st.booleans(), fill=st.nothing())


def covered(valid: Mask, grid: Grid = TILE) -> Footprint | None:
    return footprint.outline(Coverage(valid=valid, step=grid.size // valid.shape[0]), grid)


def shown(valid: Mask, grid: Grid = TILE) -> Footprint:
    found = covered(valid, grid)
    assert found is not None
    return found


def everything() -> Mask:
    return np.ones((CELLS, CELLS), np.bool_)


def rings(found: Footprint) -> list[list[tuple[float, float]]]:
    """Outer rings of all parts; there are no others."""
    kind, coordinates = found.geometry["type"], found.geometry["coordinates"]
    parts = {"Polygon": [coordinates], "MultiPolygon": coordinates}[kind]
    assert all(len(part) == 1 for part in parts)
    return [[(longitude, latitude) for longitude, latitude in ring] for (ring,) in parts]


def shoelace(ring: list[tuple[float, float]]) -> float:
    """Signed area; positive where counter-clockwise."""
    return sum(x * later_y - later_x * y for (x, y), (later_x, later_y) in pairwise(ring)) / 2


def on_ground(found: Footprint, grid: Grid) -> shapely.Geometry:
    """The footprint in the tile's own coordinates, by pyproj."""
    back = Transformer.from_crs(4326, grid.epsg, always_xy=True)
    return shapely.union_all(
        [shapely.Polygon([back.transform(*place) for place in ring]) for ring in rings(found)]
    )


def share(found: Footprint, grid: Grid = TILE) -> float:
    """How much of the tile it covers, in percent."""
    return 100 * float(on_ground(found, grid).area) / (grid.size * grid.resolution) ** 2


def corners(grid: Grid) -> list[tuple[float, float]]:
    """Longitude and latitude of the tile's corners, by pyproj, to six decimals."""
    left, bottom, right, top = grid.bounds
    forth = Transformer.from_crs(grid.epsg, 4326, always_xy=True)
    places = [(right, bottom), (right, top), (left, top), (left, bottom)]
    return [(round(x, 6), round(y, 6)) for x, y in (forth.transform(*each) for each in places)]


def assert_well_formed(found: Footprint) -> None:
    """GeoJSON as RFC 7946 wants it, with six decimals and the bbox of what is drawn."""
    parts = rings(found)
    assert json.loads(json.dumps(found.geometry)) == found.geometry
    for ring in parts:
        assert ring[0] == ring[-1]
        assert shoelace(ring) > 0
        assert shapely.Polygon(ring).is_valid
        assert all(round(number, 6) == number for place in ring for number in place)
        assert all(-180 <= longitude <= 180 for longitude, _ in ring)
    west, south, east, north = found.bbox
    longitudes, latitudes = zip(*[place for ring in parts for place in ring], strict=True)
    assert (south, north) == (min(latitudes), max(latitudes))
    if found.geometry["type"] == "Polygon":
        assert (west, east) == (min(longitudes), max(longitudes))
    else:
        assert west == min(each for each in longitudes if each > 0)
        assert east == max(each for each in longitudes if each < 0)


@pytest.mark.parametrize("tile", [TILE, COARSE], ids=["29PKR", "32TLS"])
def test_a_frame_without_nodata_shows_the_whole_tile(tile: Grid) -> None:
    found = shown(np.ones((tile.size, tile.size), np.bool_), tile)
    (ring,) = rings(found)
    assert len(ring) == 5
    assert set(ring) == set(corners(tile))
    assert share(found, tile) == pytest.approx(100, abs=1e-4)
    assert_well_formed(found)


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_a_half_of_nodata_leaves_the_other_half(side: str) -> None:
    valid = everything()
    half = slice(None, 457) if side in ("left", "top") else slice(457, None)
    if side in ("left", "right"):
        valid[:, half] = False
    else:
        valid[half] = False
    found = shown(valid)
    assert share(found) == pytest.approx(100 * valid.mean(), abs=0.05)
    left, bottom, right, top = on_ground(found, TILE).bounds
    middle = 457 * 120
    expected = {
        "left": (TILE.left + middle, TILE.bounds[1], TILE.bounds[2], TILE.top),
        "right": (TILE.left, TILE.bounds[1], TILE.left + middle, TILE.top),
        "top": (TILE.left, TILE.bounds[1], TILE.bounds[2], TILE.top - middle),
        "bottom": (TILE.left, TILE.top - middle, TILE.bounds[2], TILE.top),
    }
    assert (left, bottom, right, top) == pytest.approx(expected[side], abs=0.2)
    assert_well_formed(found)


@pytest.mark.parametrize("slope", [-0.2, 0.2, 0.7])
def test_a_slanted_swath_is_drawn_with_few_corners(slope: float) -> None:
    rows, columns = np.indices((CELLS, CELLS))
    middle = (columns - 457) + slope * (rows - 457)
    found = shown((middle > -150) & (middle < 200))
    low, high = ((offset - slope * (np.array([0, CELLS]) - 457) + 457) for offset in (-150, 200))
    swath = shapely.Polygon([(low[0], 0), (high[0], 0), (high[1], CELLS), (low[1], CELLS)])
    swath &= shapely.box(0, 0, CELLS, CELLS)
    swath = shapely.transform(swath, lambda each: each * (120, -120) + (TILE.left, TILE.top))
    missed = on_ground(found, TILE).symmetric_difference(swath).area
    assert missed < 0.015 * swath.area
    assert len(rings(found)[0]) < 16
    assert_well_formed(found)


def test_the_outline_is_moved_by_a_hundredth_of_a_degree_at_most() -> None:
    random = np.random.default_rng(5)
    edge = 400 + np.cumsum(random.integers(-6, 7, CELLS // 3 + 1)).repeat(3)[:CELLS]
    valid = np.arange(CELLS) < edge[:, None]
    found = shown(valid)
    forth = Transformer.from_crs(TILE.epsg, 4326, always_xy=True)
    cells = [shapely.box(0, row, int(valid[row].sum()), row + 1) for row in range(CELLS)]
    exact = shapely.transform(
        shapely.union_all(cells),
        lambda each: np.column_stack(
            forth.transform(TILE.left + 120 * each[:, 0], TILE.top - 120 * each[:, 1])
        ),
    )
    drawn = shapely.Polygon(rings(found)[0])
    assert shapely.hausdorff_distance(drawn.exterior, exact.exterior, densify=0.01) < 0.01
    assert len(drawn.exterior.coords) < len(exact.exterior.coords) / 3


def test_the_largest_area_is_the_footprint() -> None:
    valid = everything()
    valid[:, 300:400] = False
    found = shown(valid)
    assert share(found) == pytest.approx(100 * 515 / 915, abs=0.05)
    assert on_ground(found, TILE).bounds[0] == pytest.approx(TILE.left + 400 * 120, abs=0.2)


def test_holes_are_dropped() -> None:
    valid = everything()
    valid[300:500, 200:600] = False
    assert set(rings(shown(valid))[0]) == set(corners(TILE))


@pytest.mark.parametrize("speck", [1, 2])
def test_specks_in_nodata_are_no_ground(speck: int) -> None:
    clean = everything()
    clean[:, 300:] = False
    valid = clean.copy()
    for row, column in product(range(5, CELLS - 5, 7), range(310, CELLS - 5, 9)):
        valid[row : row + speck, column : column + speck] = True
    assert shown(valid) == shown(clean)
    valid[:, :300] = False
    assert covered(valid) is None


def test_a_thread_of_specks_ties_no_areas_together() -> None:
    valid = everything()
    valid[:, 300:400] = False
    valid[100:102, 250:450] = True
    assert share(shown(valid)) == pytest.approx(100 * 515 / 915, abs=0.05)


def test_specks_of_nodata_in_the_ground_change_nothing() -> None:
    valid = everything()
    valid[50::97, 40::89] = False
    assert set(rings(shown(valid))[0]) == set(corners(TILE))


def test_a_frame_without_valid_pixels_has_no_footprint() -> None:
    assert covered(np.zeros((CELLS, CELLS), np.bool_)) is None


def frame(*, scale: float = 2.5, offset: float = 0.0) -> Frame:
    return Frame(
        number=0,
        sensing_time=datetime(2025, 3, 2, tzinfo=UTC),
        baseline="05.11",
        scale=scale,
        offset=offset,
        cloud_cover=None,
        nodata_percentage=None,
    )


def test_plates_and_specks_that_coding_leaks_into_nodata_are_no_ground() -> None:
    codes = np.full((1830, 1830), 700, np.uint16)
    codes[:, 1000:] = 0
    codes[::64, 1000:] = 9
    codes[200:700, 1300:1800] = 1
    codes[900:1700, 1000:1500] = 2
    raster = rescale.to_digital_numbers(Codes(number=0, pixels=codes, bits=12), frame(), TILE)
    found = footprint.outline(raster.coverage, TILE)
    assert found is not None
    assert share(found) == pytest.approx(100 * 1000 / 1830, abs=0.1)


@pytest.mark.parametrize("grid", CROSSING, ids=["01LAC", "01VCG", "60W"])
def test_a_tile_over_the_antimeridian_is_cut_there(grid: Grid) -> None:
    found = shown(everything(), grid)
    assert found.geometry["type"] == "MultiPolygon"
    west, _, east, _ = found.bbox
    assert 170 < west < 180
    assert -180 < east < -170
    eastern, western = sorted(rings(found), key=min, reverse=True)
    assert max(longitude for longitude, _ in eastern) == 180
    assert min(longitude for longitude, _ in western) == -180
    assert set(corners(grid)) <= {*eastern, *western}
    assert share(found, grid) == pytest.approx(100, abs=0.5)
    assert_well_formed(found)


@pytest.mark.parametrize("grid", CROSSING, ids=["01LAC", "01VCG", "60W"])
def test_of_such_a_tile_a_swath_may_lie_on_one_side(grid: Grid) -> None:
    for columns in (slice(100, None), slice(None, -100)):
        valid = everything()
        valid[:, columns] = False
        found = shown(valid, grid)
        assert found.geometry["type"] == "Polygon"
        assert found.bbox[2] - found.bbox[0] < 1
        assert share(found, grid) == pytest.approx(100 * valid.mean(), abs=0.1)
        assert_well_formed(found)


def test_of_such_a_tile_a_slanted_swath_is_cut_as_well() -> None:
    valid = np.add.outer(np.arange(CELLS), np.arange(CELLS)) > 600
    for grid in CROSSING:
        found = shown(valid, grid)
        assert found.geometry["type"] == "MultiPolygon"
        assert found.bbox[0] > found.bbox[2]
        assert share(found, grid) == pytest.approx(100 * valid.mean(), abs=0.5)
        assert_well_formed(found)


@pytest.mark.parametrize("grid", CROSSING, ids=["01LAC", "01VCG", "60W"])
def test_swaths_on_either_side_are_united_across_it(grid: Grid) -> None:
    east, west = everything(), everything()
    east[:, 100:] = False
    west[:, :-100] = False
    found = geometry.united([shown(each, grid).geometry for each in (east, west)])
    assert found.geometry["type"] == "MultiPolygon"
    assert found.bbox[0] > 170
    assert found.bbox[2] < -170
    assert_well_formed(found)


def test_what_reaches_across_by_a_speck_has_its_box_on_one_side() -> None:
    """The speck is simplified away."""
    grid = Grid(epsg=32701, left=99960, top=7700020, resolution=60, size=1830)  # 01KAS
    forth = Transformer.from_crs(grid.epsg, 4326, always_xy=True)
    edges = np.arange(CELLS + 1) * 120 + grid.left
    for first in range(50, 650, 100):
        rows = np.array([first, first + 60])
        east = [forth.transform(edges, np.full(CELLS + 1, grid.top - 120 * row))[0] for row in rows]
        column = max(int(np.argmax(each < 0)) for each in east)
        valid = np.zeros((CELLS, CELLS), np.bool_)
        valid[rows[0] : rows[1], column : column + 200] = True
        valid[first + 20 : first + 23, column - 3 : column] = True
        found = shown(valid, grid)
        assert found.geometry["type"] == "Polygon"
        assert -180 <= found.bbox[0] < found.bbox[2] < -179
        assert_well_formed(found)


@pytest.mark.parametrize(
    ("epsg", "left", "top"),
    [(32631, 499980, 9200040), (32633, 399960, 9400020), (32633, 399960, 7800000)],
    ids=["31XEM", "33XVP", "33WVT"],
)
def test_far_north_the_bent_sides_of_a_tile_are_drawn(epsg: int, left: int, top: int) -> None:
    grid = Grid(epsg=epsg, left=left, top=top, resolution=60, size=1830)
    side = shapely.segmentize(shapely.box(*grid.bounds), 1000)
    forth = Transformer.from_crs(epsg, 4326, always_xy=True)
    exact = shapely.transform(side, lambda each: np.column_stack(forth.transform(*each.T)))
    found = shown(everything(), grid)
    drawn = shapely.Polygon(rings(found)[0])
    assert shapely.hausdorff_distance(drawn.exterior, exact.exterior, densify=0.01) < 0.006
    assert_well_formed(found)


@pytest.mark.parametrize("arms", [(500, 800), (800, 500)])
def test_a_shape_that_crosses_the_antimeridian_twice_is_whole_in_its_bbox(
    arms: tuple[int, int],
) -> None:
    valid = np.zeros((CELLS, CELLS), np.bool_)
    valid[100:700, 100:200] = True
    valid[100:200, 100 : arms[0]] = True
    valid[600:700, 100 : arms[1]] = True
    found = shown(valid, CROSSING[1])
    assert len(rings(found)) == 3
    assert_well_formed(found)


@given(mask=arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_opening_keeps_the_squares_of_three_cells_and_nothing_else(mask: Mask) -> None:
    rows, columns = mask.shape
    kept = np.zeros_like(mask)
    for row, column in product(range(rows), range(columns)):
        square = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
        if mask[square].all():
            kept[square] = True
    np.testing.assert_array_equal(footprint.opened(mask), kept)


def connected(left: set[tuple[int, int]]) -> Iterator[set[tuple[int, int]]]:
    """Cells of each area, connected along edges."""
    while left:
        found, waiting = set(), [left.pop()]
        while waiting:
            row, column = waiting.pop()
            found.add((row, column))
            near = {(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)}
            waiting += near & left
            left -= near
        yield found


def filled(area: set[tuple[int, int]], size: int) -> set[tuple[int, int]]:
    """The area with its holes: all that cannot be reached, along edges, from beside the mask."""
    outside = {(row, column) for row in range(-1, size + 1) for column in range(-1, size + 1)}
    outside = next(each for each in connected(outside - area) if (-1, -1) in each)
    return {(row, column) for row in range(size) for column in range(size)} - outside


@given(seeds=st.lists(st.tuples(*[st.integers(0, 21)] * 2, *[st.integers(3, 9)] * 2), max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_area_is_that_of_the_cells_of_the_largest_area(
    seeds: list[tuple[int, int, int, int]],
) -> None:
    mask = np.zeros((24, 24), np.bool_)
    for row, column, height, width in seeds:
        mask[row : row + height, column : column + width] = True
    assume(not mask.all())
    cells = {(row, column) for row, column in np.argwhere(footprint.opened(mask)).tolist()}
    sizes = [len(filled(area, 24)) for area in connected(cells)]
    found = covered(mask, COARSE)
    assert (found is None) == (not sizes)
    if found is not None:
        assert share(found, COARSE) == pytest.approx(100 * max(sizes) / 24**2, rel=1e-3)
        assert_well_formed(found)


@given(mask=MASKS, grid=st.sampled_from([COARSE, *CROSSING]), cells=st.sampled_from([1, 5, 60]))
@settings(max_examples=60, deadline=None)
def test_no_mask_makes_a_shape_that_is_none(mask: Mask, grid: Grid, cells: int) -> None:
    valid = mask.repeat(3, axis=0).repeat(3, axis=1)
    small = Grid(
        epsg=grid.epsg, left=grid.left, top=grid.top, resolution=10 * cells, size=valid.shape[0]
    )
    found = covered(valid, small)
    if found is not None:
        assert_well_formed(found)


@pytest.mark.parametrize(
    ("resolution", "side", "seed"),
    [(10, 15, 41), (10, 25, 1041), (60, 15, 88), (60, 15, 1428), (120, 8, 993), (120, 25, 158)],
)
def test_a_ragged_shape_is_one_polygon_however_small(resolution: int, side: int, seed: int) -> None:
    """Found by trial: simplified or rounded, these fall to nothing, to pieces or get a hole."""
    valid = np.random.default_rng(seed).random((side, side)) < 0.55
    grid = Grid(epsg=32629, left=199980, top=1600020, resolution=resolution, size=3 * side)
    found = shown(valid.repeat(3, axis=0).repeat(3, axis=1), grid)
    assert found.geometry["type"] == "Polygon"
    assert_well_formed(found)


def test_the_area_is_the_share_that_the_sensor_saw(reference: Reference) -> None:
    for codes, described, nodata, grid in frames(reference):
        raster = rescale.to_digital_numbers(codes, described, grid)
        found = footprint.outline(raster.coverage, grid)
        assert found is not None
        assert_well_formed(found)
        leaked = 60  # valid pixels start near code 100
        seen = 100 * float(((codes.pixels > leaked) & (raster.pixels > 0)).mean())
        assert share(found, grid) == pytest.approx(seen, rel=0.01), codes.number
        if reference.tile == "32TLS":  # whose figures are those of the rasters before encoding
            assert share(found, grid) == pytest.approx(100 - nodata, rel=0.01), codes.number


def frames(reference: Reference) -> Iterator[tuple[Codes, Frame, float, Grid]]:
    """Every decoded frame, its metadata, its nodata in percent as the API says, and the grid."""
    images = _read(reference, "band.json")["images"]
    nodata = [each["nodata_pixel_percentage"] for each in _read(reference, "tci.json")["images"]]
    utm = _read(reference, "bounds.json")["utm"]
    left, _, _, top = utm["bbox"]
    epsg = int(utm["epsg"].removeprefix("EPSG:"))
    grid = Grid(epsg=epsg, left=left, top=top, resolution=60, size=1830)
    for index, path in enumerate(sorted(reference.folder.glob("seg_*.ts"))):
        decoded = decoder.frames(
            path.read_bytes(),
            numbers=range(4 * index, min(4 * index + 4, len(images))),
            timeline=Timeline(origin=ORIGIN),
            shape=grid.shape,
        )
        for codes in decoded:
            image = images[codes.number]
            described = frame(scale=image["scale_factor"], offset=image["add_offset"])
            yield codes, described, nodata[codes.number], grid


def _read(reference: Reference, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((reference.folder / name).read_text())
    return content
