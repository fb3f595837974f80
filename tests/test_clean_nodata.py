"""Nodata of whole builds is that of the sources, and readers can rely on it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

import dunia
import stacgen
from conftest import Reference
from stacgen.api.build import Pixels, Upstream
from stacgen.errors import UsageError
from stacgen.model.stream import Selection
from stacgen.raster.footprint import opened

Numbers = NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One published frame, as a reader finds it."""

    item: dict[str, Any]
    numbers: Numbers
    reflectance: NDArray[np.float64]
    """NaN at nodata."""

    tags: dict[str, str]
    opacity: NDArray[np.uint8]
    """Of the thumbnail."""

    @property
    def statistics(self) -> dict[str, float]:
        """Those of the one band, as the Item gives them."""
        (band,) = next(iter(self.item["assets"].values()))["bands"]
        found: dict[str, float] = band["statistics"]
        return found


def products(root: Path, band: str) -> dict[str, Product]:
    """By the second of sensing."""
    found = {}
    for path in sorted(root.glob(f"*/{band}/*/*/*.tif")):
        item = json.loads(path.with_suffix(".json").read_bytes())
        with rasterio.open(path) as cog:
            masked = cog.read(1, masked=True)
            reflectance = masked * cog.scales[0] + cog.offsets[0]
            tags = cog.tags(1)
        with rasterio.open(path.with_name("thumbnail.png")) as thumbnail:
            opacity = thumbnail.read(2)
        found[item["properties"]["datetime"][:19]] = Product(
            item=item,
            numbers=masked.filled(0),
            reflectance=reflectance.filled(np.nan),
            tags=tags,
            opacity=opacity,
        )
    return found


# A PNG lies nowhere on the ground, of which rasterio warns whoever reads one.
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Product]]:
    """The first five frames of a band of the sample; the second and fifth are partly empty."""
    root = tmp_path_factory.mktemp("sample")
    stacgen.build(
        "29PKR",
        "B01,B09",
        years=[2025],
        wanted=Selection(limit=5),
        upstream=Upstream(sample=True),
        output=root,
    )
    return lambda band: products(root, band)


def test_valid_pixels_and_the_apis_nodata_of_the_sample_make_100_percent(
    sampled: Callable[[str], dict[str, Product]],
) -> None:
    figures = []
    for each in sampled("B09").values():
        figures.append(each.item["properties"]["s2:nodata_pixel_percentage"])
        assert each.statistics["valid_percent"] + figures[-1] == pytest.approx(100, abs=0.3)
    assert [round(each) for each in figures] == [0, 58, 0, 0, 43]


def test_statistics_tags_and_thumbnail_are_those_of_the_cleaned_pixels(
    sampled: Callable[[str], dict[str, Product]],
) -> None:
    for each in sampled("B09").values():
        valid = each.numbers[each.numbers > 0]
        assert each.statistics["count"] == valid.size
        assert each.statistics["minimum"] == valid.min() == int(each.tags["STATISTICS_MINIMUM"])
        assert float(each.tags["STATISTICS_MEAN"]) == pytest.approx(float(valid.mean()))
        assert float(each.tags["STATISTICS_VALID_PERCENT"]) == pytest.approx(
            100 * valid.size / each.numbers.size, rel=1e-5
        )
        shown = 100 * float((each.opacity > 0).mean())
        assert shown == pytest.approx(each.statistics["valid_percent"], abs=1)


def test_a_first_valid_mosaic_of_two_dates_shows_the_ground_where_either_does(
    sampled: Callable[[str], dict[str, Product]],
) -> None:
    """One date lacks the east, the other the west: what is left is the ground, never noise."""
    _, east, _, _, west = sampled("B09").values()
    mosaic = np.where(east.numbers > 0, east.numbers, west.numbers)
    lowest = np.fmin(east.reflectance, west.reflectance)
    assert (mosaic > 0).mean() == pytest.approx(((east.numbers > 0) | (west.numbers > 0)).mean())
    assert ((mosaic > 0) & (mosaic < 700)).mean() < 1e-4  # a reflectance of -0.03
    assert (lowest < -0.03).mean() < 1e-4


def test_an_index_of_two_bands_is_not_a_number_where_the_sensor_saw_nothing(
    sampled: Callable[[str], dict[str, Product]],
) -> None:
    for dark, bright in zip(sampled("B01").values(), sampled("B09").values(), strict=True):
        near, far = dark.reflectance, bright.reflectance
        with np.errstate(divide="ignore"):  # water may be as far below 0 as above
            index = (far - near) / (far + near)
        nodata = dark.item["properties"]["s2:nodata_pixel_percentage"]
        assert 100 * np.isnan(index).mean() == pytest.approx(nodata, abs=0.3)


def test_real_frames_have_the_valid_share_of_their_sources_and_lose_no_ground(
    server: dunia.Server, reference: Reference, tmp_path: Path
) -> None:
    """Nothing changes within the footprint but at its edge, a pixel wide."""
    reference.serve(server)
    for way in ("auto", "none"):
        stacgen.build(
            reference.tile,
            reference.band,
            years=[reference.year],
            output=tmp_path / way,
            upstream=Upstream(api=server.base),
            pixels=Pixels(clean_nodata=way),
        )
    cleaned, raw = (products(tmp_path / way, reference.band) for way in ("auto", "none"))
    images = json.loads((reference.folder / "tci.json").read_text())["images"]
    assert list(cleaned) == list(raw) == [each["sensing_time"] for each in images]
    for image, new, old in zip(images, cleaned.values(), raw.values(), strict=True):
        changed = new.numbers != old.numbers
        properties = new.item["properties"]
        assert not new.numbers[changed].any()
        assert properties["stacgen:cleaned_pixels"] == int(changed.sum())
        assert properties["stacgen:clean_nodata"] == "auto"
        assert new.item["geometry"] == old.item["geometry"]
        footprint = ~opened(~(old.numbers >= 700))  # with small dark ground in it
        assert not (changed & shrunk(footprint, by=1)).any()
        if reference.tile == "32TLS":  # whose figures are those of the rasters before encoding
            valid = 100 - image["nodata_pixel_percentage"]
            assert new.statistics["valid_percent"] == pytest.approx(valid, abs=0.05)


def shrunk(mask: NDArray[np.bool_], *, by: int) -> NDArray[np.bool_]:
    """The mask without its edge, so many pixels wide; the border of the frame is no edge."""
    rows, columns = mask.shape
    for _ in range(by):
        wide = np.pad(mask, 1, constant_values=True)
        mask = np.logical_and.reduce(
            [wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
        )
    return mask


def test_frames_that_are_there_stay_when_the_way_of_cleaning_changes(
    server: dunia.Server, tmp_path: Path
) -> None:
    codes = dunia.landscape(0)
    codes[:, :600] = 0
    codes[100:120, 590:600] = 2
    dunia.publish(server, [codes])

    def build(clean_nodata: int | str, **changes: Any) -> tuple[int, int]:  # noqa: ANN401
        report = stacgen.build(
            "29PKR",
            "B09",
            years=[2025],
            output=tmp_path,
            upstream=Upstream(api=server.base),
            pixels=Pixels(clean_nodata=clean_nodata),
            **changes,
        )
        return len(report.built), len(report.skipped)

    assert build("none") == (1, 0)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tif")}
    (raw,) = products(tmp_path, "B09").values()
    assert raw.item["properties"]["stacgen:clean_nodata"] == "none"
    assert raw.item["properties"]["stacgen:cleaned_pixels"] == 0
    assert (raw.numbers[100:120, 590:600] == 5).all()
    assert build("auto") == build(20) == (0, 1)
    stacgen.update(tmp_path, upstream=Upstream(api=server.base))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tif")} == before
    assert build("auto", force=True) == (1, 0)
    (cleaned,) = products(tmp_path, "B09").values()
    assert cleaned.item["properties"]["stacgen:cleaned_pixels"] == 200
    assert not cleaned.numbers[100:120, 590:600].any()


@pytest.mark.parametrize("value", ["0", "some"])
def test_a_wrong_way_of_cleaning_is_one_sentence_before_anything_is_fetched(
    server: dunia.Server, tmp_path: Path, value: str
) -> None:
    with pytest.raises(UsageError, match=f"^--clean-nodata takes .* not '{value}'\\.$"):
        stacgen.build(
            "29PKR",
            "B09",
            years=[2025],
            output=tmp_path / "out",
            upstream=Upstream(api=server.base),
            pixels=Pixels(clean_nodata=value),
        )
    assert server.requests == []
    assert not (tmp_path / "out").exists()
