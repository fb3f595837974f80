"""Every kind of store keeps one promise: whole files, by key, and no change lost.

Folder and memory are at hand; the buckets are real servers, see `servers`.
"""

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from servers import Service
from stacgen.errors import OutputError, UsageError
from stacgen.io import conditional_put, lease
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.io.stores import open_store
from stacgen.model.protocols import Store
from stacgen.model.stream import ByteRange
from stacgen.stac import stac_json

JSON = "application/json"

OLD = (time.time() - 3 * 24 * 3600,) * 2
"""Times of a file that has lain there for three days."""


@pytest.fixture(params=["folder", "memory", "locked", "moto", "ceph", "azurite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store, empty; `locked` is a bucket that can do no compare-and-swap."""
    if request.param == "folder":
        return Folder(tmp_path / "deep" / "root")
    if request.param == "memory":
        return Bucket(MemoryStore(), "memory://")
    is_locked = request.param == "locked"
    service: Service = request.getfixturevalue("moto" if is_locked else request.param)
    settings = {"conditional_put": "disabled"} if is_locked else {}
    return open_store(f"{service.bucket()}/a prefix", {**service.options, **settings})


def fail_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the disk fail where that folder is read."""
    real = os.scandir

    def scandir(path: str | int) -> object:
        if str(path) == str(folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


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


def test_a_download_is_the_file_and_its_checksum(store: Store, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    store.write("a/x.tif", content, "image/tiff")
    assert store.download("a/x.tif", tmp_path / "x.tif") == sha256(content).hexdigest()
    assert (tmp_path / "x.tif").read_bytes() == content
    with pytest.raises(OutputError, match=r"nowhere\.tif"):
        store.download("nowhere.tif", tmp_path / "y.tif")


@pytest.mark.parametrize("key", ["a b/c d.json", "ü/é.json", "a%20b/c+d.json", "a/b,c=d;e@f.json"])
def test_a_key_may_hold_blanks_and_letters_of_any_language(store: Store, key: str) -> None:
    store.write(key, b"{}", JSON)
    assert store.read(key) == b"{}"
    assert [entry.key for entry in store.list("")] == [key]
    folder = key.partition("/")[0]
    assert [entry.key for entry in store.list(f"{folder}/")] == [key]


def test_a_prefix_is_a_folder_and_not_the_beginning_of_a_name(store: Store) -> None:
    for key in ("29PKR/a.json", "29PKRX/a.json", "29PKR.json"):
        store.write(key, b"{}", JSON)
    assert [entry.key for entry in store.list("29PKR/")] == ["29PKR/a.json"]


def test_a_list_is_complete_when_it_is_longer_than_a_page_of_the_server(store: Store) -> None:
    keys = [f"items/{number:04}.json" for number in range(1_100)]
    store.write_all((key, b"{}", JSON) for key in keys)
    assert sorted(entry.key for entry in store.list("items/")) == keys


def test_of_those_who_create_a_file_one_does(store: Store) -> None:
    contents = [str(number).encode() for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda content: store.create("a/x.json", content, JSON), contents))
    assert sum(made) == 1
    assert store.read("a/x.json") == contents[made.index(True)]


def test_of_those_who_swap_a_file_one_does(store: Store) -> None:
    store.write("a/x.json", b"old", JSON)
    found = store.read_versioned("a/x.json")
    assert found is not None
    contents = [str(number).encode() for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        done = list(
            pool.map(lambda content: store.swap("a/x.json", content, JSON, found[1]), contents)
        )
    assert sum(done) == 1
    assert store.read("a/x.json") == contents[done.index(True)]


def test_what_has_changed_or_gone_is_not_swapped(store: Store) -> None:
    store.write("a/x.json", b"old", JSON)
    found = store.read_versioned("a/x.json")
    assert found is not None
    assert found[0] == b"old"
    store.write("a/x.json", b"other", JSON)
    assert not store.swap("a/x.json", b"new", JSON, found[1])
    assert store.read("a/x.json") == b"other"
    store.delete("a/x.json")
    assert not store.swap("a/x.json", b"new", JSON, found[1])
    assert store.read("a/x.json") is None
    assert store.read_versioned("a/x.json") is None


def test_creating_or_swapping_again_what_lies_there_counts_as_done(store: Store) -> None:
    assert store.create("x.json", b"1", JSON)
    assert store.create("x.json", b"1", JSON)
    found = store.read_versioned("x.json")
    assert found is not None
    assert store.swap("x.json", b"2", JSON, found[1])
    assert store.swap("x.json", b"2", JSON, found[1])
    assert store.read("x.json") == b"2"


def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(store: Store) -> None:
    store.write("a/b/x.json", b"{}", JSON)
    store.write("a/y.json", b"{}", JSON)
    for _ in range(2):
        store.delete("a/b/x.json")
    assert [entry.key for entry in store.list("")] == ["a/y.json"]


def test_hidden_keys_are_kept_and_show_only_below_a_hidden_prefix(store: Store) -> None:
    """As `.stacgen/journal/<tile>/<run>.json`, which is written, created, changed and deleted."""
    journal = ".stacgen/journal/"
    first, second, third = (f"{journal}29PKR/{n}.json" for n in "123")
    store.write("29PKR/catalog.json", b"{}", JSON)
    store.write(first, b"1", JSON)
    assert store.create(second, b"2", JSON)
    assert not store.create(second, b"3", JSON)
    store.write_all([(third, b"3", JSON)])
    assert sorted(entry.key for entry in store.list(journal)) == [first, second, third]
    assert [entry.key for entry in store.list(f"{journal}32TLS/")] == []
    for prefix in ("", "29PKR/"):
        assert [entry.key for entry in store.list(prefix)] == ["29PKR/catalog.json"]
    found = store.read_versioned(second)
    assert found is not None
    assert store.swap(second, b"4", JSON, found[1])
    assert store.read(second) == b"4"
    assert store.size(first) == 1
    for key in (first, second, third):
        store.delete(key)
    assert list(store.list(journal)) == []
    if isinstance(store, Folder):
        assert not (Path(store.address) / ".stacgen").exists()


def test_many_may_write_and_delete_hidden_keys_at_once(tmp_path: Path) -> None:
    store = Folder(tmp_path)

    def write_and_delete(thread: int) -> None:
        for n in range(50):
            key = f".stacgen/journal/29PKR/{thread}-{n}.json"
            assert store.create(key, b"{}", JSON)
            assert store.read(key) == b"{}"
            store.delete(key)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write_and_delete, range(8)))
    assert list(tmp_path.iterdir()) == []


def test_conditional_changes_leave_nothing_else_behind(store: Store) -> None:
    store.create("x.json", b"1", JSON)
    found = store.read_versioned("x.json")
    assert found is not None
    store.swap("x.json", b"2", JSON, found[1])
    if isinstance(store, Folder):
        left = [path.name for path in Path(store.address).rglob("*")]
    else:
        assert isinstance(store, Bucket)
        left = [each["path"] for page in obstore.list(store._store) for each in page]
    assert left == ["x.json"]


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
    hidden = tmp_path / ".stacgen"
    left, fresh, other = hidden / f"{7:016x}", hidden / f"{8:016x}", hidden / "of others"
    for folder in (left, fresh, other):
        folder.mkdir(parents=True)
        (folder / "x.tif").write_bytes(b"x")
    half = hidden / f"{9:016x}"
    half.write_bytes(b"{")
    for path in (left, other, half):
        os.utime(path, OLD)
    Folder(tmp_path).write("catalog.json", b"{}", JSON)
    assert sorted(hidden.iterdir()) == [fresh, other]
    assert (fresh / "x.tif").exists()


def test_a_lock_is_held_for_days_while_others_write(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    with store.hold("update", "the first"):
        for path in (tmp_path / ".stacgen").iterdir():
            os.utime(path, OLD)
        store.write("catalog.json", b"{}", JSON)
        with store.hold("update", "the second") as other:
            assert other == "the first"
    assert [path.name for path in tmp_path.rglob("*")] == ["catalog.json"]


def test_a_lock_that_a_killed_build_left_goes_with_who_takes_it_next(tmp_path: Path) -> None:
    left = tmp_path / ".stacgen" / "update.lock"
    left.parent.mkdir()
    left.write_bytes(b"the first")
    with Folder(tmp_path).hold("update", "the second") as other:
        assert other is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_read_is_not_left_out_of_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Folder(tmp_path)
    for key in ("29PKR/B09/collection.json", "29PKR/B10/collection.json"):
        store.write(key, b"{}", JSON)
    fail_at(tmp_path / "29PKR" / "B10", monkeypatch)
    with pytest.raises(OutputError, match=r"B10 cannot be used: Input/output error"):
        list(store.list(""))
    assert len(list(store.list("29PKR/B09/"))) == 1


def test_a_folder_that_the_system_keeps_in_the_root_of_a_disk_is_not_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Folder(tmp_path)
    store.write("catalog.json", b"{}", JSON)
    (tmp_path / "lost+found").mkdir()
    fail_at(tmp_path / "lost+found", monkeypatch)
    assert [entry.key for entry in store.list("")] == ["catalog.json"]


def test_a_bucket_sweeps_its_own_old_scratch_folders_and_nothing_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalog, a checkout, and what somebody saved from a build that was killed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import os, sys; from stacgen.io.stores import open_store\n"
        "with open_store('memory:///').scratch() as folder:\n"
        "    (folder / 'x.tif').write_bytes(b'x'); print(folder, flush=True); os._exit(9)\n"
    )
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    def killed() -> Path:
        said = subprocess.run(command, check=False, env=environment, stdout=subprocess.PIPE)
        return Path(said.stdout.decode().strip())

    left, fresh = killed(), killed()
    saved = Path(shutil.copytree(left, tmp_path / "stacgen-saved"))
    catalog, checkout = tmp_path / "stacgen-catalogs", tmp_path / "stacgen-main"
    for folder in (catalog, checkout):
        folder.mkdir()
        (folder / "x.tif").write_bytes(b"x")
    link = tmp_path / "stacgen-link"
    link.symlink_to(catalog, target_is_directory=True)
    (catalog / f".{link.name}.scratch").touch()
    for folder in (left, saved, catalog, checkout):
        os.utime(folder, OLD)
    with Bucket(MemoryStore(), "memory://").scratch():
        assert not left.exists()
        for folder in (fresh, saved, catalog, checkout):
            assert (folder / "x.tif").read_bytes() == b"x"


def test_a_bucket_sweeps_old_locks_and_probes_and_no_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of this test's making is only how old is old."""
    memory = MemoryStore()
    lock, journal = ".stacgen/update.lock/0123456789abcdef", ".stacgen/journal/29PKR/1.json"
    for key in (lock, ".stacgen/probe-01234567", journal, "catalog.json"):
        obstore.put(memory, key, b"{}")
    monkeypatch.setattr(conditional_put, "_LONGEST_BUILD", timedelta(0))
    assert Bucket(memory, "memory://").means
    left = [each["path"] for page in obstore.list(memory) for each in page]
    assert sorted(left) == [journal, "catalog.json"]


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
        "from stacgen.io.folder import Folder; from stacgen.errors import OutputError\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = Folder(Path(sys.argv[1])); store.write('a.json', b'old', 'x')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: store.write('a.json', b'n' * 5000, 'x')\n"
        "except OutputError as error: print(error)\n"
    )
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
        "import sys; from pathlib import Path; from stacgen.io.folder import Folder\n"
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


@pytest.mark.parametrize("by", ["write", "create", "swap"])
@pytest.mark.parametrize("name", ["moto", "ceph", "azurite"])
@pytest.mark.parametrize(
    ("media_type", "seconds"),
    [
        (stac_json.COG, 31_536_000),
        (stac_json.PNG, 31_536_000),
        (stac_json.JSON, 60),
        (stac_json.GEOJSON, 60),
        ("application/vnd.apache.parquet", 60),
        ("text/html", 60),
    ],
)
def test_buckets_tell_the_type_and_how_long_to_keep_it(
    name: str, media_type: str, seconds: int, by: str, request: pytest.FixtureRequest
) -> None:
    service: Service = request.getfixturevalue(name)
    url = service.bucket()
    store = open_store(url, service.options)
    if by == "write":
        store.write("x", b"x", media_type)
    else:
        store.create("x", b"1", media_type)
    if by == "swap":
        found = store.read_versioned("x")
        assert found is not None
        assert store.swap("x", b"x", media_type, found[1])
    assert service.headers(url, "x") == (media_type, f"public, max-age={seconds}")


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


def test_a_percent_sign_in_a_prefix_is_one(moto: Service) -> None:
    """As in the cloud's own tools, to which a prefix is no part of a URL."""
    for prefix in ("a b", "a%20b", "a%", "ü+é"):
        bucket = moto.bucket()
        open_store(f"{bucket}/{prefix}", moto.options).write("x.json", b"{}", JSON)
        held = moto.s3().list_objects_v2(Bucket=bucket.rpartition("/")[2])["Contents"]
        assert [each["Key"] for each in held] == [f"{prefix}/x.json"]


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


def test_a_lock_names_its_holder_and_is_free_when_it_lets_go(store: Store) -> None:
    with store.hold("update", "the first") as holder:
        assert holder is None
        with store.hold("update", "the second") as other:
            assert other == "the first"
        with store.hold("something else", "the second") as other:
            assert other is None
    with store.hold("update", "the third") as holder:
        assert holder is None
    assert list(store.list("")) == []


def test_of_many_who_want_a_lock_at_once_one_has_it(store: Store) -> None:
    begin, end = threading.Barrier(4), threading.Barrier(4)

    def want(number: int) -> str | None:
        begin.wait(60)
        with store.hold("update", str(number)) as holder:
            end.wait(60)
        return holder

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(want, range(4)))
    assert found.count(None) == 1
    others = [each for each in found if each is not None]
    assert set(others) <= {str(number) for number in range(4)} | {"another process"}


def test_a_lock_that_is_held_for_long_is_renewed(
    moto: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of this test's making is only how long five minutes are."""
    monkeypatch.setattr(lease, "EXPIRY", 3.0)
    store = open_store(moto.bucket(), moto.options)
    with store.hold("update", "the first"):
        time.sleep(6)
        with store.hold("update", "the second") as holder:
            assert holder == "the first"


def test_a_lock_of_a_bucket_whose_holder_died_expires(
    moto: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = moto.bucket()
    script = (
        "import json, sys, time; from stacgen.io.stores import open_store\n"
        "with open_store(sys.argv[1], json.loads(sys.argv[2])).hold('update', 'the first'):\n"
        "    print('held', flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, bucket, json.dumps(dict(moto.options))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    store = open_store(bucket, moto.options)
    with store.hold("update", "the second") as other:
        assert other == "the first"
    monkeypatch.setattr(lease, "EXPIRY", 2.0)
    time.sleep(4)
    with store.hold("update", "the second") as other:
        assert other is None
