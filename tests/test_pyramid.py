"""An overview is the mean of the valid ground under each of its pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from stacgen.raster import overviews

Frame = NDArray[np.uint16]


def frames(largest: int = 40) -> st.SearchStrategy[Frame]:
    """Square frames, with nodata here and there."""
    values = st.one_of(st.just(0), st.integers(0, 65_535))
    sizes = st.integers(2, largest)
    return sizes.flatmap(lambda size: arrays(np.uint16, (size, size), elements=values))


def parts(size: int, half: int) -> NDArray[np.float64]:
    """(half, size): how much of each pixel lies under each of fewer ones that cover the same."""
    ratio = size / half
    table = np.zeros((half, size))
    for wide, narrow in np.ndindex(half, size):
        end, start = min(narrow + 1, (wide + 1) * ratio), max(narrow, wide * ratio)
        table[wide, narrow] = max(0.0, end - start)
    return table


@given(frame=frames())
def test_a_level_is_the_mean_of_the_valid_ground_under_it(frame: Frame) -> None:
    (level,) = overviews.levels(frame, 1)
    table = parts(len(frame), -(-len(frame) // 2))
    shares = table @ (frame > 0) @ table.T
    sums = table @ frame @ table.T
    means = np.divide(sums, shares, where=shares > 1e-9, out=np.zeros_like(shares))
    assert (np.abs(level - means) <= 0.5 + 1e-5 * means).all()


@given(frame=frames(), count=st.integers(0, 5))
def test_a_level_is_nodata_exactly_where_all_under_it_is(frame: Frame, count: int) -> None:
    for level in overviews.levels(frame, count):
        assert level.shape == (-(-len(frame) // 2),) * 2
        table = parts(len(frame), len(level))
        np.testing.assert_array_equal(level == 0, table @ (frame > 0) @ table.T < 1e-9)
        frame = level


@given(value=st.integers(0, 65_535), size=st.integers(2, 70), count=st.integers(0, 5))
def test_a_flat_frame_stays_what_it_is(value: int, size: int, count: int) -> None:
    for level in overviews.levels(np.full((size, size), value, np.uint16), count):
        assert (level == value).all()


@pytest.mark.parametrize("size", [1098, 1830])
def test_smooth_ground_is_where_it_was_at_every_level(size: int) -> None:
    """A ramp has the value of its place, so a shift by a tenth of a pixel would show."""
    ramp = np.broadcast_to(np.arange(size) * 20.0 + 1000, (size, size)).astype(np.uint16)
    levels = overviews.levels(ramp, 5)
    assert len(levels) == 5
    for level in levels:
        ratio = size / len(level)
        centres = (np.arange(len(level)) + 0.5) * ratio - 0.5
        assert np.abs(level[0] - (centres * 20 + 1000)).max() < 2 * ratio


def test_the_frame_is_left_as_it_was() -> None:
    frame = np.random.default_rng(0).integers(0, 4000, (300, 300), np.uint16)
    before = frame.copy()
    overviews.levels(frame, 4)
    np.testing.assert_array_equal(frame, before)


def test_rows_are_taken_in_blocks_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.random.default_rng(0).integers(0, 4000, (396, 396), np.uint16)
    whole = overviews.levels(frame, 4)
    monkeypatch.setattr(overviews, "_BLOCK_PIXELS", 1)
    for ours, theirs in zip(overviews.levels(frame, 4), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
