"""Whatever an API, a playlist or a redirect names: no contact off the list, no file read."""

import builtins
import gzip
import io
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import dunia
import stacgen
from dunia import Reply
from stacgen.api.build import Upstream
from stacgen.errors import PlaylistError, StacgenError, TransferError
from stacgen.io import pinned_connections
from stacgen.io.http import Http, Patience
from stacgen.model.outcomes import Report
from stacgen.model.stream import Resource
from stacgen.model.urls import Gate, is_public

HASTY = Patience(connect=1, read=1, tries=2, shortest=0.001, longest=0.002, longest_named=0.01)
BAND = "/api/streaming/band_metadata/29PKR/B09/2025"
PLAYLIST = "/streams/stream.m3u8"
SECRET = "canary-5f1d"  # noqa: S105 - made up


@dataclass(slots=True)
class Seen:
    """What this process has done since watching began."""

    contacts: list[tuple[str, int]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Watches what libraries written in Python connect and open with.

    An audit hook would see more, but stays for all tests to come. While Python calls one that is
    written in Python another thread may run, and where both are about to be traced, as coverage
    has it, Python 3.11 drops one: a server's thread never begins, and a connection is lost.
    """
    seen = Seen()

    def watch(owner: object, name: str, note: Callable[..., None]) -> None:
        plain: Callable[..., object] = getattr(owner, name)

        def watched(*args: object, **options: object) -> object:
            note(*args)
            return plain(*args, **options)

        monkeypatch.setattr(owner, name, watched)

    def contact(_: object, address: object) -> None:
        if isinstance(address, tuple):
            seen.contacts.append((str(address[0]), int(address[1])))

    def opened(file: str | bytes | os.PathLike[str] | int, *_: object) -> None:
        if not isinstance(file, int):
            seen.files.append(os.fsdecode(file))

    watch(socket.socket, "connect", contact)
    watch(socket.socket, "connect_ex", contact)
    for module in (builtins, io, os):
        watch(module, "open", opened)
    return seen


def test_the_watch_misses_neither_a_contact_nor_a_file(
    server: dunia.Server, tmp_path: Path, seen: Seen
) -> None:
    server.content["/x"] = b"hello"
    path = tmp_path / "x"
    Http()(Resource(url=f"{server.base}/x"))
    path.write_bytes(b"hello")
    with path.open() as file:
        file.read()
    with open(path) as file:  # noqa: PTH123 - another way
        file.read()
    os.close(os.open(path, os.O_RDONLY))
    with socket.socket() as other:
        other.connect_ex(("127.0.0.1", port(server)))
    assert seen.contacts == [("127.0.0.1", port(server))] * 2
    assert seen.files.count(os.fspath(path)) == 4


@pytest.fixture
def trap() -> Iterator[dunia.Server]:
    """Another server on this machine, that nobody may ask."""
    with dunia.Server().running() as server:
        yield server


@pytest.fixture
def upstream(server: dunia.Server) -> dunia.Server:
    server.put_json(
        BAND,
        {"metadata": {"stream_full": f"@BASE@{PLAYLIST}"}, "images": dunia.images(4)},
    )
    server.put_json("/api/streaming/s2-tiles/utm-bounds/29PKR", dunia.BOUNDS_29PKR)
    return server


def port(server: dunia.Server) -> int:
    return int(server.base.rpartition(":")[2])


def built(server: dunia.Server, root: Path, **changes: object) -> Report:
    return stacgen.build(
        "29PKR",
        "B09",
        years=[2025],
        output=root,
        upstream=Upstream(api=server.base, patience=HASTY, **changes),  # type: ignore[arg-type]
    )


def assert_nothing_happens(
    server: dunia.Server, trap: dunia.Server, root: Path, seen: Seen, playlist: bytes
) -> None:
    """Every frame fails by name or the stream by a sentence; only the server was talked to."""
    server.content[PLAYLIST] = playlist
    try:
        report = built(server, root)
    except StacgenError as error:
        assert str(error).endswith(".")  # noqa: PT017 - a sentence, or a report
    else:
        assert len(report.failed) == 4
        assert not report.built
    assert set(seen.contacts) <= {("127.0.0.1", port(server))}
    assert trap.requests == []
    assert not [name for name in seen.files if "passwd" in name or name == os.fspath(root / "x")]


FORMS = [
    "127.0.0.1", "localhost", "localhost.", "LOCALHOST", "127.1", "127.0.1", "2130706433",
    "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "0.0.0.0", "0",  # noqa: S104 - not bound to
    "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "127.0.0.2", "user@127.0.0.1", "127.0.0.1%00.example", "%31%32%37.0.0.1",
    "①②⑦.⓪.⓪.①", "127。0。0。1", "good.example\\@127.0.0.1", "127.0.0.1\t", "[fe80::1%25lo]",
]  # fmt: skip
"""Ways to write this machine."""


@pytest.mark.parametrize("form", FORMS)
def test_this_machine_is_not_asked_however_it_is_written(
    upstream: dunia.Server, trap: dunia.Server, tmp_path: Path, seen: Seen, form: str
) -> None:
    url = f"http://{form}:{port(trap)}/seg_000.ts"
    playlist = dunia.playlist([4], names=[url])
    assert_nothing_happens(upstream, trap, tmp_path / "out", seen, playlist)


@pytest.mark.parametrize("form", FORMS)
def test_this_machine_is_not_asked_however_an_answer_of_another_writes_it(
    trap: dunia.Server, seen: Seen, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Where the API is not here, addresses alone decide."""
    looked_up = socket.getaddrinfo

    def lookup(name: str, number: int, *, type: socket.SocketKind) -> object:  # noqa: A002 - its own
        return looked_up(name.replace("dunia.example", "198.51.100.1"), number, type=type)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    http = Http(gate=Gate(home="http://dunia.example"), patience=HASTY)
    with pytest.raises(TransferError):
        http(Resource(url=f"http://{form}:{port(trap)}/x"))
    assert (seen.contacts, trap.requests) == ([], [])


ENTRY = "#EXTINF:0.16,\n"
HOSTILE = {
    "file": ENTRY + "file:///etc/passwd",
    "file by host": ENTRY + "file://localhost/etc/passwd",
    "file in capitals": ENTRY + "FILE:///etc/passwd",
    "data": ENTRY + "data:video/mp2t;base64,R0AAEA==",
    "concat": ENTRY + "concat:http://TRAP/a|file:///etc/passwd",
    "crypto": ENTRY + "crypto:http://TRAP/a",
    "crypto file": ENTRY + "crypto+file:///etc/passwd",
    "subfile": ENTRY + "subfile,,start,0,end,100,,:/etc/passwd",
    "gopher": ENTRY + "gopher://TRAP/_x",
    "ftp": ENTRY + "ftp://TRAP/x.ts",
    "rtmp": ENTRY + "rtmp://TRAP/x",
    "tcp": ENTRY + "tcp://TRAP",
    "pipe": ENTRY + "pipe:0",
    "javascript": ENTRY + "javascript:alert(1)",
    "another port": ENTRY + "http://TRAP/x.ts",
    "no scheme": ENTRY + "//TRAP/x.ts",
    "no scheme, backslashes": ENTRY + "\\\\TRAP\\x.ts",
    "three slashes": ENTRY + "http:///TRAP/x.ts",
    "one slash": ENTRY + "http:/TRAP/x.ts",
    "user": ENTRY + "http://HERE@TRAP/x.ts",
    "user and password": ENTRY + "http://a:b@TRAP/x.ts",
    "fragment": ENTRY + "http://TRAP#@HERE/x.ts",
    "question mark": ENTRY + "http://TRAP?@HERE/x.ts",
    "header injected": ENTRY + "http://TRAP/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "metadata of a cloud": ENTRY + "http://169.254.169.254/latest/meta-data/",
    "private 10": ENTRY + "http://10.0.0.1/x.ts",
    "private 192": ENTRY + "http://192.168.0.1/x.ts",
    "private 172": ENTRY + "http://172.16.0.1/x.ts",
    "shared": ENTRY + "http://100.64.0.1/x.ts",
    "link-local": ENTRY + "http://[fe80::1]/x.ts",
    "unique local": ENTRY + "http://[fd00::1]/x.ts",
    "multicast": ENTRY + "http://224.0.0.1/x.ts",
    "public": ENTRY + "http://198.51.100.7/x.ts",
    "map": '#EXT-X-MAP:URI="http://TRAP/init.mp4"\n' + ENTRY + "x.m4s",
    "map of a file": '#EXT-X-MAP:URI="file:///etc/passwd"\n' + ENTRY + "x.m4s",
    "key": '#EXT-X-KEY:METHOD=AES-128,URI="http://TRAP/key"\n' + ENTRY + "x.ts",
    "key of a file": '#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/passwd"\n' + ENTRY + "x.ts",
    "session key": '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="http://TRAP/key"\n' + ENTRY + "x.ts",
    "variant": "#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://TRAP/v.m3u8",
    "variant of a file": "#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:///etc/passwd",
    "itself": "#EXT-X-STREAM-INF:BANDWIDTH=1\nstream.m3u8",
    "a long line": ENTRY + "x" * 10_000_000,
    "many segments": (ENTRY + "x.ts\n") * 200_000,
    "nothing": "",
    "NULs": ENTRY + "x\0.ts",
    "a byte range beyond": "#EXT-X-BYTERANGE:999999999999999@999999999999999\n" + ENTRY + "x.ts",
    "an endless duration": "#EXTINF:1e400,\nx.ts",
    "a long duration": "#EXTINF:400000,\nx.ts",
    "a duration of ages": "#EXTINF:1e300,\nx.ts",
    "many keys": "".join(f'#EXT-X-KEY:METHOD=NONE,URI="{n}"\n' for n in range(30_000))
    + ENTRY
    + "x",
    "many keys of other names": "".join(f"#EXT-X-KEY{n}:METHOD=NONE\n" for n in range(30_000)),
    "many empty lines": "\n" * 10_000_000,
    "many lines of another kind": "\x0b" * 10_000_000,
    "no duration": "#EXTINF:nan,\nx.ts",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_playlist_leads_nowhere(
    upstream: dunia.Server, trap: dunia.Server, tmp_path: Path, seen: Seen, name: str
) -> None:
    body = HOSTILE[name]
    body = body.replace("TRAP", f"127.0.0.1:{port(trap)}")
    body = body.replace("HERE", f"127.0.0.1:{port(upstream)}")
    began = time.monotonic()
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{body}\n#EXT-X-ENDLIST\n".encode()
    assert_nothing_happens(upstream, trap, tmp_path / "out", seen, playlist)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("where", ["segment", "playlist", "api"])
@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:{trap}/x", "http://localhost:{trap}/x", "http://169.254.169.254/x",
     "file:///etc/passwd", "//127.0.0.1:{trap}/x", "http://[::1]:{trap}/x", "/loop"],
)  # fmt: skip
def test_a_redirect_leads_nowhere_else(
    upstream: dunia.Server, trap: dunia.Server, tmp_path: Path, seen: Seen, where: str, target: str
) -> None:
    location = target.format(trap=port(trap))
    redirect = Reply(status=302, headers={"Location": location})
    place = {"segment": "/streams/seg_000.ts", "playlist": PLAYLIST, "api": BAND}[where]
    upstream.faults[place] = upstream.faults["/loop"] = lambda _: redirect
    assert_nothing_happens(upstream, trap, tmp_path / "out", seen, dunia.playlist([4]))
    assert len(upstream.requests) < 20


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/s.m3u8", "http://169.254.169.254/s.m3u8", "http://[::1]:{trap}/s.m3u8",
     "http://192.168.1.1/s.m3u8", "http://[fd00::1]/s.m3u8", "http://0.0.0.0:{trap}/s.m3u8"],
)  # fmt: skip
def test_a_playlist_within_another_private_network_is_not_asked_for(
    upstream: dunia.Server, trap: dunia.Server, tmp_path: Path, seen: Seen, url: str
) -> None:
    stream = {"metadata": {"stream_full": url.format(trap=port(trap))}, "images": dunia.images(4)}
    upstream.put_json(BAND, stream)
    assert_nothing_happens(upstream, trap, tmp_path / "out", seen, b"")


def test_a_host_that_the_user_lists_is_asked(
    upstream: dunia.Server, trap: dunia.Server, tmp_path: Path
) -> None:
    upstream.content[PLAYLIST] = dunia.playlist([4], names=[f"{trap.base}/seg_000.ts"])
    assert len(built(upstream, tmp_path, allow_hosts=("127.0.0.1",)).failed) == 4
    assert set(trap.paths()) == {"/seg_000.ts"}


def test_a_name_that_leads_elsewhere_the_second_time_is_not_followed(
    trap: dunia.Server, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: first to a host in public, for which 127.0.0.2 stands, then to this machine."""
    looked_up: list[str] = []

    def lookup(name: str, number: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        looked_up.extend([] if name.startswith("127.") else [name])
        address = {"rebinding.example": "127.0.0.2" if len(looked_up) < 2 else "127.0.0.1"}
        found = address.get(name, name.replace("dunia.example", "198.51.100.1")), number
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", found)]

    monkeypatch.setattr(pinned_connections, "is_public", "127.0.0.2".__eq__)
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    http = Http(gate=Gate(home="http://dunia.example"), patience=HASTY)
    with pytest.raises(TransferError, match="private network or of this machine"):
        http(Resource(url=f"http://rebinding.example:{port(trap)}/x"))
    assert looked_up == ["rebinding.example", "rebinding.example", "dunia.example"]
    assert set(seen.contacts) <= {("127.0.0.2", port(trap))}
    assert trap.requests == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("172.31.0.1", False), ("192.168.0.1", False), ("169.254.169.254", False),
        ("100.64.0.1", False), ("0.0.0.0", False),  # noqa: S104 - not bound to
        ("224.0.0.1", False), ("::1", False),
        ("::", False), ("fe80::1", False), ("fe80::1%lo", False), ("fd00::1", False),
        ("ff02::1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False), ("::ffff:8.8.8.8", True), ("::127.0.0.1", False),
        ("::ffff:0:7f00:1", False), ("64:ff9b:1::a9fe:a9fe", False), ("fec0::2", False),
        ("192.0.0.192", False), ("192.88.99.1", False), ("5f00::1", False),
        ("168.63.129.16", False),
    ],
)  # fmt: skip
def test_only_the_open_internet_is_public(address: str, *, expected: bool) -> None:
    assert is_public(address) is expected


@pytest.mark.parametrize(
    ("url", "led", "expected"),
    [
        ("https://api.example/x", [], None),
        ("https://cdn.example/s.m3u8", [], None),
        ("https://cdn.example/a.ts", ["https://cdn.example/s.m3u8"], None),
        ("https://cdn.example:443/a.ts", ["https://cdn.example/s.m3u8"], None),
        ("https://api.example/a.ts", ["https://cdn.example/s.m3u8"], None),
        ("https://listed.example/a.ts", ["https://cdn.example/s.m3u8"], None),
        ("https://listed.example:8443/a.ts", ["https://cdn.example/s.m3u8"], None),
        ("https://port.example:8443/a.ts", ["https://cdn.example/s.m3u8"], None),
        ("https://port.example/a.ts", ["https://cdn.example/s.m3u8"], "--allow-host"),
        ("https://evil.example/a.ts", ["https://cdn.example/s.m3u8"], "--allow-host evil.example"),
        ("https://cdn.example:8443/a.ts", ["https://cdn.example/s.m3u8"], "--allow-host"),
        ("https://cdn.example.evil.example/a.ts", ["https://cdn.example/s.m3u8"], "--allow-host"),
        ("http://cdn.example/a.ts", ["https://cdn.example/s.m3u8"], "not encrypted"),
        ("http://cdn.example/s.m3u8", [], "--allow-host cdn.example"),
        ("http://listed.example/s.m3u8", [], None),
        ("http://listed.example/a.ts", ["https://cdn.example/s.m3u8"], "not encrypted"),
        ("https://cdn.example/a.ts", ["http://cdn.example/s.m3u8"], None),
        ("ftp://cdn.example/a.ts", ["https://cdn.example/s.m3u8"], "no plain http(s) URL"),
        ("https://cdn.example\\@evil.example/a.ts", ["https://cdn.example/s.m3u8"], "no plain"),
    ],
)
def test_who_may_lead_where(url: str, led: list[str], expected: str | None) -> None:
    gate = Gate(
        home="https://api.example", hosts=frozenset({"Listed.example", "port.example:8443"})
    )
    refusal = gate.refusal(url, led)
    assert refusal is None if expected is None else expected in (refusal or "")


def test_headers_go_to_the_api_and_to_nobody_else(server: dunia.Server, trap: dunia.Server) -> None:
    gate = Gate(home=server.base, hosts=frozenset({"127.0.0.1"}))
    http = Http(gate=gate, headers={"Authorization": f"Bearer {SECRET}"}, patience=HASTY)
    trap.content["/y"] = b"y"
    server.content["/x"] = b"x"
    server.faults["/z"] = lambda _: Reply(status=307, headers={"Location": f"{trap.base}/y"})
    for url in (f"{server.base}/x", f"{trap.base}/y", f"{server.base}/z"):
        http(Resource(url=url))
    assert [each.headers.get("Authorization") for each in server.requests] == [
        f"Bearer {SECRET}"
    ] * 2
    assert [each.headers.get("Authorization") for each in trap.requests] == [None, None]


def test_a_cookie_is_not_sent_back(server: dunia.Server) -> None:
    cookie = {"Set-Cookie": "session=1; Path=/"}
    server.faults["/x"] = lambda _: Reply(body=b"x", headers=cookie)
    http = Http(gate=Gate(home=server.base))
    for _ in range(2):
        http(Resource(url=f"{server.base}/x"))
    assert not any("Cookie" in each.headers for each in server.requests)


@contextmanager
def dripping(beginning: bytes, *, pause: float = 0.05) -> Iterator[str]:
    """A server that says something at once, and then a byte at a time, for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(beginning)
            while not over.wait(pause):
                connection.sendall(b"x")

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    over.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


OK = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "status": b"HT",
    "header": OK + b"X-Long: ",
    "length": OK + b"Content-Length: 1000000\r\n\r\n",
    "chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nFFFFFF\r\n",
    "no length": OK + b"\r\n",
    "extension": OK + b"Transfer-Encoding: chunked\r\n\r\n5;",
}


@pytest.mark.parametrize("name", DRIPS)
def test_a_server_that_drips_is_left(name: str) -> None:
    patience = Patience(connect=0.2, read=0.3, tries=2, shortest=0.001, longest=0.002)
    began = time.monotonic()
    with dripping(DRIPS[name]) as base, pytest.raises(TransferError):
        Http(patience=patience)(Resource(url=f"{base}/x"))
    assert time.monotonic() - began < 5


def test_what_drips_behind_a_body_is_not_waited_for() -> None:
    began = time.monotonic()
    whole = OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Long: "
    with dripping(whole) as base:
        answer = Http(patience=Patience(connect=0.2, read=0.3))(Resource(url=f"{base}/x"))
    assert answer.body == b"x"
    assert time.monotonic() - began < 5


def test_a_server_that_drips_is_left_behind_a_proxy_too(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = Patience(connect=0.2, read=0.3, tries=2, shortest=0.001, longest=0.002)
    began = time.monotonic()
    with dripping(DRIPS["header"]) as base:
        monkeypatch.setenv("http_proxy", base)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(TransferError):
            Http(patience=patience)(Resource(url="http://dunia.example/x"))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "127.1", "0x7f.0.0.1", "[::1]", "localhost", "a.localhost", "10.0.0.1"],
)
def test_a_proxy_is_not_asked_for_private_addresses(
    trap: dunia.Server, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    trap.content["/x"] = b"x"
    monkeypatch.setenv("http_proxy", trap.base)
    monkeypatch.setenv("no_proxy", "")
    http = Http(gate=Gate(home="http://dunia.example"), patience=HASTY)
    with pytest.raises(TransferError, match="private network or of this machine"):
        http(Resource(url=f"http://{host}/x"))
    assert trap.requests == []
    with pytest.raises(TransferError, match="404"):  # names are the proxy's to look up
        http(Resource(url="http://cdn.example/x"))
    assert trap.paths() == ["http://cdn.example/x"]


def test_what_netrc_holds_goes_nowhere_and_the_token_stays(
    upstream: dunia.Server, trap: dunia.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"default login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    upstream.content[PLAYLIST] = dunia.playlist([4], names=[f"{trap.base}/seg_000.ts"])
    headers = {"Authorization": "Bearer token"}
    built(upstream, tmp_path / "out", allow_hosts=("127.0.0.1",), headers=headers)
    assert {each.headers.get("Authorization") for each in upstream.requests} == {"Bearer token"}
    assert [each.headers.get("Authorization") for each in trap.requests] == [None]


def test_chunks_without_end_are_too_large(server: dunia.Server) -> None:
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    server.faults["/x"] = lambda _: Reply(body=chunk * 40, headers={"Transfer-Encoding": "chunked"})
    with pytest.raises(TransferError, match="larger than 16 MB: refused"):
        Http()(Resource(url=f"{server.base}/x", is_text=True))


def test_a_bomb_of_a_thousand_to_one_is_not_unpacked(server: dunia.Server) -> None:
    packed = gzip.compress(bytes(200 << 20))
    assert len(packed) < 1 << 20
    headers = {"Content-Encoding": "gzip"}
    server.faults["/x"] = lambda _: Reply(body=packed, headers=headers)
    with pytest.raises(TransferError, match="larger than 16 MB: refused"):
        Http()(Resource(url=f"{server.base}/x", is_text=True))


def test_json_without_bottom_is_a_sentence(upstream: dunia.Server, tmp_path: Path) -> None:
    upstream.content[BAND] = b'{"metadata":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    with pytest.raises(StacgenError, match="is not JSON"):
        built(upstream, tmp_path)


def test_a_master_playlist_in_itself_is_followed_thrice(
    upstream: dunia.Server, tmp_path: Path
) -> None:
    upstream.content[PLAYLIST] = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nstream.m3u8\n"
    with pytest.raises(PlaylistError, match="names only further playlists"):
        built(upstream, tmp_path)
    assert upstream.paths().count(PLAYLIST) == 3
