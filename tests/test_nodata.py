"""Nodata is found as a flood fill in plain Python finds it; its rule spares the ground."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from stacgen.errors import UsageError
from stacgen.model.raster import Reflectance
from stacgen.raster import nodata
from stacgen.raster.nodata import Rule

Field = NDArray[np.uint16]

FEW_CODES = st.sampled_from([0, 1, 2, 3, 3, 9, 9, 9])
FIELDS = arrays.arrays(
    np.uint16,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=14),
    elements=FEW_CODES,
    fill=st.nothing(),
)
BEFORE, SINCE = Reflectance.of("03.01"), Reflectance.of("04.00")


def outside(codes: Field | NDArray[np.uint8], up_to: int, at_border: int = 0) -> NDArray[np.bool_]:
    return nodata.outside(codes, Rule(up_to=up_to, at_border=at_border))


def flooded(codes: Field, up_to: int, at_border: int = 0) -> list[list[bool]]:
    """The same, pixel by pixel: from each nodata pixel on to all that can be reached."""
    rows, columns = codes.shape
    border = np.ones(codes.shape, np.bool_)
    border[1:-1, 1:-1] = False
    seeds = (codes == 0) | (border & (codes <= at_border))
    found = {(int(row), int(column)) for row, column in zip(*np.nonzero(seeds), strict=True)}
    waiting = list(found)
    while waiting:
        row, column = waiting.pop()
        for near in product((row - 1, row, row + 1), (column - 1, column, column + 1)):
            is_inside = 0 <= near[0] < rows and 0 <= near[1] < columns
            if is_inside and codes[near] <= up_to and near not in found:
                found.add(near)
                waiting.append(near)
    return [[(row, column) in found for column in range(columns)] for row in range(rows)]


@given(codes=FIELDS, up_to=st.integers(0, 9), at_border=st.integers(0, 3))
def test_nodata_is_that_of_a_flood_fill(codes: Field, up_to: int, at_border: int) -> None:
    at_border = min(up_to, at_border)
    assert outside(codes, up_to, at_border).tolist() == flooded(codes, up_to, at_border)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.002, 0.1])
def test_leaks_cross_the_blocks_of_rows_that_are_read_at_once(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    codes = random.choice([1, 2, 9], (700, 5), p=[0.5, 0.2, 0.3]).astype(np.uint16)
    codes[random.random(codes.shape) < share] = 0
    assert outside(codes, 2).tolist() == flooded(codes, 2)


@pytest.mark.parametrize("row", [0, 255, 256, 257, 511, 512, 599])
def test_nodata_on_any_row_is_seen_from_the_next(row: int) -> None:
    codes = np.full((600, 3), 9, np.uint16)
    codes[row, 0] = 0
    near = [each for each in (row - 1, row + 1) if 0 <= each < 600]
    codes[near, 1] = 1
    found = outside(codes, 1)
    assert found[near, 1].all()
    assert int(found.sum()) == len(near) + 1


def test_pixels_at_opposite_edges_do_not_touch() -> None:
    codes = np.array([[0, 9, 1], [9, 9, 1], [1, 9, 9]], np.uint16)
    assert int(outside(codes, 1).sum()) == 1


def test_a_leak_creeps_around_corners_as_far_as_it_goes() -> None:
    snake = ["01999", "99199", "91999", "19991", "91119"]
    codes = np.array([list(map(int, line)) for line in snake], np.uint16)
    np.testing.assert_array_equal(outside(codes, 1), codes <= 1)


@pytest.mark.parametrize("value", [0, 1, 9])
def test_a_field_of_one_code_holds_no_leak(value: int) -> None:
    found = outside(np.full((300, 7), value, np.uint16), 5)
    assert (found == (value == 0)).all()


def test_octets_and_the_decoders_read_only_memory_are_taken_as_they_are() -> None:
    codes = np.array([[0, 1, 9, 77], [9, 9, 1, 77]], np.uint8)
    codes.flags.writeable = False
    assert outside(codes[:, :3], 1).tolist() == [[True, True, False], [False, False, True]]


def test_memory_is_a_byte_a_pixel_and_little_beside() -> None:
    codes = np.full((2000, 2000), 500, np.uint16)
    codes[:, :1000] = 0
    codes[::7, ::7][:, :100] = 1
    tracemalloc.start()
    try:
        found = outside(codes, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * codes.size + 30 * int((found & (codes > 0)).sum())


def rule(
    present: dict[int, int], reflectance: Reflectance, *, scale: float = 2.5, offset: float = 0.0
) -> Rule | None:
    """That of a frame which has so many pixels of each code, of a million."""
    histogram = np.zeros(4096, np.int64)
    for code, count in {**present, 3000: 1_000_000 - sum(present.values())}.items():
        histogram[code] = count
    numbers = np.clip(np.arange(4096) * scale + offset, 0, 65_535).astype(np.uint16)
    return nodata.automatic(numbers, histogram, reflectance, bits=12)


def test_from_baseline_04_00_on_all_below_the_darkest_ground_is_nodata() -> None:
    found = rule({0: 200_000, 1: 50_000}, SINCE)
    assert found == Rule(up_to=239, at_border=3)  # 239 x 2.5 is the last below DN 600
    assert rule({0: 200_000, 1: 50_000}, SINCE, scale=4.0) == Rule(up_to=149, at_border=3)


def test_before_baseline_04_00_only_the_smallest_codes_are() -> None:
    assert rule({0: 200_000, 1: 50_000}, BEFORE) == Rule(up_to=3)


@pytest.mark.parametrize("reflectance", [BEFORE, SINCE])
def test_a_frame_without_code_zero_or_without_leaks_has_no_rule(reflectance: Reflectance) -> None:
    assert rule({1: 50_000, 2: 10}, reflectance) is None
    assert rule({0: 50_000}, reflectance) is None


def test_numbers_that_are_darker_than_ground_all_over_are_ground() -> None:
    """As where the stream does not add the 1000 of the baseline: then the sea is as dark."""
    assert rule({0: 200_000, 100: 49_000}, SINCE) == Rule(up_to=239, at_border=3)
    assert rule({0: 200_000, 1: 100_000, 100: 51_000}, SINCE) == Rule(up_to=3, at_border=3)


def test_code_zero_is_nodata_where_its_number_is_near_zero() -> None:
    """No nodata is made up where code 0 is the darkest ground."""
    present = {0: 200_000, 1: 50_000}
    assert rule(present, SINCE, offset=3.5) == Rule(up_to=238, at_border=3)
    assert rule(present, SINCE, offset=1000.0) is None
    assert rule(present, SINCE, offset=121.0) is None
    assert rule(present, BEFORE, offset=1.0) is None
    assert rule(present, BEFORE, offset=0.5) == Rule(up_to=3)


def test_a_reflectance_of_the_users_own_sets_the_threshold() -> None:
    present = {0: 200_000, 1: 50_000}
    assert rule(present, Reflectance(scale=0.0001, offset=0.0)) == Rule(up_to=3)
    found = rule(present, Reflectance(scale=0.0002, offset=-0.2))
    assert found == Rule(up_to=319, at_border=3)  # (0.2 - 0.04) / 0.0002 = 800


@pytest.mark.parametrize("value", ["", "0", "-1", "automatic", "1.5", "N", "1e3", "123456", 0, -3])
def test_what_is_no_way_of_cleaning_is_refused_in_a_sentence(value: str | int) -> None:
    with pytest.raises(UsageError, match="--clean-nodata takes auto, none, or a code such as 20"):
        nodata.parse(value)
