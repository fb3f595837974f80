"""The bytes of a COG are laid out as GDAL's driver documents it, for readers that look closely."""

import itertools
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from rio_cogeo.cogeo import cog_validate

from stacgen.errors import OutputError
from stacgen.model.raster import Facts
from stacgen.raster import cog_writer, overviews

FACTS = Facts(
    epsg=32629,
    transform=(60, 0, 199980, 0, -60, 1600020),
    nodata=0,
    description="B09",
    scale=0.0001,
    offset=-0.1,
    tags={"STATISTICS_MEAN": "2749.5"},
)

ANY_PIXELS = st.integers(1, 200).flatmap(
    lambda size: arrays(np.uint16, (size, size), elements=st.integers(0, 65_535))
)


def frame(size: int) -> NDArray[np.uint16]:
    return np.random.default_rng(size).integers(0, 12_000, (size, size), np.uint16)


def write(path: Path, pixels: NDArray[np.uint16], *, count: int = 0, blocksize: int = 64) -> Path:
    levels = [pixels, *overviews.levels(pixels, count)]
    cog_writer.write(path, levels, FACTS, blocksize=blocksize)
    return path


def tiles(path: Path) -> list[list[tuple[int, int]]]:
    """Where the tiles of each directory lie, and how long they are: a reader of the test's own."""
    content = path.read_bytes()
    assert content[:4] == b"II*\0"
    (place,) = struct.unpack_from("<I", content, 4)
    found = []
    while place:
        assert place % 2 == 0
        (count,) = struct.unpack_from("<H", content, place)
        lists = {}
        for entry in range(count):
            at = place + 2 + 12 * entry
            tag, _, number, value = struct.unpack_from("<HHII", content, at)
            if tag in (324, 325):
                where = at + 8 if number == 1 else value
                lists[tag] = struct.unpack_from(f"<{number}I", content, where)
        found.append(list(zip(lists[324], lists[325], strict=True)))
        (place,) = struct.unpack_from("<I", content, place + 2 + 12 * count)
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pixels=ANY_PIXELS, blocksize=st.sampled_from([16, 64, 80]))
def test_any_pixels_come_back(pixels: NDArray[np.uint16], blocksize: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", pixels, blocksize=blocksize)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), pixels)


def test_it_is_valid_and_cloud_optimized_with_every_overview(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", frame(1830), count=4, blocksize=512)
    assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2, 4, 8, 16]
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_directories_come_first_and_the_smallest_overview_before_all_others(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", frame(900), count=3)
    levels = tiles(path)
    assert len(levels) == 4
    places = [offset for level in reversed(levels) for offset, _ in level]
    assert places == sorted(places)
    last, length = levels[0][-1]
    assert last + length + 4 == path.stat().st_size


def test_each_tile_has_its_length_before_it_and_its_last_bytes_after_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", frame(900), count=3)
    content = path.read_bytes()
    for offset, length in (tile for level in tiles(path) for tile in level):
        assert struct.unpack_from("<I", content, offset - 4) == (length,)
        end = offset + length
        assert content[end : end + 4] == content[end - 4 : end]
        assert len(zlib.decompress(content[offset:end])) == 2 * 64 * 64


def test_one_tile_follows_the_other_without_a_gap(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", frame(300), count=1)
    places = sorted(tile for level in tiles(path) for tile in level)
    for (offset, length), (following, _) in itertools.pairwise(places):
        assert following == offset + length + 8


def test_what_gdal_looks_for_behind_the_header_has_the_length_it_says(tmp_path: Path) -> None:
    content = write(tmp_path / "a.tif", frame(100)).read_bytes()
    name, _, rest = content[8:].partition(b"=")
    assert name == b"GDAL_STRUCTURAL_METADATA_SIZE"
    length, _, rest = rest.partition(b" bytes\n")
    layout = rest[: int(length)]
    assert layout.startswith(b"LAYOUT=IFDS_BEFORE_DATA\n")
    assert layout.endswith(b"KNOWN_INCOMPATIBLE_EDITION=NO\n ")


@pytest.mark.parametrize("text", ["B09", "a < b", 'said "so"'])
def test_texts_and_places_come_back(tmp_path: Path, text: str) -> None:
    transform = (10.0, 0.0, 600_000.0, 0.0, -10.0, 9_900_040.0)
    facts = replace(FACTS, epsg=32701, transform=transform, description=text, tags={"NOTE": text})
    cog_writer.write(tmp_path / "a.tif", [frame(16)], facts, blocksize=16)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.crs.to_epsg() == 32701
        assert tuple(dataset.transform)[:6] == transform
        assert dataset.tags(1)["NOTE"] == text
        assert dataset.descriptions == (text,)


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written: No such file or directory\.$"):
        write(tmp_path / "none" / "a.tif", frame(16))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    pixels=st.integers(1, 90).flatmap(lambda size: arrays(np.uint8, (size, size, 3))),
    blocksize=st.sampled_from([16, 64]),
)
def test_any_colours_come_back(pixels: NDArray[np.uint8], blocksize: int, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    rows = (pixels[row : row + blocksize] for row in range(0, len(pixels), blocksize))
    sheet = cog_writer.Sheet(shape=pixels.shape, dtype="uint8", bands=rows)
    facts = replace(FACTS, description="red", more=("green", "blue"), tags={})
    cog_writer.write_sheets(path, [sheet], facts, blocksize=blocksize)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read().transpose(1, 2, 0), pixels)
        assert dataset.descriptions == ("red", "green", "blue")
