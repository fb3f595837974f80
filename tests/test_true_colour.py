"""True colour from stream to catalog: the bytes of ffmpeg, a mask, and scenes in colour."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

import colour
import dunia
import stacgen
from stacgen.api.build import Pixels, Upstream
from stacgen.errors import AnswerError, NotStreamedError, SegmentError, UsageError, WrongStreamError
from stacgen.io.http import Patience
from stacgen.model import bands
from stacgen.model.cog_profile import CogProfile, Compression
from stacgen.model.outcomes import Report
from stacgen.model.stream import Codes, Grid, Timeline
from stacgen.raster import cog, true_colour
from stacgen.video import decoder

HASTY = Patience(tries=2, shortest=0.001, longest=0.002, longest_named=0.01)
PATH = "/api/streaming/metadata/s2/2025/29PKR/10"
TIMELINE = Timeline(origin=Fraction("1.4"), rate=4)
SIZE = 246
GRID = Grid(epsg=32629, left=199980, top=1600020, resolution=60, size=1830)


def _decoded(media: bytes, count: int, **changes: Any) -> list[np.ndarray[Any, Any]]:  # noqa: ANN401
    usual: dict[str, Any] = {
        "numbers": range(count),
        "timeline": TIMELINE,
        "shape": (SIZE, SIZE),
        "is_color": True,
    }
    return [each.pixels.copy() for each in decoder.frames(media, **usual | changes)]


@pytest.mark.parametrize("codec", ["libx265", "libx264"])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuvj420p"])
def test_colours_are_the_bytes_of_ffmpeg(tmp_path: Path, codec: str, pixels: str) -> None:
    """Every codec and subsampling decodes to what `ffmpeg -pix_fmt rgb24` gives."""
    media = colour.encode([colour.picture(n, SIZE) for n in range(3)], codec=codec, pixels=pixels)
    expected = colour.oracle(media, tmp_path)
    found = _decoded(media, 3)
    assert len(found) == len(expected) == 3
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_picture_hashes_of_all_planes_are_verified(tmp_path: Path, kind: int) -> None:
    """MD5 and checksum of all planes are verified, CRC of luma; pictures are cropped after that."""
    frames = [colour.picture(n, SIZE) for n in range(2)]
    media = colour.encode(frames, params=f"hash={kind}")
    usual = {"numbers": range(2), "timeline": TIMELINE, "shape": (SIZE, SIZE), "is_color": True}
    found = list(decoder.frames(media, **usual))  # type: ignore[arg-type]
    assert {each.verified for each in found} == {("md5", "crc", "checksum")[kind - 1]}
    np.testing.assert_array_equal(found[-1].pixels, colour.oracle(media, tmp_path)[-1])


def test_a_wrong_chroma_hash_is_damage() -> None:
    """A hash of the last plane that does not fit refuses the segment."""
    media = colour.encode([colour.picture(0, SIZE)], params="hash=3")
    start = media.rindex(b"\x50\x01\x84")  # a suffix SEI with a picture hash: 1 + 3 x 4 bytes
    place = start + 5 + 12 - 1
    damaged = bytearray(media)
    damaged[place] ^= 0xFF
    assert _decoded(media, 1)
    with pytest.raises(SegmentError, match="do not fit its checksum"):
        _decoded(bytes(damaged), 1)


def test_colour_is_refused_for_a_band_and_gray_for_true_colour() -> None:
    gray = dunia.encode([np.full((SIZE, SIZE), 900, np.uint16)])
    with pytest.raises(WrongStreamError, match=r"are gray \(gray12le\), not true colour"):
        _decoded(gray, 1, timeline=Timeline(origin=Fraction("1.4"), rate=4))
    with pytest.raises(WrongStreamError, match=r"are in colour \(yuv420p\), not those of one band"):
        _decoded(colour.encode([colour.picture(0, SIZE)]), 1, is_color=False)


def _image(colors: np.ndarray[Any, Any]) -> Codes:
    return Codes(number=0, pixels=colors, bits=8)


def test_the_mask_is_false_in_nodata_and_its_seam() -> None:
    """Black and what is almost black beside it is nodata; dark ground elsewhere is not."""
    colors = np.full((1830, 1830, 3), 60, np.uint8)
    colors[:, :100] = 0
    colors[:, 100] = (2, 1, 3)
    colors[:, 101] = (4, 0, 0)
    colors[900:910, 900:910] = (1, 0, 2)
    frame = true_colour.image(_image(colors), GRID)
    expected = np.ones((1830, 1830), bool)
    expected[:, :101] = False
    np.testing.assert_array_equal(frame.valid, expected)
    assert frame.pixels is colors
    red = frame.statistics[0]
    values = colors[..., 0][expected]
    assert (red.minimum, red.maximum, red.count) == (1, 60, values.size)
    assert red.mean == pytest.approx(values.mean())
    assert red.stddev == pytest.approx(values.std())
    assert red.valid_percent == pytest.approx(100 * expected.mean())


def test_overviews_average_valid_pixels_alone() -> None:
    """Nodata does not darken the edge of an overview."""
    colors = np.full((1830, 1830, 3), 200, np.uint8)
    colors[:, :101] = 0
    frame = true_colour.image(_image(colors), GRID)
    (half, valid), (quarter, _) = true_colour.overviews(frame, 2)
    assert half.shape == (915, 915, 3)
    assert quarter.shape == (458, 458, 3)
    assert set(np.unique(half[valid])) == {200}
    assert valid[0, 50]
    assert not valid[0, 49]


@pytest.mark.parametrize("compress", ["deflate", "zstd", "lzw", "none", "lerc"])
@pytest.mark.parametrize("has_nodata", [True, False])
def test_lossless_files_hold_the_bytes_and_the_mask(
    tmp_path: Path, compress: Compression, *, has_nodata: bool
) -> None:
    padded = np.zeros((1830, 1856, 3), np.uint8)  # as decoders pad lines
    colors = padded[:, :1830]
    colors[...] = colour.picture(3) + (0 if has_nodata else 1)
    frame = true_colour.image(_image(colors), GRID)
    path = tmp_path / "a.tif"
    made = cog.encode_color(frame, GRID, path, profile=CogProfile(compress=compress))
    assert cog_validate(path, strict=True, quiet=True)[0]
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read().transpose(1, 2, 0), colors)
        np.testing.assert_array_equal(file.dataset_mask() > 0, frame.valid)
        assert [each.name for each in file.colorinterp] == ["red", "green", "blue"]
        assert file.descriptions == ("red", "green", "blue")
        assert file.nodata is None
        assert file.overviews(1) == [2, 4]
        half = file.read(1, out_shape=(915, 915), masked=True)
        np.testing.assert_array_equal(~half.mask, true_colour.overviews(frame, 1)[0][1])
    assert made.preview.shape == (458, 458, 4)
    assert made.file.size == path.stat().st_size


@pytest.mark.parametrize("compress", ["jpeg", "webp"])
def test_lossy_files_change_pixels_a_little_and_the_mask_not(
    tmp_path: Path, compress: Compression
) -> None:
    frame = true_colour.image(_image(colour.picture(3)), GRID)
    path = tmp_path / "a.tif"
    cog.encode_color(frame, GRID, path, profile=CogProfile(compress=compress))
    with rasterio.open(path) as file:
        found = file.read().transpose(1, 2, 0).astype(int)
        np.testing.assert_array_equal(file.dataset_mask() > 0, frame.valid)
        assert file.overviews(1) == [2, 4]
    errors = np.abs(found - frame.pixels)[frame.valid]
    assert 0 < errors.mean() < 3


Build = Callable[..., Report]


@pytest.fixture(scope="module")
def segments() -> list[bytes]:
    """Five images of 60 m in two segments."""
    frames = [colour.picture(number) for number in range(5)]
    return [colour.encode(frames[:4]), colour.encode(frames[4:], first=4)]


@pytest.fixture
def build(server: dunia.Server, segments: list[bytes], tmp_path: Path) -> Build:
    """Build 29PKR TCI 2025 at 60 m into tmp_path/out."""
    colour.publish(server, segments, [4, 1], path=PATH)

    def call(**changes: Any) -> Report:  # noqa: ANN401 - arguments of build
        usual: dict[str, Any] = {
            "band": "TCI",
            "years": [2025],
            "resolution": 60,
            "output": tmp_path / "out",
            "upstream": Upstream(api=server.base, patience=HASTY),
        }
        return stacgen.build("29PKR", **usual | changes)

    return call


def _items(root: Path, kind: str = "TCI") -> list[tuple[Path, dict[str, Any]]]:
    found = sorted(root.glob(f"29PKR/{kind}/*/*/*.json"))
    return [(path, json.loads(path.read_text())) for path in found]


def test_images_are_built_byte_for_byte(
    build: Build, tmp_path: Path, segments: list[bytes], server: dunia.Server
) -> None:
    """COGs hold what ffmpeg decodes, each under the date of its image; none is built twice."""
    report = build()
    assert len(report.built) == 5
    expected = [each for media in segments for each in colour.oracle(media, tmp_path)]
    items = _items(tmp_path / "out")
    assert [document["id"] for _, document in items] == [
        f"T29PKR_202503{day:02}T112109_TCI_60m" for day in (2, 7, 12, 17, 22)
    ]
    for (path, document), colors in zip(items, expected, strict=True):
        with rasterio.open(path.with_suffix(".tif")) as file:
            np.testing.assert_array_equal(file.read().transpose(1, 2, 0), colors)
        assert list(document["assets"]) == ["visual", "thumbnail"]
        assert "s2:processing_baseline" not in document["properties"]
        assert document["properties"]["s2:nodata_pixel_percentage"] == 12.5
        valid = document["assets"]["visual"]["bands"][0]["statistics"]["valid_percent"]
        assert valid == pytest.approx(87.5, abs=0.5)
    assert items[3][1]["properties"]["eo:cloud_cover"] == 30.0
    asked = len(server.requests)
    assert len(build().skipped) == 5
    assert not [each for each in server.paths()[asked:] if each.endswith(".ts")]


def test_a_collection_of_images_reads_as_stac(build: Build, tmp_path: Path) -> None:
    build()
    collection = pystac.Collection.from_file(str(tmp_path / "out/29PKR/TCI/collection.json"))
    assert collection.id == "sentinel-2-l2a-29PKR-TCI"
    assert collection.summaries.get_list("processing:version") is None
    assert [each["name"] for each in collection.extra_fields["bands"]] == ["red", "green", "blue"]
    assert len(list(collection.get_items(recursive=True))) == 5
    assert not (tmp_path / "out/29PKR/scenes").exists()


@pytest.mark.parametrize("first", [0, 1, 100])
def test_numbering_begins_anywhere(
    build: Build, server: dunia.Server, tmp_path: Path, first: int
) -> None:
    """The first image is the first frame, whatever its number, if they are as many."""
    answer = json.loads(server.content[PATH])
    answer["images"] = colour.images(5, first=first)
    server.put_json(PATH, answer)
    build()
    assert _pictures(tmp_path / "out") == {"02": 0, "07": 1, "12": 2, "17": 3, "22": 4}


def _pictures(root: Path) -> dict[str, int]:
    """The numbers of the pictures by the days of their Items, from the place of the square."""
    days = {}
    for path, document in _items(root):
        with rasterio.open(path.with_suffix(".tif")) as file:
            row = file.read(1)[171].astype(int) - file.read(3)[171]
        days[document["properties"]["datetime"][8:10]] = int(row.argmax()) // 114 - 2
    return days


@pytest.mark.parametrize("codec", ["libx265", "libx264"])
@pytest.mark.parametrize(
    ("first", "counts"),
    [(0, (4, 2)), (1, (4, 1)), (100, (4, 1)), (0, (8, 8))],
    ids=["one less than told", "from 1", "from 100", "rounded"],
)
def test_fragmented_mp4_is_placed_by_the_times_in_it(
    build: Build,
    server: dunia.Server,
    tmp_path: Path,
    codec: str,
    first: int,
    counts: tuple[int, int],
) -> None:
    """Numbers may begin anywhere and durations may be rounded there, too, in HEVC and in H.264."""
    start, *parts = colour.fragments([colour.picture(n) for n in range(5)], codec=codec)
    folder = "/streams/29PKR/TCI"
    server.content[f"{folder}/init.mp4"] = start
    server.content |= {f"{folder}/tci_{n:03}.m4s": part for n, part in enumerate(parts)}
    head = '#EXT-X-MAP:URI="init.mp4"'
    server.content[f"{folder}/tci_2k.m3u8"] = colour.playlist(counts, suffix="m4s", head=head)
    answer = json.loads(server.content[PATH])
    answer["images"] = colour.images(5, first=first)
    server.put_json(PATH, answer)
    assert not build().failed
    assert _pictures(tmp_path / "out") == {"02": 0, "07": 1, "12": 2, "17": 3, "22": 4}


def test_numbers_that_fit_in_two_ways_are_refused(build: Build, server: dunia.Server) -> None:
    """Images 1 to 4 of five frames begin with frame 0 or 1: nothing tells which."""
    answer = json.loads(server.content[PATH])
    answer["images"] = colour.images(4, first=1)
    server.put_json(PATH, answer)
    with pytest.raises(Exception, match="from 1 to 4 and gives no times, and its playlist holds 5"):
        build()


@pytest.mark.parametrize("first", [1, 100])
def test_frames_are_counted_where_durations_are_rounded(
    build: Build, server: dunia.Server, tmp_path: Path, first: int
) -> None:
    """Times in the segments, not durations, say how many frames the numbers must fit."""
    answer = json.loads(server.content[PATH])
    answer["images"] = colour.images(5, first=first)
    server.put_json(PATH, answer)
    server.content["/streams/29PKR/TCI/tci_2k.m3u8"] = colour.playlist((8, 8))
    build()
    assert _pictures(tmp_path / "out") == {"02": 0, "07": 1, "12": 2, "17": 3, "22": 4}


@pytest.mark.parametrize("count", [5, 2])
def test_a_playlist_that_lost_its_beginning_must_hold_a_frame_per_image(
    build: Build, server: dunia.Server, tmp_path: Path, count: int
) -> None:
    """Without times, any other number of images leaves open which frames they are."""
    answer = json.loads(server.content[PATH])
    lines = ["#EXTM3U", "#EXT-X-MEDIA-SEQUENCE:1", "#EXTINF:0.25,", "tci_001.ts", ""]
    server.content["/streams/29PKR/TCI/tci_2k.m3u8"] = "\n".join(lines).encode()
    answer["images"] = colour.images(count)
    server.put_json(PATH, answer)
    with pytest.raises(Exception, match="begins with a later segment, and the API gives no times"):
        build()
    answer["images"] = colour.images(1)
    server.put_json(PATH, answer)
    build()
    assert _pictures(tmp_path / "out") == {"02": 4}


def test_times_of_images_count_where_there_are_any(build: Build, server: dunia.Server) -> None:
    """With `pts_time`, an image that is missing shifts no other."""
    answer = json.loads(server.content[PATH])
    kept = [image | {"pts_time": 1.4 + n / 4} for n, image in enumerate(answer["images"])]
    answer["images"] = [image | {"image_number": n} for n, image in enumerate(kept[1:])]
    server.put_json(PATH, answer)
    report = build()
    assert [each.ref.frame.sensing_time.day for each in report.built] == [7, 12, 17, 22]


def test_a_size_that_the_answer_lacks_is_named(build: Build, server: dunia.Server) -> None:
    answer = json.loads(server.content[PATH])
    del answer["metadata"]["stream_full"]
    server.put_json(PATH, answer)
    with pytest.raises(NotStreamedError, match=r"does not come in 10 m .* --resolution 20 or 60"):
        build(resolution=10)
    server.put_json(PATH, {**answer, "metadata": {}})
    with pytest.raises(AnswerError, match="stream_full is missing, as are stream_4k and stream_2k"):
        build()


def test_a_size_whose_playlist_is_missing_names_those_that_are_there(build: Build) -> None:
    with pytest.raises(NotStreamedError, match=r"is missing in 10 m .* Take --resolution 60\."):
        build(resolution=10)


def test_resolutions_do_not_mix_in_a_collection(build: Build, server: dunia.Server) -> None:
    build()
    for key in [each for each in server.content if "tci_2k" in each]:
        server.content[key.replace("tci_2k", "tci_4k")] = server.content[key]
    with pytest.raises(UsageError, match=r"holds true colour of 60 m\. Take --resolution 60"):
        build(resolution=20)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"resolution": 30}, "TCI is streamed at 10, 20 and 60 m, not at 30 m"),
        ({"band": "B09", "resolution": 60}, r"--resolution is for true colour \(TCI\)"),
        (
            {"band": "B09,TCI", "pixels": Pixels(profile=CogProfile(compress="jpeg"))},
            r"Compression jpeg is for true colour \(TCI\); B09 holds numbers of 16 bits",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_fetched(
    build: Build, server: dunia.Server, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        build(**changes)
    assert not server.requests


def test_frames_are_listed_of_one_stream(server: dunia.Server) -> None:
    upstream = Upstream(api=server.base, patience=HASTY)
    with pytest.raises(UsageError, match=r"--resolution is for true colour"):
        stacgen.frames("29PKR", "B09", years=[2025], resolution=60, upstream=upstream)
    with pytest.raises(UsageError, match=r"listed of one tile and band, not of 2"):
        stacgen.frames("29PKR", "B09,B01", years=[2025], upstream=upstream)


def test_a_gray_stream_in_place_of_colour_fails_by_name(build: Build, server: dunia.Server) -> None:
    """A segment of another kind is not fetched again: it would be the same."""
    gray = [np.full((1830, 1830), 900, np.uint16)] * 4
    server.content["/streams/29PKR/TCI/tci_000.ts"] = dunia.encode(gray)
    report = build()
    assert len(report.built) == 1
    assert len(report.failed) == 4
    assert "is of another stream: its pixels are gray" in report.failed[0].reason
    assert server.paths().count("/streams/29PKR/TCI/tci_000.ts") == 2  # its head, and all of it


@pytest.fixture
def with_band(server: dunia.Server, build: Build) -> Build:
    """The same beside three frames of B09, of which TCI has the first two and others."""
    dunia.publish(server, [dunia.landscape(number) for number in range(3)])
    answer = json.loads(server.content[PATH])
    colours = colour.images(5)
    colours[2]["sensing_time"] = "2025-03-12T11:21:08"
    server.put_json(PATH, {**answer, "images": colours, "metadata": _SIZES})
    return build


_SIZES = {
    key: f"@BASE@/streams/29PKR/TCI/{name}.m3u8"
    for key, name in {"stream_2k": "tci_2k", "stream_full": "tci"}.items()
}


def test_scenes_show_the_image_of_their_second(with_band: Build, tmp_path: Path) -> None:
    """A scene links the COG and thumbnail of its true-colour image; one without stays gray."""
    with_band(band="B09,TCI")
    scenes = [document for _, document in _items(tmp_path / "out", "scenes")]
    assert len(scenes) == 3
    shown = [document["assets"].get("visual", {}).get("href") for document in scenes]
    assert shown[0] == (
        "../../../TCI/2025/T29PKR_20250302T112109_TCI_60m/T29PKR_20250302T112109_TCI_60m.tif"
    )
    assert [each is not None for each in shown] == [True, True, False]
    assert scenes[0]["assets"]["thumbnail"]["title"] == "True-colour quicklook"
    assert scenes[2]["assets"]["thumbnail"]["title"] == "Grey-scale quicklook"
    collection = json.loads((tmp_path / "out/29PKR/scenes/collection.json").read_text())
    assert collection["item_assets"]["visual"]["gsd"] == 60
    assert [each["name"] for each in collection["bands"]] == ["B09"]


@pytest.mark.parametrize("order", [("B09", "TCI"), ("TCI", "B09")])
def test_scenes_are_the_same_whatever_is_built_first(
    with_band: Build, tmp_path: Path, order: tuple[str, str]
) -> None:
    for name in order:
        with_band(band=name, **({} if name == "TCI" else {"resolution": None}))
    again = with_band(band="B09,TCI")
    assert not again.built
    scenes = [document for _, document in _items(tmp_path / "out", "scenes")]
    assert ["visual" in document["assets"] for document in scenes] == [True, True, False]


def test_two_images_of_one_second_are_shown_by_no_scene(
    with_band: Build, server: dunia.Server, tmp_path: Path
) -> None:
    """Which of them is a scene's is not known; a run with nothing to do then writes nothing."""
    answer = json.loads(server.content[PATH])
    answer["images"][3]["sensing_time"] = answer["images"][0]["sensing_time"]
    server.put_json(PATH, answer)
    with_band(band="B09,TCI")
    scenes = [document for _, document in _items(tmp_path / "out", "scenes")]
    assert ["visual" in document["assets"] for document in scenes] == [False, True, False]
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    assert not with_band(band="TCI").built
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")} == written


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"cloudy_pixel_percentage": None}, ("cloud", "cloudy_pixel_percentage is null")),
        ({"nodata_pixel_percentage": -1}, ("nodata", "nodata_pixel_percentage is -1")),
    ],
)
def test_unknown_figures_of_images_are_left_out_and_named(
    build: Build, server: dunia.Server, figures: dict[str, Any], told: tuple[str, str]
) -> None:
    answer = json.loads(server.content[PATH])
    answer["images"][1] |= figures
    server.put_json(PATH, answer)
    name, reason = told
    [note] = build(dry_run=True).notes
    assert note == (
        f"{name} known for 4 of 5 frames of 29PKR TCI 2025: frame 1 (2025-03-07T11:21:09Z):"
        f" {reason}."
    )


def test_a_true_colour_picture_of_bands_gives_way(with_band: Build, tmp_path: Path) -> None:
    """`rgb` leaves scenes alone that show the image of the stream."""
    with_band(band="B09,TCI")
    outcomes = stacgen.rgb(tmp_path / "out", "29PKR")
    assert [each.reason for each in outcomes] == [
        "it shows the image of the true-colour stream",
        "it shows the image of the true-colour stream",
        "it has no B04 and no B03 and no B02",
    ]


def test_an_update_keeps_the_resolution(
    with_band: Build, tmp_path: Path, server: dunia.Server
) -> None:
    """`update` asks for the size that the Collection has."""
    with_band(band="B09,TCI")
    path = tmp_path / "out/29PKR/TCI/2025/T29PKR_20250307T112109_TCI_60m"
    (path / f"{path.name}.tif").unlink()
    found = stacgen.update(tmp_path / "out", upstream=Upstream(api=server.base, patience=HASTY))
    assert [each.collection for each in found.changes] == ["29PKR TCI"]
    assert (path / f"{path.name}.tif").exists()


def test_validate_finds_nothing_wrong(with_band: Build, tmp_path: Path) -> None:
    """Documents, tables, files and pixels of a catalog with true colour agree."""
    from stacgen.catalog import validate  # noqa: PLC0415 - beside its use
    from stacgen.io.stores import open_store  # noqa: PLC0415 - same

    with_band(band="B09,TCI")
    store = open_store(tmp_path / "out", {})
    assert validate.validate(store, problems=None, deep=True).findings == ()


def test_bands_have_an_asset_and_a_title() -> None:
    assert bands.find("tci").resolution == 10
    assert bands.find("TCI", resolution=60).size == 1830
    assert bands.find("TCI").asset == "visual"
    assert bands.find("B09").asset == "B09"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of odc-stac, which Python hides
def test_readers_see_mask_and_colours(build: Build, tmp_path: Path) -> None:
    """rio-tiler takes the mask for nodata; odc-stac loads the three bands by their numbers."""
    import odc.stac  # noqa: PLC0415 - slow to load
    from rio_tiler.io import STACReader  # noqa: PLC0415 - same

    build()
    collection = pystac.Collection.from_file(str(tmp_path / "out/29PKR/TCI/collection.json"))
    item = next(collection.get_items(recursive=True))
    with STACReader(item.get_self_href()) as reader:
        image = reader.preview(assets=["visual"], max_size=183)
    assert image.data.shape == (3, 183, 183)
    assert 0.85 < (image.mask > 0).mean() < 0.9
    names = ["visual.1", "visual.2", "visual.3"]
    cube = odc.stac.load([item], bands=names, chunks={})
    with rasterio.open(item.assets["visual"].get_absolute_href()) as file:
        for number, name in enumerate(names, 1):
            np.testing.assert_array_equal(cube[name].isel(time=0), file.read(number))
    page = (tmp_path / "out/29PKR/TCI/index.html").read_text()
    assert "bands=[&#34;visual.1&#34;, &#34;visual.2&#34;, &#34;visual.3&#34;]" in page or (
        'bands=["visual.1", "visual.2", "visual.3"]' in page
    )
    assert "<dt>Baseline</dt>" not in page


def test_two_images_of_a_second_are_shown_by_no_scene(
    with_band: Build, server: dunia.Server, tmp_path: Path
) -> None:
    """Which of them is the scene's is not known, and a second run writes nothing."""
    answer = json.loads(server.content[PATH])
    answer["images"][3]["sensing_time"] = answer["images"][0]["sensing_time"]
    server.put_json(PATH, answer)
    with_band(band="B09,TCI")
    root = tmp_path / "out"
    scenes = [document for _, document in _items(root, "scenes")]
    assert ["visual" in document["assets"] for document in scenes] == [False, True, False]
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    with_band(band="B09,TCI")
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    assert before == after
