"""Digital numbers are the notebook's wherever they fit, and the statistics are numpy's."""

import tracemalloc
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

import dunia
from stacgen.model.raster import Cleaning, Raster, Statistics
from stacgen.model.stream import Codes, Frame, Grid
from stacgen.raster import rescale

SCALES = st.floats(0.001, 40) | st.sampled_from([1.0, 2.0, 2.5, 10_000 / 4095, 65_535 / 4095])
OFFSETS = st.floats(-3000, 3000) | st.sampled_from([0.0, -1000.0, 1000.0, 0.5, -0.5])
FEW = arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2, max_side=80), fill=None)
TWELVE_BITS = FEW.map(lambda pixels: pixels >> 4)
MOSTLY_NODATA = st.builds(
    lambda pixels, seed: pixels * (np.random.default_rng(seed).random(pixels.shape) < 0.2),
    TWELVE_BITS,
    st.integers(0, 9),
)
EVERY = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def frame(scale: float = 2.5, offset: float = 0.0, *, baseline: str = "05.11") -> Frame:
    return Frame(
        number=0,
        sensing_time=datetime(2025, 3, 2, tzinfo=UTC),
        baseline=baseline,
        scale=scale,
        offset=offset,
        cloud_cover=None,
        nodata_percentage=None,
    )


def rescaled(
    pixels: dunia.Codes,
    scale: float = 2.5,
    offset: float = 0.0,
    *,
    bits: int = 12,
    resolution: int = 60,
    clean_nodata: Cleaning = "none",
    baseline: str = "05.11",
) -> Raster:
    size = pixels.shape[0]
    grid = Grid(epsg=32629, left=199980, top=1600020, resolution=resolution, size=size)
    codes = Codes(number=0, pixels=pixels, bits=bits)
    described = frame(scale, offset, baseline=baseline)
    return rescale.to_digital_numbers(codes, described, grid, clean_nodata=clean_nodata)


def unwrapped(pixels: dunia.Codes, scale: float, offset: float) -> NDArray[np.float64]:
    """The notebook's numbers before its conversion to uint16 wraps them around."""
    return np.asarray(pixels * scale + offset, np.float64)


def by_notebook(codes: NDArray[np.uint16], scale: float, offset: float) -> NDArray[np.uint16]:
    """The notebook's own line; its `img_h_w` has codes of 12 bits in the upper bits of 16."""
    img_h_w = codes << 4
    return ((img_h_w >> 4) * scale + offset).astype(np.uint16)


@given(codes=TWELVE_BITS, scale=SCALES, offset=OFFSETS)
def test_numbers_that_fit_are_those_of_the_notebook(
    codes: NDArray[np.uint16], scale: float, offset: float
) -> None:
    numbers = unwrapped(codes, scale, offset)
    fits = (numbers >= 0) & (numbers <= 65_535)
    codes = np.where(fits, codes, codes[fits][:1] if fits.any() else 0).astype(np.uint16)
    assume(fits.any())
    np.testing.assert_array_equal(
        rescaled(codes, scale, offset).pixels, by_notebook(codes, scale, offset)
    )
    assert rescaled(codes, scale, offset).saturated == 0


@given(scale=SCALES, offset=OFFSETS)
def test_of_all_codes_those_that_do_not_fit_are_at_the_nearer_end(
    scale: float, offset: float
) -> None:
    numbers = unwrapped(EVERY, scale, offset)
    raster = rescaled(EVERY, scale, offset)
    assert (raster.pixels[numbers < 0] == 0).all()
    assert (raster.pixels[numbers > 65_535] == 65_535).all()
    fits = (numbers >= 0) & (numbers <= 65_535)
    assert raster.saturated == int((~fits).sum())
    np.testing.assert_array_equal(raster.pixels[fits], by_notebook(EVERY[fits], scale, offset))


def test_each_saturated_pixel_counts() -> None:
    codes = np.array([[0, 39, 40, 41], [39, 39, 4095, 4095]], np.uint16)
    assert rescaled(codes, 2.5, -100.0).saturated == 4
    raster = rescaled(codes, 20.0, -100.0)
    assert raster.saturated == 3
    assert raster.pixels.tolist() == [[0, 680, 700, 720], [680, 680, 65_535, 65_535]]


@pytest.mark.parametrize("bits", [8, 10, 16])
def test_other_depths_than_twelve_bits_are_rescaled_alike(bits: int) -> None:
    every = np.arange(1 << bits).reshape(16, -1)
    codes: dunia.Codes = every.astype(np.uint8) if bits == 8 else every.astype(np.uint16)
    numbers = unwrapped(codes, 0.75, 3.5).astype(np.uint16)
    np.testing.assert_array_equal(rescaled(codes, 0.75, 3.5, bits=bits).pixels, numbers)


def test_padded_lines_of_the_decoder_are_read_as_they_are() -> None:
    padded = np.random.default_rng(1).integers(0, 4096, (70, 128)).astype(np.uint16)
    padded.flags.writeable = False
    raster = rescaled(padded[:, :70])
    np.testing.assert_array_equal(raster.pixels, by_notebook(padded[:, :70].copy(), 2.5, 0.0))
    assert raster.pixels.flags.c_contiguous


@given(codes=TWELVE_BITS | MOSTLY_NODATA, scale=SCALES, offset=OFFSETS)
def test_statistics_are_those_of_numpy_over_valid_pixels(
    codes: NDArray[np.uint16], scale: float, offset: float
) -> None:
    raster = rescaled(codes, scale, offset)
    found = raster.statistics
    valid = raster.pixels[raster.pixels > 0].astype(np.float64)
    if found is None:
        assert not valid.size
        return
    assert (found.minimum, found.maximum) == (valid.min(), valid.max())
    assert found.count == valid.size
    assert found.valid_percent == 100 * valid.size / raster.pixels.size
    assert found.mean == pytest.approx(float(valid.mean()), rel=1e-12)
    assert found.stddev == pytest.approx(float(valid.std()), rel=1e-12, abs=1e-9)


def test_statistics_of_a_large_frame_lose_nothing() -> None:
    codes = np.full((3000, 3000), 65_534, np.uint16)
    codes[0] = 65_535
    found = rescaled(codes, 1.0, 0.0, bits=16).statistics
    assert found is not None
    assert found.mean == 65_534 + 1 / 3000
    assert found.stddev == pytest.approx((2999 / 3000**2) ** 0.5, rel=1e-15)


def test_a_frame_of_nodata_alone_has_no_statistics() -> None:
    raster = rescaled(np.zeros((60, 60), np.uint16))
    assert raster.statistics is None
    assert not raster.coverage.valid.any()
    assert not raster.pixels.any()


def test_numbers_pressed_to_zero_are_nodata_to_the_statistics() -> None:
    found = rescaled(np.array([[0, 10], [400, 401]], np.uint16), 2.5, -1000.0).statistics
    assert found == Statistics(
        minimum=2, maximum=2, mean=2.0, stddev=0.0, count=1, valid_percent=25.0
    )


@pytest.mark.parametrize(
    ("clean_nodata", "resolution", "most"),
    [("none", 10, 1.1), ("none", 60, 1.45), (20, 10, 1.9), ("auto", 10, 1.9)],
)
def test_memory_beside_the_output_is_small(
    clean_nodata: Cleaning, resolution: int, most: float
) -> None:
    """Coverage takes a few bytes a cell, and cleaning one a pixel, of which the output has two."""
    codes = np.random.default_rng(2).integers(0, 4096, (2000, 2000)).astype(np.uint16)
    tracemalloc.start()
    try:
        pixels = rescaled(codes, resolution=resolution, clean_nodata=clean_nodata).pixels
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pixels.nbytes <= peak < most * pixels.nbytes


def test_codes_are_left_as_they_were() -> None:
    codes = EVERY.copy()
    rescaled(codes, clean_nodata="auto")
    rescaled(codes, clean_nodata=20)
    np.testing.assert_array_equal(codes, EVERY)


def blurred() -> NDArray[np.uint16]:
    """Nodata on the left, leaked codes along it and in it, valid codes and a dark pond."""
    codes = np.full((240, 240), 500, np.uint16)
    codes[:, :100] = 0
    codes[:, 100] = 19
    codes[20:200, 20:40] = 1
    codes[150:160, 200:210] = 5
    return codes


def test_none_leaves_the_pixels_of_the_notebook() -> None:
    raster = rescaled(blurred(), clean_nodata="none")
    assert raster.cleaned == 0
    np.testing.assert_array_equal(raster.pixels, by_notebook(blurred(), 2.5, 0.0))


@pytest.mark.parametrize("clean_nodata", [20, "auto"])
def test_cleaned_leaks_are_nodata_to_pixels_and_statistics(clean_nodata: Cleaning) -> None:
    """The pond lies within the ground, and stays."""
    raster = rescaled(blurred(), clean_nodata=clean_nodata)
    expected = blurred()
    expected[:, :101] = 0
    assert raster.cleaned == 240 + 180 * 20
    np.testing.assert_array_equal(raster.pixels, by_notebook(expected, 2.5, 0.0))
    assert raster.statistics == rescaled(expected).statistics


def test_before_baseline_04_00_a_seam_stays_that_may_be_dark_ground() -> None:
    raster = rescaled(blurred(), clean_nodata="auto", baseline="03.01")
    expected = blurred()
    expected[:, :100] = 0
    np.testing.assert_array_equal(raster.pixels, by_notebook(expected, 2.5, 0.0))


def test_nodata_that_no_zero_is_left_of_is_found_at_the_border_of_the_frame() -> None:
    """A patch of 1 that ground parts from the rest of nodata, and one that ground surrounds."""
    codes = np.full((240, 240), 500, np.uint16)
    codes[:, :50] = 0
    codes[:30, 200:] = 1
    codes[100:120, 100:120] = 1
    raster = rescaled(codes, clean_nodata="auto")
    assert raster.cleaned == 30 * 40
    assert not raster.pixels[:30, 200:].any()
    assert (raster.pixels[100:120, 100:120] == 2).all()


def test_code_zero_that_is_no_ground_becomes_nodata_though_its_number_is_not_zero() -> None:
    codes = blurred()
    raster = rescaled(codes, 2.5, 3.5, clean_nodata="auto")
    assert raster.cleaned == 240 * 101
    assert not raster.pixels[:, :101].any()
    assert (raster.pixels[:, 101:] == by_notebook(codes, 2.5, 3.5)[:, 101:]).all()
    found = raster.statistics
    assert found is not None
    assert found.count == 240 * 139
    assert not raster.coverage.valid[:, :50].any()


def test_numbers_that_are_zero_already_do_not_count_as_cleaned() -> None:
    """An offset of -100 makes 0 of all codes up to 40."""
    assert rescaled(blurred(), 2.5, -100.0, clean_nodata=20).cleaned == 0
    assert rescaled(blurred(), 2.5, -100.0, clean_nodata="auto").cleaned == 0


def test_cleaning_stops_at_the_largest_code_asked_for() -> None:
    assert rescaled(blurred(), clean_nodata=18).cleaned == 180 * 20
    assert rescaled(blurred(), clean_nodata=19).cleaned == 240 + 180 * 20


def test_nothing_is_cleaned_where_code_zero_is_not_nodata() -> None:
    raster = rescaled(blurred(), 2.5, 800.0, clean_nodata="auto")
    assert raster.cleaned == rescaled(blurred(), 2.5, 10.0, clean_nodata=20).cleaned == 0
    np.testing.assert_array_equal(raster.pixels, by_notebook(blurred(), 2.5, 800.0))
    assert raster.coverage.valid.all()


@pytest.mark.parametrize(("resolution", "step"), [(10, 12), (20, 6), (60, 2), (240, 1)])
def test_coverage_has_a_cell_every_120_metres(resolution: int, step: int) -> None:
    codes = np.full((240, 240), 500, np.uint16)
    codes[:120] = 0
    coverage = rescaled(codes, resolution=resolution).coverage
    assert coverage.step == step
    assert coverage.valid.shape == (240 // step, 240 // step)
    assert not coverage.valid[: 120 // step].any()
    assert coverage.valid[120 // step :].all()


def test_coverage_looks_at_the_middle_of_its_cells() -> None:
    codes = np.zeros((24, 24), np.uint16)
    codes[6::12, 6::12] = 500
    assert rescaled(codes, resolution=10).coverage.valid.all()


@pytest.mark.parametrize("clean_nodata", ["auto", "none", 1])
@pytest.mark.parametrize(("bits", "largest"), [(10, 59), (12, 239), (14, 959), (16, 3839)])
def test_coverage_leaves_out_what_cannot_be_ground_however_it_is_cleaned(
    bits: int, largest: int, clean_nodata: Cleaning
) -> None:
    codes = np.full((240, 240), 900 << bits >> 12, np.uint16)
    codes[:, :120] = 0
    codes[:, 118:120] = largest
    scale = 2.5 * 2.0 ** (12 - bits)
    cover = rescaled(codes, scale, bits=bits, clean_nodata=clean_nodata).coverage
    assert not cover.valid[:, :60].any()
    codes[:, 118:120] = largest + 1
    cover = rescaled(codes, scale, bits=bits, clean_nodata=clean_nodata).coverage
    assert cover.valid[:, 59:].all()


@pytest.mark.parametrize(("bits", "largest"), [(10, 0), (12, 3), (14, 12), (16, 48)])
def test_before_baseline_04_00_coverage_leaves_out_the_smallest_codes(
    bits: int, largest: int
) -> None:
    codes = np.full((240, 240), 900, np.uint16)
    codes[:, :120] = 0
    codes[:, 60:120] = largest
    assert not rescaled(codes, bits=bits, baseline="03.01").coverage.valid[:, :60].any()
    codes[:, 60:120] = largest + 1
    assert rescaled(codes, bits=bits, baseline="03.01").coverage.valid[:, 30:].all()


def test_coverage_keeps_small_codes_that_touch_no_nodata() -> None:
    codes = np.full((240, 240), 900, np.uint16)
    codes[:, :20] = 0
    codes[100:140, 100:140] = 1
    valid = rescaled(codes).coverage.valid
    assert not valid[:, :10].any()
    assert valid[:, 10:].all()


def test_coverage_looks_for_leaks_only_where_code_zero_is_nodata() -> None:
    codes = np.zeros((240, 240), np.uint16)
    codes[:, 60:120] = 1
    codes[:, 120:] = 200
    valid = rescaled(codes, -1.0, 150.0).coverage.valid
    assert valid[:, :60].all()
    assert not valid[:, 60:].any()
