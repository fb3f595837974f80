"""A quicklook shows the valid pixels from dark to bright, and nothing where there are none."""

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from stacgen.raster import thumbnail

# A PNG lies nowhere on the ground, of which rasterio warns whoever reads one.
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

Field = NDArray[np.uint16]

FIELDS = arrays.arrays(
    np.uint16,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=20),
    elements=st.sampled_from([0, 0, 1, 65_535]) | st.integers(0, 65_535),
    fill=st.nothing(),
)


def read(png: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Brightness and opacity as GDAL reads them from the file."""
    with rasterio.MemoryFile(png, ext=".png") as file, file.open() as dataset:
        assert dataset.driver == "PNG"
        assert dataset.dtypes == ("uint8", "uint8")
        assert [each.name for each in dataset.colorinterp] == ["gray", "alpha"]
        return dataset.read(1), dataset.read(2)


def ramp() -> Field:
    """10,001 values from 1000 to 11,000, mixed, with nodata between them."""
    values = np.random.default_rng(3).permutation(np.arange(1000, 11_001))
    field = np.zeros(146 * 137, np.uint16)
    field[::2][:10_001] = values
    return field.reshape(146, 137)


def test_a_png_is_what_comes_out() -> None:
    assert thumbnail.encode(ramp()).startswith(b"\x89PNG\r\n\x1a\n")


@given(preview=FIELDS)
@settings(max_examples=50, deadline=None)
def test_it_is_transparent_exactly_where_there_is_nodata(preview: Field) -> None:
    _, opacity = read(thumbnail.encode(preview))
    np.testing.assert_array_equal(opacity, np.where(preview == 0, 0, 255))


@given(preview=FIELDS)
@settings(max_examples=50, deadline=None)
def test_a_brighter_pixel_is_never_darker_in_the_picture(preview: Field) -> None:
    brightness, _ = read(thumbnail.encode(preview))
    seen = brightness[preview > 0][np.argsort(preview[preview > 0], kind="stable")]
    assert (np.diff(seen.astype(int)) >= 0).all()


def test_the_second_percentile_is_black_and_the_98th_white() -> None:
    preview = ramp()
    brightness, _ = read(thumbnail.encode(preview))
    assert (brightness[(preview > 0) & (preview <= 1200)] == 0).all()
    assert (brightness[preview >= 10_800] == 255).all()
    between = (preview > 1240) & (preview < 10_760)
    assert brightness[between].min() > 0
    assert brightness[between].max() < 255


def test_brightness_grows_evenly_between_the_percentiles() -> None:
    preview = ramp()
    brightness, _ = read(thumbnail.encode(preview))
    expected = (preview[preview > 0].astype(float) - 1200) / 9600 * 255
    assert (np.abs(brightness[preview > 0] - expected.clip(0, 255)) <= 0.51).all()


def test_nodata_has_no_part_in_the_stretch() -> None:
    preview = ramp()
    alone, _ = read(thumbnail.encode(preview[preview > 0].reshape(1, -1)))
    among, _ = read(thumbnail.encode(preview))
    np.testing.assert_array_equal(among[preview > 0], alone[0])
    assert not among[preview == 0].any()


@pytest.mark.parametrize("value", [1, 700, 65_535])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3)])
def test_a_frame_of_one_value_is_opaque(value: int, shape: tuple[int, int]) -> None:
    brightness, opacity = read(thumbnail.encode(np.full(shape, value, np.uint16)))
    assert opacity.shape == shape
    assert (opacity == 255).all()
    assert len(np.unique(brightness)) == 1


def test_a_frame_of_nodata_alone_is_transparent() -> None:
    brightness, opacity = read(thumbnail.encode(np.zeros((4, 6), np.uint16)))
    assert not brightness.any()
    assert not opacity.any()


def test_rows_and_columns_stay_where_they_are() -> None:
    preview = np.full((4, 6), 1000, np.uint16)
    preview[0, :3] = 3000
    brightness, _ = read(thumbnail.encode(preview))
    np.testing.assert_array_equal(brightness, np.where(preview == 3000, 255, 0))


def test_the_same_preview_makes_the_same_bytes_and_stays_as_it_was() -> None:
    preview = ramp()
    assert thumbnail.encode(preview) == thumbnail.encode(preview)
    np.testing.assert_array_equal(preview, ramp())
