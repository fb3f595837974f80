"""A film or sheet shows each frame with its date, all in one brightness; read back by others."""

import io
import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from obstore.store import MemoryStore
from PIL import Image

import dunia
import gallery
import stacgen
from stacgen.access import contact_sheet, mp4, preview
from stacgen.access.contact_sheet import Stretch
from stacgen.access.preview import Layout
from stacgen.errors import EmptySelectionError, OutputError, TransferError, UsageError
from stacgen.io.bucket import Bucket
from stacgen.io.stores import open_store
from stacgen.model.selection import parse_interval
from stacgen.model.stream import Selection
from stacgen.stac.reader import Home

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gallery.build(tmp_path_factory.mktemp("catalog"))


@pytest.fixture
def copy(catalog: Path, tmp_path: Path) -> Path:
    """The same, to spoil."""
    return Path(shutil.copytree(catalog, tmp_path / "copy"))


def frames_of_film(path: Path) -> list[Pixels]:
    with av.open(path) as container:
        return [rgb(frame) for frame in container.decode(video=0)]


def rgb(frame: av.VideoFrame) -> Pixels:
    """A decoded frame as ITU-R BT.709 defines its colours, in limited range."""
    luma, *chroma = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[
            :, : plane.width
        ]
        for plane in frame.planes
    )
    y = (luma.astype(float) - 16) / 219
    cb, cr = (np.kron(each - 128.0, np.ones((2, 2))) / 224 for each in chroma)
    red, blue = y + 1.5748 * cr, y + 1.8556 * cb
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    return (np.stack([red, green, blue], axis=-1) * 255).round().clip(0, 255).astype(np.uint8)


def frames_of_gif(path: Path) -> list[Pixels]:
    with Image.open(path) as image:
        found = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(np.asarray(image.convert("RGB")))
        return found


READERS: dict[str, Callable[[Path], list[Pixels]]] = {
    "film.mp4": frames_of_film,
    "film.gif": frames_of_gif,
}


@pytest.fixture(scope="module", params=sorted(READERS))
def shown(request: pytest.FixtureRequest, catalog: Path, tmp_path_factory: Any) -> list[Pixels]:  # noqa: ANN401
    """The frames of a film of 360 pixels, read back."""
    path = tmp_path_factory.mktemp("film") / request.param
    drawn = stacgen.preview(catalog, path, width=360)
    assert drawn.frames == gallery.COUNT
    assert drawn.size == path.stat().st_size
    return READERS[request.param](path)


def test_a_film_has_a_frame_an_acquisition_all_of_one_even_size(shown: list[Pixels]) -> None:
    assert len(shown) == gallery.COUNT
    assert len({frame.shape for frame in shown}) == 1
    rows, columns, _ = shown[0].shape
    assert columns == 360
    assert rows > columns
    assert rows % 2 == 0


def test_what_stays_the_same_on_the_ground_looks_the_same_in_every_frame(
    shown: list[Pixels],
) -> None:
    square = [frame[50:100, 50:100].astype(float).mean() for frame in shown]
    assert np.ptp(square) < 1.5
    beside = [frame[150:300, 20:170].astype(float).mean() for frame in shown]
    assert (np.diff(beside) > 20).all()


def test_nodata_has_a_colour_that_no_pixel_has(shown: list[Pixels]) -> None:
    empty = shown[gallery.HALF][20:340, 190:350].reshape(-1, 3).astype(int)
    assert np.abs(empty - contact_sheet.NODATA).max() <= 4
    red, _, blue = contact_sheet.NODATA
    assert blue - red > 20
    for number, frame in enumerate(shown):
        side = frame[20:340, 190:350].reshape(-1, 3).astype(int)
        if number != gallery.HALF:
            assert np.ptp(side, axis=1).max() <= 6


def test_the_date_changes_from_frame_to_frame(shown: list[Pixels]) -> None:
    strips = [frame[362:400, :180].astype(int) for frame in shown]
    for before, after in pairwise(strips):
        assert np.abs(before - after).max() > 100
    assert strips[0].max() > 200


def test_a_film_is_what_browsers_play(catalog: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    stacgen.preview(catalog, path, width=201, fps=2.5)
    content = path.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")
    with av.open(path) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert stream.duration is not None
        assert stream.time_base is not None
        assert (context.name, context.pix_fmt, context.width) == ("h264", "yuv420p", 200)
        assert (context.colorspace, context.color_range) == (1, 1)
        assert float(stream.average_rate or 0) == 2.5
        assert float(stream.duration * stream.time_base) == pytest.approx(gallery.COUNT / 2.5)


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (38, 51, 68)])
def test_a_film_keeps_colours(color: tuple[int, int, int], tmp_path: Path) -> None:
    """Another matrix or range than the file names would shift these by 15 and more."""
    path = tmp_path / "film.mp4"
    plain = np.full((64, 64, 3), color, np.uint8)
    path.write_bytes(mp4.encode([plain, plain], fps=5))
    for frame in frames_of_film(path):
        assert np.abs(frame.astype(int) - color).max() <= 4


def test_a_gif_shows_each_frame_as_long_as_was_asked_and_begins_anew(
    catalog: Path, tmp_path: Path
) -> None:
    stacgen.preview(catalog, tmp_path / "film.gif", width=120, fps=4)
    with Image.open(tmp_path / "film.gif") as image:
        assert image.info["loop"] == 0
        for number in range(gallery.COUNT):
            image.seek(number)
            assert image.info["duration"] == 250


def test_a_sheet_shows_the_frames_in_rows_by_time(catalog: Path, tmp_path: Path) -> None:
    stacgen.preview(catalog, tmp_path / "sheet.png", columns=2, width=640)
    with Image.open(tmp_path / "sheet.png") as image:
        sheet = np.asarray(image.convert("RGB")).astype(int)
    rows, width, _ = sheet.shape
    assert width == 640
    cells = [(sheet[y : y + 20, x : x + 20]) for y, x in cells_of(rows, 2, 640)]
    brightness = [cell.mean() for cell in cells[: gallery.COUNT]]
    assert (np.diff(brightness) > 10).all()
    assert (cells[gallery.COUNT] == contact_sheet.GROUND).all()


def cells_of(rows: int, columns: int, width: int) -> list[tuple[int, int]]:
    """A place left of the middle of each cell of a sheet, as (row, column) of its pixels."""
    side = contact_sheet.cell_side(width, columns)
    pitch = (rows - round(width * 0.065)) // 3
    return [
        (round(width * 0.065) + row * pitch + side // 2, 20 + column * (side + 5) + side // 4)
        for row in range(3)
        for column in range(columns)
    ]


@pytest.mark.parametrize("name", ["film.mp4", "film.gif", "sheet.png"])
def test_the_same_frames_make_the_same_bytes(name: str, catalog: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        stacgen.preview(catalog, tmp_path / folder / name, width=200)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert [path.name for path in (tmp_path / "one").iterdir()] == [name]


def test_time_and_cloud_choose_the_frames(catalog: Path, tmp_path: Path) -> None:
    start, end = parse_interval("2025-03-07/2025-03-17")
    by_time = Selection(start=start, end=end)
    drawn = stacgen.preview(catalog, tmp_path / "a.gif", width=100, wanted=by_time)
    assert drawn.frames == 3
    clear = Selection(max_cloud=10)
    assert stacgen.preview(catalog, tmp_path / "b.gif", width=100, wanted=clear).frames == 2
    later = Selection(start=parse_interval("2025-04-01/..")[0])
    with pytest.raises(EmptySelectionError, match=r"has 5 from 2025-03-02T.* to 2025-03-22T"):
        stacgen.preview(catalog, tmp_path / "c.gif", wanted=later)


def test_a_cloud_limit_is_not_guessed_where_an_item_does_not_say(
    copy: Path, tmp_path: Path
) -> None:
    gallery.change(gallery.items(copy)[3], **{"eo:cloud_cover": None})
    assert stacgen.preview(copy, tmp_path / "all.png").frames == gallery.COUNT
    with pytest.raises(UsageError, match=r"1 of 5 Items .*_20250317T112109_.* cannot be answered"):
        stacgen.preview(copy, tmp_path / "clear.png", wanted=Selection(max_cloud=50))


def test_frames_of_unknown_cloud_are_kept_or_dropped(copy: Path, tmp_path: Path) -> None:
    gallery.change(gallery.items(copy)[3], **{"eo:cloud_cover": None})
    kept = Selection(max_cloud=10, unknown="keep")
    assert stacgen.preview(copy, tmp_path / "kept.png", wanted=kept).frames == 3
    dropped = Selection(max_cloud=10, unknown="drop")
    assert stacgen.preview(copy, tmp_path / "dropped.png", wanted=dropped).frames == 2


@pytest.mark.parametrize("unknown", [[], [3], [0, 1, 2, 3, 4]])
def test_a_frame_of_unknown_cloud_has_no_bar_that_would_say_none(
    unknown: list[int], copy: Path, tmp_path: Path
) -> None:
    """Bars are drawn on a track in a colour of its own, which the frame of 0 % shows whole."""
    for number in unknown:
        gallery.change(gallery.items(copy)[number], **{"eo:cloud_cover": None})
    stacgen.preview(copy, tmp_path / "sheet.png", columns=gallery.COUNT, width=1000)
    with Image.open(tmp_path / "sheet.png") as image:
        sheet = np.asarray(image.convert("RGB"))
    side = contact_sheet.cell_side(1000, gallery.COUNT)
    left = (1000 - gallery.COUNT * side - (gallery.COUNT - 1) * 8) // 2
    captions = sheet[round(1000 * 0.065) + side :]
    track = (captions == contact_sheet.TRACK).all(axis=2).any(axis=0)
    bars = [track[left + n * (side + 8) :][:side].any() for n in range(gallery.COUNT)]
    assert bars == [number not in unknown for number in range(gallery.COUNT)]


def test_a_film_of_unknown_cloud_differs_in_the_caption_alone(copy: Path, tmp_path: Path) -> None:
    stacgen.preview(copy, tmp_path / "known.gif", width=200)
    gallery.change(gallery.items(copy)[0], **{"eo:cloud_cover": None})
    stacgen.preview(copy, tmp_path / "unknown.gif", width=200)
    pairs = list(
        zip(
            frames_of_gif(tmp_path / "known.gif"),
            frames_of_gif(tmp_path / "unknown.gif"),
            strict=True,
        )
    )
    assert [bool((known != unknown).any()) for known, unknown in pairs] == [True, *[False] * 4]
    known, unknown = pairs[0]
    assert (known[:200] == unknown[:200]).all()


@pytest.mark.parametrize("ask", ["range", "whole"])
def test_a_website_gives_the_same_picture_as_the_folder(
    ask: str, catalog: Path, server: dunia.Server, tmp_path: Path
) -> None:
    """Of a server that tells sizes only the overviews are fetched; of another, whole files."""
    url = gallery.serve(catalog, server)
    cogs = [path for path in server.content if path.endswith(".tif")]
    if ask == "whole":
        server.faults = dict.fromkeys(cogs, no_head)
    stacgen.preview(catalog, tmp_path / "folder.png", width=400)
    stacgen.preview(f"{url}/collection.json", tmp_path / "website.png", width=400)
    assert (tmp_path / "folder.png").read_bytes() == (tmp_path / "website.png").read_bytes()
    gets = [each for each in server.requests if each.path in cogs and each.method == "GET"]
    assert {each.path for each in gets} == set(cogs)
    assert all(("Range" in each.headers) is (ask == "range") for each in gets)
    if ask == "range":
        assert all(last(each) < 1 << 16 for each in gets)  # one piece


def no_head(request: dunia.Request) -> dunia.Reply | None:
    return dunia.Reply(status=405) if request.method == "HEAD" else None


def last(request: dunia.Request) -> int:
    """The last byte that was asked for; overviews lie ahead of the pixels."""
    return int(request.headers["Range"].rpartition("-")[2])


def test_a_bucket_gives_the_same_picture_as_the_folder(catalog: Path) -> None:
    bucket = Bucket(MemoryStore(), "memory://")
    for path in catalog.rglob("*"):
        if path.is_file():
            bucket.write(path.relative_to(catalog).as_posix(), path.read_bytes(), "")
    content, count = preview.sheet(Home(place=bucket), Selection(), Layout(width=400))
    assert (content, count) == preview.sheet(
        Home(place=open_store(catalog)), Selection(), Layout(width=400)
    )


def test_a_website_that_stops_answering_is_one_sentence(
    catalog: Path, server: dunia.Server, tmp_path: Path
) -> None:
    url = gallery.serve(catalog, server)
    cog = next(path for path in server.content if path.endswith(".tif"))
    server.faults[cog] = lambda request: (
        dunia.Reply(status=403) if request.method == "GET" and request.count > 3 else None
    )
    with pytest.raises(TransferError, match=r"\.tif could not be fetched: the server answered 403"):
        stacgen.preview(url, tmp_path / "sheet.png", width=1200, columns=1)
    assert not (tmp_path / "sheet.png").exists()


def colored_thumbnails(collection: Path) -> None:
    """Make of each Item one of several bands with a picture in colour, as scenes are."""
    for number, path in enumerate(gallery.items(collection)):
        document = json.loads(path.read_bytes())
        document["assets"]["B08"] = document["assets"]["B09"]
        path.write_text(json.dumps(document))
        rgba = np.zeros((90, 90, 4), np.uint8)
        rgba[...] = (30 * number, 120, 200, 255)
        rgba[:, 45:, 3] = 0
        Image.fromarray(rgba).save(path.parent / "thumbnail.png")


@pytest.mark.parametrize("name", ["sheet.png", "film.mp4", "film.gif"])
def test_items_of_several_bands_are_shown_by_their_thumbnails_in_colour(
    name: str, copy: Path, tmp_path: Path
) -> None:
    colored_thumbnails(copy)
    path = tmp_path / name
    stacgen.preview(copy, path, width=320, columns=1)
    if name == "sheet.png":
        with Image.open(path) as image:
            top = np.asarray(image.convert("RGB"))[50:, 20:]
    else:
        top = READERS[name](path)[0]
    left, right = top[60, 60].astype(int), top[60, 240].astype(int)
    assert np.abs(left - (0, 120, 200)).max() <= 6
    assert np.abs(right - contact_sheet.NODATA).max() <= 6


def first(collection: Path, ending: str) -> Path:
    return gallery.items(collection)[0].with_suffix(ending)


def remove_cog(copy: Path) -> None:
    first(copy, ".tif").unlink()


def cut_cog(copy: Path) -> None:
    first(copy, ".tif").write_bytes(first(copy, ".tif").read_bytes()[:2000])


def no_cog(copy: Path) -> None:
    first(copy, ".tif").write_bytes(b"<html>" * 1000)


def no_thumbnail(copy: Path) -> None:
    (first(copy, ".json").parent / "thumbnail.png").unlink()


def broken_thumbnail(copy: Path) -> None:
    (first(copy, ".json").parent / "thumbnail.png").write_bytes(b"\x89PNG\r\n\x1a\nno")


def no_item(copy: Path) -> None:
    first(copy, ".json").unlink()


def no_json(copy: Path) -> None:
    first(copy, ".json").write_bytes(b"{")


def no_time(copy: Path) -> None:
    gallery.change(first(copy, ".json"), datetime="yesterday")


def no_figure(copy: Path) -> None:
    gallery.change(first(copy, ".json"), **{"eo:cloud_cover": "much"})


def no_links(copy: Path) -> None:
    (copy / "2025" / "catalog.json").write_bytes(b'{"type": "Catalog", "links": [1]}')


def astray(copy: Path) -> None:
    document = json.loads(first(copy, ".json").read_bytes())
    document["assets"]["B09"]["href"] = "../../../../../../etc/passwd"
    first(copy, ".json").write_text(json.dumps(document))


def elsewhere(copy: Path) -> None:
    document = json.loads(first(copy, ".json").read_bytes())
    document["assets"]["B09"]["href"] = "file:///etc/passwd"
    first(copy, ".json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (remove_cog, r"\.tif is not there"),
        (cut_cog, r"\.tif cannot be read"),
        (no_cog, r"\.tif cannot be read"),
        (no_thumbnail, r"thumbnail\.png is linked and not there"),
        (broken_thumbnail, r"thumbnail\.png cannot be shown: it is no picture"),
        (no_item, r"\.json is linked and not there"),
        (no_json, r"is not JSON"),
        (no_time, r"is no Item with one time"),
        (no_figure, r"is no Item with one time"),
        (no_links, r"2025/catalog\.json has links that make no sense"),
        (astray, r"not in the catalog"),
        (elsewhere, r"not in the catalog"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_damaged_catalog_is_one_sentence_and_nothing_is_drawn(
    spoil: Callable[[Path], None], sentence: str, copy: Path, tmp_path: Path
) -> None:
    spoil(copy)
    with pytest.raises(OutputError, match=sentence):
        stacgen.preview(copy, tmp_path / "out" / "sheet.png")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"output": "film.avi"}, r"'film.avi' ends in none of .mp4, .gif, .png"),
        ({"output": "film"}, "ends in none of"),
        ({"wanted": Selection(max_cloud=120)}, "no percentage"),
        ({"collection": "nowhere"}, r"There is no collection.json at nowhere"),
        ({"output": "a.png", "width": 60, "columns": 9}, "5 columns do not fit into 60 pixels"),
        ({"output": "a.mp4", "width": 10}, "10 pixels wide is none"),
        ({"output": "a.mp4", "fps": 0}, "0 frames a second is none"),
        ({"output": "a.gif", "fps": float("nan")}, "nan frames a second is none"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    arguments: dict[str, Any],
    sentence: str,
    catalog: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: dict[str, Any] = {"collection": catalog, "output": "a.png"} | arguments
    with pytest.raises(UsageError, match=sentence):
        stacgen.preview(**asked)
    assert list(tmp_path.iterdir()) == []


FIELDS = arrays.arrays(
    np.uint16,
    st.integers(1, 200),
    elements=st.sampled_from([0, 1, 65_535]) | st.integers(0, 65_535),
    fill=st.nothing(),
)


@given(numbers=FIELDS)
@settings(max_examples=100, deadline=None)
def test_the_stretch_lies_between_the_percentiles_of_what_is_valid(
    numbers: NDArray[np.uint16],
) -> None:
    valid = numbers[numbers > 0]
    found = Stretch.of(np.bincount(numbers, minlength=65_536))
    if valid.size:
        black, white = np.percentile(valid, [2, 98], method="inverted_cdf")
        assert found.black == black
        assert found.white == max(float(white), float(black) + 1)
    grey = found.grey(numbers)
    order = np.argsort(numbers, kind="stable")
    assert (np.diff(grey[order].astype(int)) >= 0).all()


def test_a_picture_of_any_mode_is_read_with_its_opacity() -> None:
    for mode, opaque in (("L", True), ("LA", False), ("RGB", True), ("RGBA", False), ("P", True)):
        out = io.BytesIO()
        Image.new(mode, (3, 2)).save(out, "PNG")
        pixels, valid = contact_sheet.read(out.getvalue())
        assert pixels.shape[:2] == valid.shape == (2, 3)
        assert valid.all() == opaque
