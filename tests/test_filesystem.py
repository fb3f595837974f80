"""File systems that lack `flock`, hard links or fsync of folders, and tiles on another disk."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests

from filesystem import CLOCK_AHEAD, FLOCK, LINK, SYNC_OF_FILES, SYNC_OF_FOLDERS, library
from items import Scene, file
from stacgen.api import search
from stacgen.catalog import validate
from stacgen.catalog.compare_and_swap import update
from stacgen.errors import OutputError
from stacgen.io.file_system import Capabilities
from stacgen.io.folder import Folder

MEMORY = Path("/dev/shm")  # noqa: S108 - a second file system
SCENES = [Scene(day="2025-03-02"), Scene(day="2025-03-12"), Scene(day="2025-03-02", band="B01")]

ADD = """
import json, sys
from pathlib import Path
from stacgen.catalog.compare_and_swap import update
from stacgen.io.folder import Folder
store = Folder(Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    mine = f"{sys.argv[2]}-{n}"
    update(store, f"{n}/new.json", "application/json", lambda found: found or b"[]")
    update(store, "x.json", "application/json",
           lambda found: json.dumps([*json.loads(found or b"[]"), mine]).encode())
"""
CLAIM = """
import sys
from pathlib import Path
from stacgen.io.folder import Folder
with Folder(Path(sys.argv[1])).hold("update", "the second") as holder:
    print(holder)
"""

SCRATCH = """
import sys, time
from pathlib import Path
from stacgen.io.stores import open_store
store = open_store(sys.argv[1])
ahead = time.time() - Path(sys.argv[2]).stat().st_mtime
assert ahead > 200_000, ahead
with store.scratch() as folder:
    (folder / "x.tif").write_bytes(b"pixels")
    store.write("a.json", b"{}", "application/json")
    with store.scratch():
        store.write("x.tif", folder / "x.tif", "image/tiff")
print(store.read("x.tif"))
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that has calls of the kernel fail."""
    return library(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder of another file system than that of `tmp_path`."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("This needs two file systems.")
    folder = Path(tempfile.mkdtemp(dir=MEMORY))
    yield folder
    shutil.rmtree(folder)


def start(
    shim: Path, lacking: Mapping[str, int], command: list[str | Path]
) -> subprocess.Popen[str]:
    """A process on a file system in which some calls fail with an errno."""
    environment = {name: str(number) for name, number in lacking.items()}
    return subprocess.Popen(
        command,
        env=os.environ | {"LD_PRELOAD": str(shim)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def build(root: Path) -> list[str | Path]:
    """The command that builds a frame."""
    options = ["--year", "2025", "--limit", "1", "--sample", "-o", str(root)]
    return [sys.executable, "-m", "stacgen", "build", "29PKR", "B09", *options]


def test_a_build_needs_no_flock_no_hard_links_and_no_fsync_of_folders(
    tmp_path: Path, shim: Path
) -> None:
    """The catalog is whole, and nothing is left in the hidden folder."""
    root = tmp_path / "out"
    lacking = {FLOCK: errno.ENOSYS, LINK: errno.EACCES, SYNC_OF_FOLDERS: errno.EINVAL}
    process = start(shim, lacking, build(root))
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed
    assert "Built 1 frame" in printed
    assert validate.validate(Folder(root), problems=None, deep=True).findings == ()
    assert not (root / ".stacgen").exists()


@pytest.mark.parametrize(
    "lacking",
    [
        {FLOCK: errno.ENOLCK, LINK: errno.EXDEV},
        {FLOCK: errno.EOPNOTSUPP, SYNC_OF_FOLDERS: errno.EOPNOTSUPP},
        {FLOCK: errno.EBADF, SYNC_OF_FOLDERS: errno.ENOSYS},
    ],
)
def test_what_is_missing_is_told_by_several_errors(
    tmp_path: Path, shim: Path, lacking: dict[str, int]
) -> None:
    """Create and compare-and-swap work all the same."""
    process = start(shim, lacking, [sys.executable, "-c", ADD, tmp_path, "a", "2"])
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed
    assert json.loads((tmp_path / "x.json").read_bytes()) == ["a-0", "a-1"]
    assert (tmp_path / "1" / "new.json").read_bytes() == b"[]"


def test_a_file_that_cannot_be_flushed_ends_a_change(tmp_path: Path, shim: Path) -> None:
    """A full disk is told by fsync of a file, which no file system may lack."""
    for lacking in ({}, {FLOCK: errno.ENOSYS, LINK: errno.EPERM, SYNC_OF_FOLDERS: errno.EINVAL}):
        full = {SYNC_OF_FILES: errno.ENOSPC} | lacking
        process = start(shim, full, [sys.executable, "-c", ADD, tmp_path, "a", "1"])
        printed, _ = process.communicate(timeout=600)
        assert process.returncode == 1
        last = printed.splitlines()[-1]
        assert last.startswith("stacgen.errors.OutputError")
        assert "No space left on device" in last
        assert list(tmp_path.iterdir()) == []


def test_writers_with_flock_and_without_it_lose_nothing_of_each_other(
    tmp_path: Path, shim: Path
) -> None:
    """One computer may mount a file system with flock, and another without it."""
    writers, each = 6, 12
    lacking = [{}, {FLOCK: errno.ENOSYS, LINK: errno.EPERM}]
    running = [
        start(shim, lacking[n % 2], [sys.executable, "-c", ADD, tmp_path, str(n), str(each)])
        for n in range(writers)
    ]
    for process in running:
        printed, _ = process.communicate(timeout=600)
        assert process.returncode == 0, printed
    held = json.loads((tmp_path / "x.json").read_bytes())
    assert sorted(held) == sorted(f"{n}-{i}" for n in range(writers) for i in range(each))
    assert not (tmp_path / ".stacgen").exists()


def test_a_lock_by_flock_is_seen_by_a_process_without_it(tmp_path: Path, shim: Path) -> None:
    """The process that has no flock is told who holds the lock, and the reverse."""
    store = Folder(tmp_path)
    with store.hold("update", "the first") as holder:
        assert holder is None
        for lacking in ({FLOCK: errno.ENOSYS}, {}):
            process = start(shim, lacking, [sys.executable, "-c", CLAIM, tmp_path])
            assert process.communicate(timeout=600)[0] == "the first\n"
    token = tmp_path / ".stacgen" / f"update.{'0' * 16}"
    token.parent.mkdir()
    token.write_text("without flock")
    with store.hold("update", "the third") as holder:
        assert holder == "without flock"


def test_a_file_system_says_what_it_has(tmp_path: Path, shim: Path) -> None:
    """`doctor` tells each capability, and what is weaker without it."""
    assert Folder(tmp_path).capabilities() == Capabilities(
        flock=True, hard_links=True, folder_fsync=True
    )
    lacking = {FLOCK: errno.ENOSYS, LINK: errno.EPERM, SYNC_OF_FOLDERS: errno.ENOSYS}
    options = ["--json", "--api", ""]
    command = [sys.executable, "-m", "stacgen", "doctor", str(tmp_path), *options]
    process = start(shim, lacking, [*command])
    printed, _ = process.communicate(timeout=600)
    found = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    marks = {each["name"]: each["mark"] for each in found if each["part"] == "Store"}
    expected = {"flock": "warn", "hard links": "warn", "folder fsync": "warn"}
    assert expected.items() <= marks.items()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_tile_may_be_a_link_to_another_disk(
    tmp_path: Path, other_disk: Path
) -> None:
    """It is built into, listed, published, validated and served like any other."""
    root = tmp_path / "out"
    root.mkdir()
    (root / "29PKR").symlink_to(other_disk)
    store = Folder(root)
    file(store, SCENES)
    with store.scratch() as folder:
        (folder / "x.tif").write_bytes(b"pixels")
        store.write("29PKR/B09/x.tif", folder / "x.tif", "image/tiff")
    store.write_all([("29PKR/B09/y.txt", b"1", "text/plain"), ("z.txt", b"2", "text/plain")])
    update(store, "29PKR/catalog.json", "application/json", lambda found: (found or b"") + b"\n")
    assert (other_disk / "B09" / "x.tif").read_bytes() == b"pixels"
    assert (other_disk / "B09" / "y.txt").read_bytes() == b"1"
    keys = {entry.key for entry in store.list("")}
    assert {"29PKR/B09/x.tif", "29PKR/catalog.json", "29PKR/B01/collection.json"} <= keys
    assert (root / "29PKR").is_symlink()
    assert not [path for place in (root, other_disk) for path in place.rglob(".stacgen")]
    with (
        search.serve(root, port=0) as base,
        requests.get(f"{base}/29PKR/B09/y.txt", timeout=60) as answer,
    ):
        assert answer.content == b"1"
    store.delete("29PKR/B09/x.tif")
    assert (root / "29PKR").is_symlink()


@pytest.mark.parametrize("name", ["elsewhere", "29PKR"])
def test_another_link_out_of_the_root_is_neither_listed_nor_served(
    tmp_path: Path, name: str
) -> None:
    """The link of a tile is followed by `serve` only if it leads to the catalog of a tile."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x.txt").write_text("1")
    root = tmp_path / "root"
    (root / "32TLS").mkdir(parents=True)
    (root / name).symlink_to(tmp_path / "secret")
    (root / "32TLS" / "B01").symlink_to(tmp_path / "secret")
    store = Folder(root)
    assert {entry.key for entry in store.list("")} <= {"29PKR/x.txt"}
    assert not store.holds(f"{name}/x.txt")
    assert not store.holds("32TLS/B01/x.txt")


def test_a_disk_that_is_not_mounted_is_one_sentence(tmp_path: Path) -> None:
    """The link of a tile then leads nowhere, which is no reason to try for a quarter of an hour."""
    (tmp_path / "29PKR").symlink_to(tmp_path / "not-mounted")
    with pytest.raises(OutputError, match="29PKR cannot be used: it is a file, or a link to what"):
        update(Folder(tmp_path), "29PKR/catalog.json", "application/json", lambda _: b"{}")


@pytest.mark.parametrize("is_bucket", [False, True])
def test_a_clock_ahead_of_the_file_system_sweeps_no_scratch_folder_in_use(
    tmp_path: Path, shim: Path, *, is_bucket: bool
) -> None:
    """Ages are by the file system's clock alone."""
    marker = tmp_path / "marker"
    marker.touch()
    root = "memory:///" if is_bucket else tmp_path / "out"
    command = [sys.executable, "-c", SCRATCH, str(root), str(marker)]
    process = start(shim, {CLOCK_AHEAD: 3 * 24 * 3600}, [*command])
    printed, _ = process.communicate(timeout=600)
    assert printed == "b'pixels'\n"
