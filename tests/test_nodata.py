"""Leaks are found as a flood fill in plain Python finds them."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from stacgen import nodata

Field = NDArray[np.uint16]

FEW_CODES = st.sampled_from([0, 1, 2, 3, 3, 9, 9, 9])
FIELDS = arrays.arrays(
    np.uint16,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=14),
    elements=FEW_CODES,
    fill=st.nothing(),
)


def flooded(codes: Field, up_to: int) -> list[list[bool]]:
    """The same, pixel by pixel: from each nodata pixel on to all that can be reached."""
    rows, columns = codes.shape
    found: set[tuple[int, int]] = set()
    waiting = [(int(row), int(column)) for row, column in zip(*np.nonzero(codes == 0), strict=True)]
    while waiting:
        row, column = waiting.pop()
        for near in product((row - 1, row, row + 1), (column - 1, column, column + 1)):
            is_inside = 0 <= near[0] < rows and 0 <= near[1] < columns
            if is_inside and 0 < codes[near] <= up_to and near not in found:
                found.add(near)
                waiting.append(near)
    return [[(row, column) in found for column in range(columns)] for row in range(rows)]


@given(codes=FIELDS, up_to=st.integers(0, 9))
def test_leaks_are_those_of_a_flood_fill(codes: Field, up_to: int) -> None:
    assert nodata.leaked(codes, up_to=up_to).tolist() == flooded(codes, up_to)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.002, 0.1])
def test_leaks_cross_the_blocks_of_rows_that_are_read_at_once(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    codes = random.choice([1, 2, 9], (700, 5), p=[0.5, 0.2, 0.3]).astype(np.uint16)
    codes[random.random(codes.shape) < share] = 0
    assert nodata.leaked(codes, up_to=2).tolist() == flooded(codes, 2)


@pytest.mark.parametrize("row", [0, 255, 256, 257, 511, 512, 599])
def test_nodata_on_any_row_is_seen_from_the_next(row: int) -> None:
    codes = np.full((600, 3), 9, np.uint16)
    codes[row, 0] = 0
    near = [each for each in (row - 1, row + 1) if 0 <= each < 600]
    codes[near, 1] = 1
    found = nodata.leaked(codes, up_to=1)
    assert found[near, 1].all()
    assert int(found.sum()) == len(near)


def test_pixels_at_opposite_edges_do_not_touch() -> None:
    codes = np.array([[0, 9, 1], [9, 9, 1], [1, 9, 9]], np.uint16)
    assert not nodata.leaked(codes, up_to=1).any()


def test_a_leak_creeps_around_corners_as_far_as_it_goes() -> None:
    snake = ["01999", "99199", "91999", "19991", "91119"]
    codes = np.array([list(map(int, line)) for line in snake], np.uint16)
    found = nodata.leaked(codes, up_to=1)
    np.testing.assert_array_equal(found, codes == 1)


@pytest.mark.parametrize("value", [0, 1, 9])
def test_a_field_of_one_code_holds_no_leak(value: int) -> None:
    assert not nodata.leaked(np.full((300, 7), value, np.uint16), up_to=5).any()


def test_octets_and_the_decoders_read_only_memory_are_taken_as_they_are() -> None:
    codes = np.array([[0, 1, 9, 77], [9, 9, 1, 77]], np.uint8)
    codes.flags.writeable = False
    assert nodata.leaked(codes[:, :3], up_to=1).tolist() == [
        [False, True, False],
        [False, False, True],
    ]


def test_memory_is_a_byte_a_pixel_and_little_beside() -> None:
    codes = np.full((2000, 2000), 500, np.uint16)
    codes[:, :1000] = 0
    codes[::7, ::7][:, :100] = 1
    tracemalloc.start()
    try:
        found = nodata.leaked(codes, up_to=3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * codes.size + 30 * int(found.sum())
