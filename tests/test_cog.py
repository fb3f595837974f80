"""A COG says what the raster held, to rasterio and rio-cogeo as to any reader."""

import resource
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rio_cogeo.cogeo import cog_validate

from stacgen.errors import OutputError, UsageError
from stacgen.model import bands
from stacgen.model import cog_profile as profile
from stacgen.model.cog_profile import CogProfile
from stacgen.model.raster import Cog, Facts, Raster, Reflectance
from stacgen.model.stream import Codes, Frame, Grid
from stacgen.raster import cog, gdal, rescale

SIZE = 1100
GRID = Grid(epsg=32629, left=199980, top=1600020, resolution=60, size=SIZE)
LABELS = cog.Labels(band=bands.find("B09"), reflectance=Reflectance(offset=-0.1))
COMPRESSIONS = [each for each in get_args(profile.Compression) if each not in ("jpeg", "webp")]


def raster(size: int = SIZE, *, seed: int = 0) -> Raster:
    """Hills with noise; nodata in a corner, and scattered."""
    rows, columns = np.indices((size, size))
    random = np.random.default_rng(seed)
    codes = 1200 + 600 * np.sin(columns / 90 + seed) + 500 * np.cos(rows / 70)
    codes += random.integers(0, 40, codes.shape)
    codes[(rows + columns < size // 2) | (random.random(codes.shape) < 0.01)] = 0
    moment = datetime(2025, 3, 2, tzinfo=UTC)
    frame = Frame(
        number=0,
        sensing_time=moment,
        baseline="05.11",
        scale=2.5,
        offset=0.0,
        cloud_cover=None,
        nodata_percentage=None,
    )
    pixels = Codes(number=0, pixels=codes.astype(np.uint16), bits=12)
    return rescale.to_digital_numbers(pixels, frame, replace(GRID, size=size))


@pytest.fixture(scope="module")
def source() -> Raster:
    return raster()


def write(source: Raster, path: Path, profile: CogProfile | None = None) -> Cog:
    grid = replace(GRID, size=source.pixels.shape[0])
    return cog.encode(source, grid, LABELS, path, profile=profile or CogProfile())


@pytest.fixture(scope="module")
def written(source: Raster, tmp_path_factory: pytest.TempPathFactory) -> Cog:
    """The raster with the default profile."""
    return write(source, tmp_path_factory.mktemp("cog") / "default.tif")


def plain(path: Path, pixels: NDArray[np.uint16]) -> Path:
    """A GeoTIFF without any of our doing, with nodata 0."""
    rows, columns = pixels.shape
    facts = {"width": columns, "height": rows, "count": 1, "dtype": "uint16", "nodata": 0}
    place = {"crs": "EPSG:32629", "transform": rasterio.Affine(*GRID.transform)}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, **facts, **place) as dataset:
        dataset.write(pixels, 1)
    return path


def levels(path: Path) -> list[NDArray[np.uint16]]:
    """The pixels of each overview, the largest first."""
    with rasterio.open(path) as dataset:
        count = len(dataset.overviews(1))
    found = []
    for level in range(count):
        with rasterio.open(path, overview_level=level) as dataset:
            found.append(dataset.read(1))
    return found


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writing fails beyond so many bytes, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("blocksize", [256, 512])
def test_pixels_come_back_from_a_valid_cog(
    source: Raster, tmp_path: Path, compress: profile.Compression, blocksize: int
) -> None:
    path = tmp_path / "a.tif"
    made = write(source, path, CogProfile(compress=compress, blocksize=blocksize))
    assert made.path == path
    assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), source.pixels)
        assert dataset.block_shapes == [(blocksize, blocksize)]
        structure = dataset.tags(ns="IMAGE_STRUCTURE")
        assert structure.get("COMPRESSION", "NONE") == compress.upper()
        assert structure["LAYOUT"] == "COG"
        assert structure.get("PREDICTOR") == (
            "2" if compress in ("deflate", "zstd", "lzw") else None
        )


def test_there_are_six_compressions_for_bands() -> None:
    assert set(COMPRESSIONS) == {"deflate", "zstd", "lerc", "lerc_zstd", "lzw", "none"}


@pytest.mark.parametrize(
    ("compress", "low", "high"), [("deflate", 1, 9), ("zstd", 1, 12), ("lerc_zstd", 1, 12)]
)
def test_a_higher_level_makes_a_smaller_file_of_the_same_pixels(
    source: Raster, tmp_path: Path, compress: profile.Compression, low: int, high: int
) -> None:
    sizes = []
    for level in (low, high):
        path = tmp_path / f"{level}.tif"
        sizes.append(write(source, path, CogProfile(compress=compress, level=level)).file.size)
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(dataset.read(1), source.pixels)
    assert sizes[1] < sizes[0]


def test_the_default_says_what_gdal_would_say_of_the_same_raster(
    source: Raster, written: Cog, tmp_path: Path
) -> None:
    """With a level named, GDAL writes the file: an oracle for that which we write ourselves."""
    other = write(source, tmp_path / "a.tif", CogProfile(level=1))
    assert (set(written.software), set(other.software)) == ({"isa-l"}, {"gdal"})
    facts = ("profile", "scales", "offsets", "descriptions", "units", "colorinterp")
    with rasterio.open(written.path) as ours, rasterio.open(other.path) as theirs:
        for fact in (*facts, "mask_flag_enums", "bounds", "nodatavals"):
            assert getattr(ours, fact) == getattr(theirs, fact)
        assert ours.tags() == theirs.tags()
        assert ours.tags(1) == theirs.tags(1)
        assert ours.tags(ns="IMAGE_STRUCTURE") == theirs.tags(ns="IMAGE_STRUCTURE")
        assert ours.overviews(1) == theirs.overviews(1)
    for mine, its in zip(levels(written.path), levels(other.path), strict=True):
        np.testing.assert_array_equal(mine, its)  # 1100 is halved twice without a remainder


def test_the_default_is_little_larger_than_level_1(
    source: Raster, written: Cog, tmp_path: Path
) -> None:
    other = write(source, tmp_path / "a.tif", CogProfile(level=1))
    assert written.file.size < 1.04 * other.file.size


@pytest.mark.parametrize(
    ("size", "factors"),
    [(300, []), (512, []), (513, [2]), (1024, [2]), (1100, [2, 4]), (1830, [2, 4])],
)
def test_overviews_go_down_to_512_pixels(tmp_path: Path, size: int, factors: list[int]) -> None:
    made = write(raster(size), tmp_path / "a.tif")
    with rasterio.open(made.path) as dataset:
        assert dataset.overviews(1) == factors
    assert [max(level.shape) <= 512 for level in levels(made.path)] == [
        factor == factors[-1] for factor in factors
    ]


@pytest.mark.parametrize("method", get_args(profile.Resampling))
def test_an_overview_is_that_which_gdal_builds_over_a_plain_file(
    source: Raster, tmp_path: Path, method: profile.Resampling
) -> None:
    made = write(source, tmp_path / "a.tif", CogProfile(overview_resampling=method))
    with rasterio.open(plain(tmp_path / "plain.tif", source.pixels), "r+") as dataset:
        dataset.build_overviews([2], Resampling[method])
    np.testing.assert_array_equal(levels(made.path)[0], levels(tmp_path / "plain.tif")[0])


@pytest.mark.parametrize(("level", "factor"), [(0, 2), (1, 4)])
def test_an_averaged_overview_leaves_nodata_out_at_every_level(
    written: Cog, source: Raster, level: int, factor: int
) -> None:
    side = SIZE // factor
    cells = source.pixels.reshape(side, factor, side, factor).swapaxes(1, 2).reshape(side, side, -1)
    counts = (cells > 0).sum(axis=2)
    assert {0, 1, factor**2} <= set(counts.ravel().tolist())
    sums = cells.sum(axis=2, dtype=np.int64)
    means = np.divide(sums, counts, where=counts > 0, out=np.zeros(counts.shape))
    overview = levels(written.path)[level]
    assert (np.abs(overview - means) <= 0.5).all()
    assert ((overview == 0) == (counts == 0)).all()


@pytest.mark.parametrize("method", get_args(profile.Resampling))
def test_overviews_of_a_frame_without_nodata_are_no_different(
    source: Raster, tmp_path: Path, method: profile.Resampling
) -> None:
    """They are made on a faster way, and must be those that GDAL makes with nodata in mind."""
    filled = np.where(source.pixels == 0, 4000, source.pixels)
    assert source.statistics is not None
    statistics = replace(source.statistics, count=filled.size)
    whole = replace(source, pixels=filled, statistics=statistics)
    made = write(whole, tmp_path / "a.tif", CogProfile(overview_resampling=method))
    with rasterio.open(plain(tmp_path / "plain.tif", filled), "r+") as dataset:
        dataset.build_overviews([2], Resampling[method])
    np.testing.assert_array_equal(levels(made.path)[0], levels(tmp_path / "plain.tif")[0])
    with rasterio.open(made.path) as dataset:
        assert dataset.nodata == 0


def test_the_preview_is_the_smallest_overview(written: Cog) -> None:
    np.testing.assert_array_equal(written.preview, levels(written.path)[-1])


def test_a_frame_without_overviews_is_its_own_preview(tmp_path: Path) -> None:
    small = raster(300)
    np.testing.assert_array_equal(write(small, tmp_path / "a.tif").preview, small.pixels)


def test_rasterio_reads_what_the_pixels_mean(written: Cog) -> None:
    with rasterio.open(written.path) as dataset:
        assert dataset.dtypes == ("uint16",)
        assert dataset.nodata == 0
        assert dataset.scales == (0.0001,)
        assert dataset.offsets == (-0.1,)
        assert dataset.descriptions == ("B09",)


def test_rasterio_reads_where_the_pixels_lie(written: Cog) -> None:
    with rasterio.open(written.path) as dataset:
        assert dataset.crs.to_epsg() == 32629
        assert dataset.transform == rasterio.Affine(60, 0, 199980, 0, -60, 1600020)
        assert tuple(dataset.bounds) == GRID.bounds
        assert dataset.shape == GRID.shape


def test_statistics_in_the_file_are_those_that_gdal_computes(
    written: Cog, source: Raster, tmp_path: Path
) -> None:
    with rasterio.open(plain(tmp_path / "plain.tif", source.pixels)) as dataset:
        (computed,) = dataset.stats(indexes=[1])
    with rasterio.open(written.path) as dataset:
        tags = dataset.tags(1)
    assert float(tags["STATISTICS_MINIMUM"]) == computed.min
    assert float(tags["STATISTICS_MAXIMUM"]) == computed.max
    assert float(tags["STATISTICS_MEAN"]) == pytest.approx(computed.mean, rel=1e-12)
    assert float(tags["STATISTICS_STDDEV"]) == pytest.approx(computed.std, rel=1e-9)
    share = 100 * np.count_nonzero(source.pixels) / source.pixels.size
    assert float(tags["STATISTICS_VALID_PERCENT"]) == pytest.approx(share, rel=1e-5)


def test_without_statistics_none_are_written(source: Raster, tmp_path: Path) -> None:
    made = write(replace(source, statistics=None), tmp_path / "a.tif")
    with rasterio.open(made.path) as dataset:
        assert not [tag for tag in dataset.tags(1) if tag.startswith("STATISTICS")]


def test_size_and_checksum_are_those_of_the_file(written: Cog) -> None:
    content = written.path.read_bytes()
    assert written.file.size == len(content)
    assert written.file.sha256 == sha256(content).hexdigest()


def test_nothing_but_the_cog_is_left_in_the_folder(source: Raster, tmp_path: Path) -> None:
    write(source, tmp_path / "a.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_a_raster_is_left_as_it_was(source: Raster, tmp_path: Path) -> None:
    before = source.pixels.copy()
    write(source, tmp_path / "a.tif")
    np.testing.assert_array_equal(source.pixels, before)


def test_the_same_raster_makes_the_same_bytes(source: Raster, written: Cog, tmp_path: Path) -> None:
    assert write(source, tmp_path / "other-name.tif").file == written.file


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": 0},
        {"level": 13},
        {"compress": "zstd", "level": 0},
        {"compress": "zstd", "level": 23},
        {"compress": "lerc_zstd", "level": 23},
        {"compress": "lzw", "level": 1},
        {"compress": "none", "level": 1},
        {"compress": "lerc", "level": 1},
        {"blocksize": 0},
        {"blocksize": 48},
        {"blocksize": 72},
        {"blocksize": 500},
        {"blocksize": -512},
    ],
)
def test_a_profile_that_gdal_would_not_follow_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"(levels (from|none)|A block of)"):
        CogProfile(**wrong)


@pytest.mark.parametrize("compress", ["zstd", "lerc_zstd"])
def test_zstd_goes_up_to_level_22(compress: profile.Compression) -> None:
    assert CogProfile(compress=compress, level=22).options()["LEVEL"] == "22"


@pytest.mark.parametrize(
    "profile",
    [CogProfile(level=12), *(CogProfile(blocksize=pixels) for pixels in (64, 80, 2048))],
)
def test_a_profile_at_its_limits_is_followed(tmp_path: Path, profile: CogProfile) -> None:
    small = raster(200)
    with rasterio.open(write(small, tmp_path / "a.tif", profile).path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), small.pixels)
        assert dataset.block_shapes == [(profile.blocksize, profile.blocksize)]


@pytest.mark.parametrize("path", ["missing/a.tif", "file/a.tif", "folder"])
def test_a_path_that_cannot_be_written_is_an_output_error(
    source: Raster, tmp_path: Path, path: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"The COG .* cannot be written: .*\.$"):
        write(source, tmp_path / path)


@pytest.mark.parametrize(
    "lost", [1, 4, 100, 1000, 4000, 4096, 20_000, 0.5, 0.74, 0.824, 0.982, 0.999]
)
def test_a_full_disk_is_an_output_error_however_little_is_lost(
    source: Raster, written: Cog, tmp_path: Path, lost: float
) -> None:
    size = written.file.size
    fits = size - int(lost if lost >= 1 else lost * size)
    with largest_file(fits), pytest.raises(OutputError, match="cannot be written"):
        write(source, tmp_path / "a.tif")


def test_a_file_that_is_no_valid_cog_is_an_output_error(source: Raster, tmp_path: Path) -> None:
    facts = Facts(
        epsg=32629,
        transform=GRID.transform,
        description="B09",
        scale=1,
        offset=0,
        nodata=0,
        tags={},
    )
    options = {**CogProfile().options(), "OVERVIEWS": "NONE"}
    with (
        gdal.in_memory(source.pixels, facts) as dataset,
        pytest.raises(OutputError, match=r"is not a valid COG and is not published: .*overviews"),
    ):
        gdal.write_cog(dataset, tmp_path / "a.tif", options)


def test_threads_write_side_by_side_what_one_writes_alone(tmp_path: Path) -> None:
    sources = [raster(600, seed=seed) for seed in range(8)]
    alone = [
        write(source, tmp_path / f"alone-{index}.tif").file for index, source in enumerate(sources)
    ]
    assert len({file.sha256 for file in alone}) == 8
    with ThreadPoolExecutor(4) as pool:
        paths = [tmp_path / f"{index}.tif" for index in range(8)]
        assert [made.file for made in pool.map(write, sources, paths)] == alone


def test_large_files_would_be_bigtiff(written: Cog) -> None:
    """A COG below 2 GB is a classic TIFF, which every reader takes; GDAL decides by the size."""
    with written.path.open("rb") as file:
        assert struct.unpack("<2sH", file.read(4)) == (b"II", 42)
    assert CogProfile().options()["BIGTIFF"] == "IF_SAFER"


def test_outlines_touch_along_edges_but_not_at_corners() -> None:
    mask = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], bool)
    polygons = gdal.outlines(mask, (10, 0, 100, 0, -10, 50))
    rings = sorted(sorted(map(tuple, polygon["coordinates"][0])) for polygon in polygons)
    assert rings == [
        sorted([(100, 50), (100, 40), (110, 40), (110, 50), (100, 50)]),
        sorted([(110, 40), (110, 30), (130, 30), (130, 40), (110, 40)]),
    ]
