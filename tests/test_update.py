"""No change of a document is lost, however many change it at the same time."""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from servers import Service
from stacgen.catalog.compare_and_swap import update
from stacgen.errors import OutputError
from stacgen.io import lease
from stacgen.io.bucket import Bucket
from stacgen.io.conditional_put import Means, ObjectTokens, probe
from stacgen.io.folder import Folder
from stacgen.io.stores import open_store
from stacgen.model.protocols import Store

JSON = "application/json"
WRITERS = 8
LINKS = 8

WRITER = """
import json, sys
from stacgen.catalog.compare_and_swap import update
from stacgen.io.stores import open_store

address, options, number, count = sys.argv[1:]
store = open_store(address, json.loads(options))

def linked(content, link):
    return json.dumps(sorted({*json.loads(content or b"[]"), link})).encode()

for each in range(int(count)):
    update(store, "29PKR/catalog.json", "application/json",
           lambda content: linked(content, f"{number}-{each}"))
"""


def add(link: str) -> Callable[[bytes | None], bytes]:
    """A change that adds a link to a list of links."""
    return lambda content: json.dumps(sorted({*json.loads(content or b"[]"), link})).encode()


@pytest.mark.parametrize("kind", ["folder", "moto", "ceph", "azurite", "locked"])
def test_eight_processes_that_change_one_document_lose_nothing(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    address, options = str(tmp_path / "root"), dict[str, str]()
    if kind != "folder":
        service: Service = request.getfixturevalue("moto" if kind == "locked" else kind)
        address, options = f"{service.bucket()}/x", dict(service.options)
        if kind == "locked":
            options["conditional_put"] = "disabled"
    links = LINKS if kind != "locked" else 2
    command = [sys.executable, "-c", WRITER, address, json.dumps(options)]
    writers = [
        subprocess.Popen([*command, str(number), str(links)], stderr=subprocess.PIPE, text=True)
        for number in range(WRITERS)
    ]
    said = [writer.communicate(timeout=300)[1] for writer in writers]
    assert said == [""] * WRITERS
    content = open_store(address, options).read("29PKR/catalog.json")
    assert content is not None
    expected = {f"{number}-{each}" for number in range(WRITERS) for each in range(links)}
    assert set(json.loads(content)) == expected


def test_what_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    assert update(store, "x.json", JSON, add("a"))
    before = (tmp_path / "x.json").stat()
    assert not update(store, "x.json", JSON, add("a"))
    assert (tmp_path / "x.json").stat() == before


def test_a_change_that_fails_leaves_the_document(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    update(store, "x.json", JSON, add("a"))

    def fails(_: bytes | None) -> bytes:
        raise OutputError("x.json is not JSON; mend or remove it first.")

    with pytest.raises(OutputError, match="mend or remove"):
        update(store, "x.json", JSON, fails)
    assert store.read("x.json") == b'["a"]'


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    script = (
        "import sys, time; from hashlib import sha256; from pathlib import Path\n"
        "from stacgen.io import file_lock as lock\n"
        "from stacgen.io.folder import Folder\n"
        "store = Folder(Path(sys.argv[1]))\n"
        "name = sha256(b'x.json').hexdigest()[:16]\n"
        "with lock.wait_for_flock(lock.FileTokens(store._hidden, name)):\n"
        "    print('held', flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        store = Folder(tmp_path)
        store.create("x.json", b"[]", JSON)
        waiting = threading.Thread(target=update, args=(store, "x.json", JSON, add("a")))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        holder.kill()
        waiting.join(5)
        assert not waiting.is_alive()
    assert store.read("x.json") == b'["a"]'
    assert [path.name for path in tmp_path.rglob("*")] == ["x.json"]


@pytest.mark.parametrize(
    ("kind", "means"),
    [("moto", Means.QUOTED), ("azurite", Means.QUOTED), ("ceph", Means.BARE)],
)
def test_the_probe_finds_what_each_server_can_do(
    kind: str, means: Means, request: pytest.FixtureRequest
) -> None:
    service: Service = request.getfixturevalue(kind)
    store = Bucket.at(service.bucket(), service.options)
    assert probe(store._store) is means
    assert list(obstore.list(store._store)) == []


def test_a_store_in_memory_needs_no_lock() -> None:
    assert probe(MemoryStore()) is Means.QUOTED


class Faults:
    """Stands before a server of S3 and does as told with what passes; `{method} {path}` tells."""

    def __init__(self, service: Service) -> None:
        self.seen: list[str] = []
        self.lose: Callable[[str], bool] = lambda _: False
        """Whether the server gets the request, and its answer is lost."""

        self.refuse: Callable[[str], int | None] = lambda _: None
        """A status to answer with instead."""

        self.ignores_conditions = False
        self._upstream = service.endpoint.partition("//")[2]
        faults = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def _pass(self) -> None:
                faults._answer(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815 - http.server's

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.options = {
            **service.options,
            "endpoint": f"http://127.0.0.1:{self._http.server_address[1]}",
        }

    @contextmanager
    def running(self) -> Iterator["Faults"]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            thread.join()
            self._http.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", "0"))
        body = handler.rfile.read(length)
        if len(body) < length:  # Who sent it has gone: the server would wait for the rest.
            handler.close_connection = True
            return
        what = f"{handler.command} {handler.path}"
        self.seen.append(what)
        status = self.refuse(what)
        if status is not None:
            handler.send_response(status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        headers = dict(handler.headers)
        if self.ignores_conditions:
            headers = {
                key: value
                for key, value in headers.items()
                if key.lower() not in ("if-match", "if-none-match")
            }
        with closing(http.client.HTTPConnection(self._upstream, timeout=30)) as upstream:
            upstream.request(handler.command, handler.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        if self.lose(what):
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in ("connection", "transfer-encoding", "date", "server"):
                handler.send_header(key, value)
        handler.end_headers()
        try:
            handler.wfile.write(content)
        except ConnectionError:  # Who asked has gone, as with the other parts when one fails.
            handler.close_connection = True


@pytest.fixture
def faults(moto: Service) -> Iterator[Faults]:
    with Faults(moto).running() as running:
        yield running


def every_other(word: str) -> Callable[[str], bool]:
    """True at the first request that holds the word, false at the second, and so on."""
    seen: list[str] = []

    def holds(what: str) -> bool:
        if word not in what:
            return False
        seen.append(what)
        return len(seen) % 2 == 1

    return holds


def test_a_put_whose_answer_is_lost_counts_as_done(faults: Faults, moto: Service) -> None:
    store = open_store(moto.bucket(), faults.options)
    faults.lose = every_other("/x.json")
    for number in range(5):
        assert update(store, "x.json", JSON, add(str(number)))
    assert store.read("x.json") == b'["0", "1", "2", "3", "4"]'
    assert sum("PUT" in what and "x.json" in what for what in faults.seen) > 5


def test_a_conflict_is_tried_again(faults: Faults, moto: Service) -> None:
    """Amazon's answer where two conditional puts meet: 409, try again."""
    store = open_store(moto.bucket(), faults.options)
    conflicts = every_other("/x.json")
    faults.refuse = lambda what: 409 if what.startswith("PUT") and conflicts(what) else None
    for number in range(5):
        assert update(store, "x.json", JSON, add(str(number)))
    assert store.read("x.json") == b'["0", "1", "2", "3", "4"]'


def test_a_store_that_ignores_conditions_is_found_out(faults: Faults, moto: Service) -> None:
    store = Bucket.at(moto.bucket(), faults.options)
    faults.ignores_conditions = True
    assert probe(store._store) is Means.LOCK


def test_a_lock_whose_holder_died_expires(moto: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this test's making is only how long five minutes are."""
    url = moto.bucket()
    options = {**moto.options, "conditional_put": "disabled"}
    store = Bucket.at(url, options)
    name = sha256(b"x.json").hexdigest()[:16]
    ObjectTokens(store._store, name).put("of a dead process", b"")
    monkeypatch.setattr(lease, "EXPIRY", 2.0)
    begun = time.monotonic()
    assert update(store, "x.json", JSON, add("a"))
    assert time.monotonic() - begun > 1
    assert [each["path"] for page in obstore.list(store._store) for each in page] == ["x.json"]


def test_a_part_that_fails_leaves_no_object_and_no_part(
    faults: Faults, moto: Service, tmp_path: Path
) -> None:
    bucket = moto.bucket()
    store = open_store(bucket, faults.options)
    with (tmp_path / "x.tif").open("wb") as file:
        file.truncate(80_000_000)
    faults.refuse = lambda what: 403 if "partNumber=3" in what else None
    with pytest.raises(OutputError, match=r"failed at x\.tif"):
        store.write("x.tif", tmp_path / "x.tif", "image/tiff")
    assert store.stat("x.tif") is None
    name = bucket.rpartition("/")[2]
    assert "Uploads" not in moto.s3().list_multipart_uploads(Bucket=name)


@pytest.mark.parametrize("kind", ["moto", "ceph", "azurite"])
def test_an_object_above_64_mb_goes_in_parts_and_comes_back_whole(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    service: Service = request.getfixturevalue(kind)
    store: Store = open_store(service.bucket(), service.options)
    pattern = bytes(range(256)) * 4096
    with store.scratch() as folder:
        with (folder / "x.tif").open("wb") as file:
            for _ in range(70):
                file.write(pattern)
        store.write("x.tif", folder / "x.tif", "image/tiff")
    entry = store.stat("x.tif")
    assert entry is not None
    assert entry.size == 70 * len(pattern)
    store.download("x.tif", tmp_path / "x.tif")
    with (tmp_path / "x.tif").open("rb") as file:
        assert all(file.read(len(pattern)) == pattern for _ in range(70))
