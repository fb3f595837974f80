"""Whatever happens to what stands above the Items, it is made anew from them, to the same bytes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stacgen
from stacgen.api.build import Upstream
from stacgen.errors import ForeignCatalogError, OutputError
from stacgen.model.stream import Selection
from test_build import tree
from test_store import fail_at

URL = "https://data.example/s2"
BAND, SCENES = "29PKR/B01", "29PKR/scenes"
FOLDERS = (BAND, SCENES)
ABOVE = [
    *(f"{folder}/{name}" for folder in FOLDERS for name in ("items.parquet", "index.html")),
    *(
        f"{folder}/{name}"
        for folder in FOLDERS
        for name in ("collection.json", "2025/catalog.json")
    ),
    *("29PKR/catalog.json", "collections.parquet", "index.html", "catalog.json"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound catalog of two frames of two bands, that knows where it is public."""
    root = tmp_path_factory.mktemp("built")
    wanted, upstream = Selection(limit=2), Upstream(sample=True)
    stacgen.build(
        "29PKR",
        "B01,B09",
        years=[2025],
        wanted=wanted,
        upstream=upstream,
        output=root,
        base_url=URL,
    )
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    return Path(shutil.copytree(built, tmp_path / "root"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def assert_repaired(root: Path, built: Path) -> None:
    assert tree(root) != tree(built)
    assert stacgen.repair(root).findings == ()
    assert tree(root) == tree(built)


def test_a_sound_catalog_stays_as_it_is(root: Path, built: Path) -> None:
    assert stacgen.repair(root).findings == ()
    assert tree(root) == tree(built)


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "nonsense"])
@pytest.mark.parametrize("key", ABOVE)
def test_each_kind_of_file_above_the_items_is_made_anew(
    root: Path, built: Path, key: str, damage: str
) -> None:
    path = root / key
    match damage:
        case "gone":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(path.read_bytes()[:-5])
        case _:
            path.write_text('{"links": 7}')
    assert_repaired(root, built)


def test_a_catalog_stays_as_it_is_where_a_folder_cannot_be_read(
    root: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network file system for a moment; the Items there are not gone."""
    with monkeypatch.context() as failing:
        fail_at(root / BAND / "2025", failing)
        with pytest.raises(OutputError, match=r"2025 cannot be used: Input/output error"):
            stacgen.repair(root)
    assert tree(root) == tree(built)


def test_all_of_it_is_made_anew_at_once(root: Path, built: Path) -> None:
    for key in ABOVE[:-1]:
        (root / key).write_bytes(b"{")
    assert_repaired(root, built)


@pytest.mark.parametrize("how", ["gone", "cut", "edited"])
def test_a_scene_is_made_anew(root: Path, built: Path, how: str) -> None:
    path = min((root / SCENES).rglob("T*.json"))
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    else:
        edit(path, lambda it: it["properties"].update(gsd=7))
    assert_repaired(root, built)


@pytest.mark.parametrize("key", [each for each in ABOVE if each.endswith(".json")])
def test_what_a_document_says_wrongly_is_mended(root: Path, built: Path, key: str) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["description"] = "Something else."
        rel = "child" if any(it["rel"] == "child" for it in document["links"]) else "item"
        document["links"].append({"rel": rel, "href": "./none/none.json", "title": "2031"})
        if "extent" in document:
            document["extent"]["spatial"]["bbox"] = [[0, 0, 1, 1]]
            document["summaries"]["processing:version"] = ["99.99"]

    edit(root / key, spoil)
    assert_repaired(root, built)


def test_items_that_are_gone_are_gone_from_everything_above(root: Path) -> None:
    stem = min((root / BAND / "2025").glob("T*")).name.removesuffix("_B01_60m")
    for band in ("B01", "B09"):
        shutil.rmtree(root / f"29PKR/{band}/2025/{stem}_{band}_60m")
    assert {each.rule for each in stacgen.validate(root, schemas=[root]).findings} > {"link"}
    assert stacgen.repair(root).findings == ()
    assert not [key for key, content in tree(root).items() if stem.encode() in content]
    assert not list((root / SCENES).rglob(f"{stem}.json"))


def test_a_collection_and_a_tile_without_items_go(root: Path) -> None:
    for path in (root / "29PKR").glob("B01/2025/*/*"):
        path.unlink()
    assert stacgen.repair(root).findings == ()
    assert not [key for key in tree(root) if key.startswith(BAND)]
    assert b"B01" not in (root / "29PKR/catalog.json").read_bytes()
    assert b"_B01_" not in (root / SCENES / "index.html").read_bytes()


def test_no_item_and_no_file_of_one_is_touched(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.glob("29PKR/B*/2025/*/*")}
    (root / f"{BAND}/collection.json").write_bytes(b"")
    stacgen.repair(root)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_is_not_ours_is_left_alone(root: Path, tmp_path: Path) -> None:
    edit(root / "catalog.json", lambda it: it.pop("stacgen:content"))
    edit(root / "catalog.json", lambda it: it["links"].append({"rel": "item", "href": "./a.json"}))
    (root / "29PKR/catalog.json").write_bytes(b"{")
    before = tree(root)
    with pytest.raises(ForeignCatalogError):
        stacgen.repair(root)
    assert tree(root) == before
    with pytest.raises(OutputError, match="There is no catalog at"):
        stacgen.repair(tmp_path / "none")


def test_the_command_says_what_is_left(root: Path, built: Path) -> None:
    (root / f"{BAND}/collection.json").write_bytes(b"{")
    command = [sys.executable, "-m", "stacgen", "repair", str(root)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no findings" in done.stderr
    assert tree(root) == tree(built)
    min(root.glob(f"{BAND}/2025/*/thumbnail.png")).unlink()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "thumbnail.png: nothing there" in done.stdout
