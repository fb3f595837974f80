"""Both kinds of store keep one promise: whole files, by key."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from stacgen.errors import OutputError, UsageError
from stacgen.models import ByteRange
from stacgen.ports import Store
from stacgen.store import open_store
from stacgen.store.bucket import Bucket
from stacgen.store.folder import Folder

JSON = "application/json"


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        yield Folder(tmp_path / "deep" / "root")
    else:
        yield Bucket(MemoryStore(), "memory://")


def test_what_is_written_can_be_read_listed_and_told(store: Store) -> None:
    store.write("29PKR/B09/collection.json", b"{}", JSON)
    store.write("29PKR/catalog.json", b"{ }", JSON)
    assert store.read("29PKR/B09/collection.json") == b"{}"
    assert [entry.key for entry in store.list("29PKR/B09/")] == ["29PKR/B09/collection.json"]
    assert {entry.key for entry in store.list("29PKR/")} == {
        "29PKR/B09/collection.json",
        "29PKR/catalog.json",
    }
    entry = store.stat("29PKR/catalog.json")
    assert entry is not None
    assert entry.size == 3
    assert entry.modified.utcoffset() is not None
    assert store.sha256("29PKR/catalog.json") == sha256(b"{ }").hexdigest()


def test_a_part_is_read_by_its_place_and_length(store: Store) -> None:
    store.write("29PKR/a.tif", b"0123456789", "image/tiff")
    assert store.size("29PKR/a.tif") == 10
    assert store.read_part("29PKR/a.tif", ByteRange(offset=3, length=4)) == b"3456"
    with pytest.raises(OutputError):
        store.read_part("29PKR/b.tif", ByteRange(offset=3, length=4))


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.read("nowhere/catalog.json") is None
    assert store.stat("nowhere/catalog.json") is None
    assert store.size("nowhere/catalog.json") is None
    assert list(store.list("nowhere/")) == []


def test_a_key_below_a_file_is_not_there(store: Store) -> None:
    store.write("a", b"x", JSON)
    assert store.read("a/b") is None
    assert store.stat("a/b") is None


def test_writing_again_replaces(store: Store) -> None:
    store.write("a.json", b"old", JSON)
    store.write("a.json", b"new", JSON)
    assert store.read("a.json") == b"new"


def test_a_file_from_scratch_arrives_whole_and_scratch_is_gone(store: Store) -> None:
    content = os.urandom(100_000)
    with store.scratch() as folder:
        (folder / "x.tif").write_bytes(content)
        (folder / "left-over").write_bytes(b"x")
        store.write("deep/er/x.tif", folder / "x.tif", "image/tiff")
    assert store.read("deep/er/x.tif") == content
    assert not folder.exists()


def test_a_missing_checksum_is_an_output_error(store: Store) -> None:
    with pytest.raises(OutputError, match=r"nowhere\.tif"):
        store.sha256("nowhere.tif")


def test_a_folder_holds_nothing_but_what_was_written(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    with store.scratch() as folder:
        (folder / "x.tif").write_bytes(b"x")
        store.write("x.tif", folder / "x.tif", "image/tiff")
        store.write("a/y.json", b"y", JSON)
        assert [entry.key for entry in store.list("")] == ["x.tif", "a/y.json"]
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert found == ["a", "a/y.json", "x.tif"]


def test_what_a_killed_build_left_is_swept_when_it_is_old(tmp_path: Path) -> None:
    left, fresh = tmp_path / ".stacgen" / "left", tmp_path / ".stacgen" / "fresh"
    for folder in (left, fresh):
        folder.mkdir(parents=True)
        (folder / "x.tif").write_bytes(b"x")
    os.utime(left, (0, 0))
    Folder(tmp_path).write("catalog.json", b"{}", JSON)
    assert not left.exists()
    assert (fresh / "x.tif").exists()


def test_many_threads_may_write_into_one_folder(tmp_path: Path) -> None:
    store = Folder(tmp_path)

    def write(number: int) -> None:
        for index in range(25):
            with store.scratch() as folder:
                (folder / "x").write_bytes(b"x")
                store.write(f"{number}/{index}.tif", folder / "x", "image/tiff")
            store.write(f"{number}/{index}.json", b"{}", JSON)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert len(list(store.list(""))) == 8 * 25 * 2
    assert not (tmp_path / ".stacgen").exists()


def test_readers_of_a_folder_see_the_old_or_the_new_file_and_nothing_between(
    tmp_path: Path,
) -> None:
    store = Folder(tmp_path)
    old, new = b"o" * 200_000, b"n" * 300_000
    store.write("catalog.json", old, JSON)
    seen: set[bytes | None] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(store.read("catalog.json"))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        store.write("catalog.json", new, JSON)
        store.write("catalog.json", old, JSON)
    done.set()
    reader.join()
    assert seen <= {old, new}


def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot be used: "):
        Folder(tmp_path / "file" / "root").write("catalog.json", b"{}", JSON)


def test_a_full_disk_is_one_sentence_and_leaves_the_old_file() -> None:
    root = Path("/dev/full")
    if not stat.S_ISCHR(root.stat().st_mode):
        pytest.skip("/dev/full is not the device that is always full")
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from stacgen.store.folder import Folder; from stacgen.errors import OutputError\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = Folder(Path(sys.argv[1])); store.write('a.json', b'old', 'x')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: store.write('a.json', b'n' * 5000, 'x')\n"
        "except OutputError as error: print(error)\n"
    )
    import tempfile  # noqa: PLC0415 - only here

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", script, folder]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert "cannot be used: File too large" in said
        assert [path.name for path in Path(folder).iterdir()] == ["a.json"]
        assert Path(folder, "a.json").read_bytes() == b"old"


def test_a_folder_flushes_file_and_name_before_it_returns(tmp_path: Path) -> None:
    """The order of system calls, as strace saw it: write, fsync, rename, fsync of the folder."""
    strace = Path("/usr/bin/strace")
    if not strace.exists():
        pytest.skip("strace is not on this machine")
    script = (
        "import sys; from pathlib import Path; from stacgen.store.folder import Folder\n"
        "Folder(Path(sys.argv[1])).write('catalog.json', b'{}', 'x')\n"
    )
    log = tmp_path / "trace"
    root = tmp_path / "root"
    root.mkdir()
    calls = "trace=fsync,rename,renameat,renameat2"
    command = [str(strace), "-y", "-e", calls, "-o", str(log), sys.executable, "-c", script]
    traced = subprocess.run([*command, str(root)], check=False, capture_output=True)
    if traced.returncode:
        pytest.skip("strace may not trace here")
    lines = [line for line in log.read_text().splitlines() if str(root) in line]
    assert [line.partition("(")[0] for line in lines] == ["fsync", "rename", "fsync"]
    assert "/.stacgen/" in lines[0]
    assert lines[2].endswith("= 0")
    assert f"{root}>" in lines[2]


def test_buckets_get_content_types_and_cache_times() -> None:
    memory = MemoryStore()
    store = Bucket(memory, "memory://")
    store.write("catalog.json", b"{}", JSON)
    store.write("x.tif", b"II*", "image/tiff")
    import obstore  # noqa: PLC0415 - only here

    kinds = {key: obstore.get(memory, key).attributes for key in ("catalog.json", "x.tif")}
    assert kinds["catalog.json"]["Content-Type"] == JSON
    assert kinds["x.tif"]["Content-Type"] == "image/tiff"
    assert "31536000" in kinds["x.tif"]["Cache-Control"]
    assert "max-age=60" in kinds["catalog.json"]["Cache-Control"]


@pytest.mark.parametrize("address", ["catalogs", "/data/catalogs", "C:catalogs", "a:b/c"])
def test_a_path_is_a_folder(address: str) -> None:
    store = open_store(address)
    assert isinstance(store, Folder)
    assert store.address == address


def test_a_file_url_is_a_folder() -> None:
    assert open_store("file:///data/my%20catalogs").address == "/data/my catalogs"


def test_a_bucket_url_is_a_bucket() -> None:
    store = open_store("s3://frames/sentinel-2/", {"region": "eu-central-1"})
    assert isinstance(store, Bucket)
    assert store.address == "s3://frames/sentinel-2"


@pytest.mark.parametrize("address", ["ftp://host/x", "https://host/x"])
def test_another_url_is_no_output(address: str) -> None:
    with pytest.raises(UsageError, match="neither a folder nor a bucket"):
        open_store(address)


def test_a_wrong_setting_of_a_bucket_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        open_store("s3://frames/x", {"no_such_setting": "1"})


def test_a_bucket_that_fails_is_an_output_error() -> None:
    nowhere = {
        "endpoint": "http://127.0.0.1:9",
        "allow_http": "true",
        "access_key_id": "x",
        "secret_access_key": "x",
        "region": "x",
    }
    store = Bucket.at("s3://frames/x", nowhere, retries=0)
    with pytest.raises(OutputError, match=r"failed at catalog\.json") as caught:
        store.read("catalog.json")
    assert "\n" not in str(caught.value)
