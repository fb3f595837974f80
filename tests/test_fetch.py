"""What is fetched is whole; what may pass is tried again, what will not is told at once."""

import base64
import gc
import gzip
import hashlib
import pickle
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dunia
from dunia import Reply, Request
from stacgen.errors import MissingError, TransferError
from stacgen.io.http import Http, Patience
from stacgen.model.stream import ByteRange, Resource

BODY = bytes(range(256)) * 3000
"""More than one chunk."""

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"

CHUNKED = {"Transfer-Encoding": "chunked"}


class Sleeps(list[float]):
    """Instead of sleeping, remembers for how long."""

    def __call__(self, seconds: float) -> None:
        """Remember."""
        self.append(seconds)


@pytest.fixture(scope="module")
def running() -> Iterator[dunia.Server]:
    with dunia.Server().running() as server:
        yield server


@pytest.fixture
def server(running: dunia.Server) -> dunia.Server:
    """The same for all tests, and as new for each."""
    running.content.clear()
    running.faults.clear()
    running.requests.clear()
    return running


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture
def http(sleeps: Sleeps) -> Http:
    """Patient, but quick: it only pretends to sleep."""
    return Http(patience=Patience(connect=5, read=5), sleep=sleeps)


def _at(server: dunia.Server, path: str = "/x", part: ByteRange | None = None) -> Resource:
    return Resource(url=f"{server.base}{path}?token=secret", part=part)


def _first(times: int, reply: Reply, then: Reply | None = None) -> dunia.Handler:
    """That reply so many times, then the other, or else what the server holds."""
    replies = iter([reply] * times)
    return lambda _: next(replies, then)


def _failed(http: Http, resource: Resource) -> str:
    with pytest.raises(TransferError) as raised:
        http(resource)
    assert "secret" not in str(raised.value)
    assert resource.url.partition("?")[0] in str(raised.value)
    return str(raised.value)


@contextmanager
def _talking(*answers: bytes) -> Iterator[Resource]:
    """A server that says each of these on one connection, word for word; nothing is a reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)
                    if not answer:
                        connection.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Resource(url=f"http://127.0.0.1:{listener.getsockname()[1]}/x?token=secret")
        thread.join(5)
        assert not thread.is_alive(), "an answer was not asked for"


@contextmanager
def _falling_silent_after(*beginnings: bytes) -> Iterator[Resource]:
    """A server that says each of these on one connection and then nothing, but not for ever."""
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()
    listener.settimeout(2)

    def serve() -> None:
        with suppress(OSError), listener, ExitStack() as held:
            for beginning in beginnings:
                held.enter_context(listener.accept()[0]).sendall(beginning)
            over.wait(2)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield Resource(url=f"http://127.0.0.1:{listener.getsockname()[1]}/x?token=secret")
    over.set()
    thread.join(5)


@contextmanager
def _refusing() -> Iterator[Resource]:
    """The address of a port that is taken, but at which nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        yield Resource(url=f"http://127.0.0.1:{nobody.getsockname()[1]}/x?token=secret")


def test_a_body_comes_whole(server: dunia.Server, http: Http, sleeps: Sleeps) -> None:
    server.content["/x"] = BODY
    answer = http(_at(server))
    assert answer.body == BODY
    assert answer.url == f"{server.base}/x?token=secret"
    assert sleeps == []


def test_an_empty_body_is_a_body(server: dunia.Server, http: Http) -> None:
    server.content["/x"] = b""
    assert http(_at(server)).body == b""


def test_nothing_is_asked_to_be_compressed(server: dunia.Server) -> None:
    server.content["/x"] = b"x"
    Http(headers={"X-Key": "k"})(_at(server))
    headers = server.requests[0].headers
    assert (headers["Accept-Encoding"], headers["X-Key"]) == ("identity", "k")


def test_one_connection_serves_many_requests_of_a_thread(server: dunia.Server, http: Http) -> None:
    connections = set()

    def note(_: Request) -> bytes:
        connections.add(threading.current_thread().name)
        return BODY

    server.faults["/x"] = note
    for _ in range(20):
        http(_at(server))
    assert len(connections) == 1
    thread = threading.Thread(target=http, args=(_at(server),))
    thread.start()
    thread.join()
    assert len(connections) == 2


def test_it_goes_to_another_process_without_its_connections(server: dunia.Server) -> None:
    server.content["/x"] = BODY
    http = Http(patience=Patience(tries=3), headers={"X-Key": "k"}, largest=len(BODY))
    http(_at(server))
    twin = pickle.loads(pickle.dumps(http))  # noqa: S301 - our own
    assert (twin.patience, twin.headers, twin.largest) == (
        Patience(tries=3),
        http.headers,
        len(BODY),
    )
    assert twin(_at(server)).body == BODY


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_status_that_may_pass_is_tried_again(
    server: dunia.Server, http: Http, sleeps: Sleeps, status: int
) -> None:
    server.content["/x"] = BODY
    server.faults["/x"] = _first(3, Reply(status=status))
    assert http(_at(server)).body == BODY
    assert len(sleeps) == 3


@pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 403, 416, 418])
def test_a_status_that_will_not_pass_is_told_at_once(
    server: dunia.Server, http: Http, sleeps: Sleeps, status: int
) -> None:
    server.faults["/x"] = lambda _: Reply(status=status)
    said = _failed(http, _at(server))
    assert f"/x could not be fetched: the server answered {status}" in said
    assert (sleeps, len(server.requests)) == ([], 1)


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_missing(
    server: dunia.Server, http: Http, sleeps: Sleeps, status: int
) -> None:
    server.faults["/x"] = lambda _: Reply(status=status)
    with pytest.raises(
        MissingError, match=rf"/x could not be fetched: the server answered {status}"
    ):
        http(_at(server))
    assert sleeps == []


def test_a_refusal_is_not_called_missing(server: dunia.Server, http: Http) -> None:
    server.faults["/x"] = lambda _: Reply(status=403)
    with pytest.raises(TransferError) as raised:
        http(_at(server))
    assert not isinstance(raised.value, MissingError)


def test_a_connection_refused_is_tried_again(http: Http, sleeps: Sleeps) -> None:
    with _refusing() as resource:
        said = _failed(http, resource)
    assert said.endswith("in 5 tries: the connection failed. Try again later.")
    assert len(sleeps) == 4


def test_a_server_that_comes_up_late_is_waited_for() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        answering: list[threading.Thread] = []

        def come_up(_: float) -> None:
            listener.listen()
            answering.append(threading.Thread(target=_answer_once, args=(listener,), daemon=True))
            answering[0].start()

        assert Http(sleep=come_up)(Resource(url=url)).body == b"hello"
        answering[0].join()


def _answer_once(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(HELLO)


OK = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "nothing": (b"", "the connection failed"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "the connection failed"),
    "half a header": (OK + b"Content-Le", "0 of an unknown number of bytes came"),
    "no length": (OK + b"\r\nhello", "5 of an unknown number of bytes came"),
    "no length, gzip": (
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello"),
        "25 of an unknown number of bytes came",
    ),
    "no body": (OK + b"Content-Length: 9\r\n\r\n", "the connection broke within the body"),
    "half a body": (OK + b"Content-Length: 9\r\n\r\nhello", "the connection broke within the body"),
    "half a chunk": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "the connection broke within the body",
    ),
    "no last chunk": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "the connection broke within the body",
    ),
    "no gzip": (
        HELLO.replace(b"Connection", b"Content-Encoding: gzip\r\nConnection"),
        "the body could not be decompressed",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_breaks_is_fetched_again(http: Http, sleeps: Sleeps, what: str) -> None:
    broken, reason = BROKEN[what]
    with _talking(broken, broken, HELLO) as resource:
        assert http(resource).body == b"hello"
    assert len(sleeps) == 2
    with _talking(broken) as resource:
        said = _failed(Http(patience=Patience(tries=1)), resource)
    assert said.endswith(f"/x could not be fetched in 1 try: {reason}. Try again later.")


def test_a_chunked_body_that_ends_properly_is_whole(server: dunia.Server, http: Http) -> None:
    server.faults["/x"] = lambda _: Reply(body=b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", headers=CHUNKED)
    assert http(_at(server)).body == b"hello"


def test_the_last_chunk_counts_whatever_length_is_announced() -> None:
    chunked = OK + b"Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    with _talking(chunked) as resource:
        assert Http(patience=Patience(tries=1))(resource).body == b"hello"


def test_a_body_that_is_compressed_all_the_same_is_read(server: dunia.Server, http: Http) -> None:
    packed = gzip.compress(BODY)
    gzipped = {"Content-Encoding": "gzip"}
    server.faults["/x"] = lambda _: Reply(body=packed, headers=gzipped)
    assert http(_at(server)).body == BODY


def test_a_body_that_is_compressed_in_pieces_is_read_to_its_end(
    server: dunia.Server, http: Http, sleeps: Sleeps
) -> None:
    pieces = [gzip.compress(BODY[:1000]), gzip.compress(b""), gzip.compress(BODY[1000:])]
    gzipped = {"Content-Encoding": "gzip"}
    server.faults["/x"] = lambda _: Reply(body=b"".join(pieces), headers=gzipped)
    assert http(_at(server)).body == BODY
    assert sleeps == []
    server.faults["/x"] = lambda _: Reply(body=b"".join(pieces) + b"more", headers=gzipped)
    assert "the body could not be decompressed" in _failed(http, _at(server))
    server.faults["/x"] = lambda _: Reply(body=gzip.compress(b"") * 1000, headers=gzipped)
    assert "the body was compressed in too many pieces" in _failed(http, _at(server))


def test_a_password_in_a_url_is_neither_shown_nor_sent(server: dunia.Server, http: Http) -> None:
    url = f"{server.base.replace('://', '://me:secret@')}/none"
    with pytest.raises(MissingError) as raised:
        http(Resource(url=url))
    assert str(raised.value).startswith(f"{server.base}/none could not be fetched")
    assert [each.headers.get("Authorization") for each in server.requests] == [None]


def test_a_compressed_body_that_is_short_is_fetched_again(
    server: dunia.Server, http: Http, sleeps: Sleeps
) -> None:
    packed = gzip.compress(BODY)
    gzipped = {"Content-Encoding": "gzip"}
    short = Reply(body=packed[:-40], headers=gzipped, announced=len(packed))
    whole = Reply(body=packed, headers=gzipped)
    server.faults["/x"] = _first(1, short, then=whole)
    assert http(_at(server)).body == BODY
    assert len(sleeps) == 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [(b"", "the server fell silent"), (HELLO[:-2], "the server fell silent")],
    ids=["at once", "within the body"],
)
def test_a_server_that_falls_silent_is_left_and_tried_again(
    sleeps: Sleeps, said: bytes, reason: str
) -> None:
    http = Http(patience=Patience(connect=0.2, read=0.2, tries=2), sleep=sleeps)
    with _falling_silent_after(said, said) as resource:
        start = time.monotonic()
        assert f"in 2 tries: {reason}" in _failed(http, resource)
        assert 0.4 <= time.monotonic() - start < 2
    assert len(sleeps) == 1


def test_waits_grow_are_bounded_and_differ(server: dunia.Server) -> None:
    server.faults["/x"] = lambda _: Reply(status=503)
    seen: list[float] = []
    for _ in range(3):
        sleeps = Sleeps()
        patience = Patience(tries=30, shortest=1, longest=8, total=10**6)
        said = _failed(Http(patience=patience, sleep=sleeps), _at(server))
        assert "in 30 tries: the server answered 503 Service Unavailable" in said
        assert len(sleeps) == 29
        assert all(1 <= sleep <= 8 for sleep in sleeps)
        assert all(after <= 3 * before for before, after in pairwise([1, *sleeps]))
        assert max(sleeps) > 3
        seen += sleeps
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("tries", [1, 2, 7])
def test_tries_are_counted(server: dunia.Server, sleeps: Sleeps, tries: int) -> None:
    server.faults["/x"] = lambda _: Reply(status=500)
    _failed(Http(patience=Patience(tries=tries), sleep=sleeps), _at(server))
    assert (len(server.requests), len(sleeps)) == (tries, tries - 1)


def test_waiting_has_an_end_however_many_tries_are_left(
    server: dunia.Server, sleeps: Sleeps
) -> None:
    server.faults["/x"] = lambda _: Reply(status=503, headers={"Retry-After": "40"})
    http = Http(patience=Patience(tries=1000, total=100), sleep=sleeps)
    assert "in 3 tries" in _failed(http, _at(server))
    assert sleeps == [40, 40]


def test_jittered_waiting_has_an_end_too(server: dunia.Server, sleeps: Sleeps) -> None:
    server.faults["/x"] = lambda _: Reply(status=503)
    _failed(Http(patience=Patience(tries=1000, total=60), sleep=sleeps), _at(server))
    assert 60 - 15 <= sum(sleeps) <= 60


def _in(seconds: float) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        (" 0 ", 0, 0),
        ("36000", 120, 120),
        ("9" * 500, 120, 120),
        pytest.param(_in(-3600), 0, 0, id="an hour ago"),
        pytest.param(_in(36000), 120, 120, id="in ten hours"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 120, 120),
        ("Fri, 31 Dec 9999 23:59:59 -0000", 120, 120),
    ],
)
def test_a_server_may_name_the_wait_within_reason(
    server: dunia.Server, sleeps: Sleeps, header: str, least: float, most: float
) -> None:
    server.content["/x"] = BODY
    again = Reply(status=429, headers={"Retry-After": header})
    server.faults["/x"] = _first(1, again)
    assert Http(sleep=sleeps)(_at(server)).body == BODY
    assert len(sleeps) == 1
    assert least <= sleeps[0] <= most


def test_a_server_may_name_the_moment_to_come_back(
    server: dunia.Server, http: Http, sleeps: Sleeps
) -> None:
    server.content["/x"] = BODY
    again = Reply(status=503, headers={"Retry-After": _in(90)})
    server.faults["/x"] = _first(1, again)
    http(_at(server))
    assert 60 < sleeps[0] <= 90


@pytest.mark.parametrize(
    "header",
    [
        *("", "soon", "-5", "1.5", "7 s", "\u00b2", "0x10"),
        "Mon, 01 Jan 2040 00:00:00 +9999",
        "Mon, 01 Jan 2040 00:00:00 +99999999999999999999",
        "Mon, 99 Jan 2040 00:00:00 GMT",
    ],
)
def test_a_wait_that_cannot_be_read_is_ours_to_choose(
    server: dunia.Server, http: Http, sleeps: Sleeps, header: str
) -> None:
    server.content["/x"] = BODY
    again = Reply(status=503, headers={"Retry-After": header})
    server.faults["/x"] = _first(1, again)
    http(_at(server))
    assert 0.1 <= sleeps[0] <= 0.3


_dates = st.from_regex(
    r"([A-Z][a-z]{2}, )?[0-9]{1,3} (Jan|Dec|Xyz) [0-9]{1,5}( [0-9:]{1,8}( [+-][0-9]{1,12}| GMT)?)?",
    fullmatch=True,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(header=_dates)
def test_no_named_wait_is_beyond_reason(server: dunia.Server, header: str) -> None:
    server.faults["/x"] = lambda _: Reply(status=503, headers={"Retry-After": header})
    sleeps = Sleeps()
    _failed(Http(patience=Patience(tries=2), sleep=sleeps), _at(server))
    assert len(sleeps) == 1
    assert 0 <= sleeps[0] <= 120


def _base64(name: str, body: bytes = BODY) -> str:
    return base64.b64encode(hashlib.new(name, body).digest()).decode()


CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
MD5 = f'"{hashlib.md5(BODY).hexdigest()}"'  # noqa: S324 - as S3 has it
S3 = {"Server": "AmazonS3", "ETag": MD5}
DIGESTS = [
    {"Content-Digest": f"sha-256=:{_base64('sha256')}:"},
    {"Content-Digest": f"unknown=:AAAA:, sha-512=:{_base64('sha512')}:"},
    {"Repr-Digest": f"md5=:{_base64('md5')}:"},
    {"Digest": f"SHA-256={_base64('sha256')},SHA={_base64('sha1')}"},
    {"Content-MD5": _base64("md5")},
    {"x-amz-checksum-sha256": _base64("sha256")},
    {"x-amz-checksum-sha1": _base64("sha1"), "x-amz-checksum-type": "FULL_OBJECT"},
    {"x-amz-checksum-crc32": CRC32},
    S3,
    {**S3, "x-amz-server-side-encryption": "AES256"},
]


def _plainly(body: bytes, headers: dict[str, str]) -> Reply:
    """A reply with these headers alone: Python's server would add its name to `Server`."""
    lines = {"Content-Length": str(len(body)), "Connection": "close", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return Reply(raw=f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)


@pytest.mark.parametrize("headers", DIGESTS)
def test_bytes_that_do_not_match_a_digest_are_fetched_again(
    server: dunia.Server, http: Http, sleeps: Sleeps, headers: dict[str, str]
) -> None:
    """A bit has flipped on the way; the length is as announced."""
    flipped = BODY[:5] + bytes([BODY[5] ^ 1]) + BODY[6:]
    server.faults["/x"] = _first(1, _plainly(flipped, headers), then=_plainly(BODY, headers))
    assert http(_at(server)).body == BODY
    assert len(sleeps) == 1
    server.faults["/x"] = lambda _: _plainly(flipped, headers)
    said = _failed(Http(patience=Patience(tries=1)), _at(server))
    name = next(name for name in headers if name not in ("Server", "x-amz-checksum-type"))
    assert f"in 1 try: its bytes do not match the {name} that came with them" in said


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": MD5},
        {"Server": "nginx", "ETag": MD5},
        {**S3, "ETag": f"W/{MD5}"},
        {**S3, "ETag": MD5.replace('"', "") + "-2"},
        {**S3, "x-amz-server-side-encryption": "aws:kms"},
        {**S3, "x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"Content-MD5": hashlib.md5(BODY).hexdigest()},  # noqa: S324 - no base64
        {"Content-MD5": "nonsense"},
        {"Content-Digest": "sha-256"},
        {"Repr-Digest": f"crc32c=:{CRC32}:"},
        {"x-amz-checksum-sha256": _base64("sha256") + "-3"},
        {"x-amz-checksum-sha256": _base64("sha256"), "x-amz-checksum-type": "COMPOSITE"},
    ],
)
def test_what_is_no_certain_digest_of_the_body_is_not_one(
    server: dunia.Server, http: Http, sleeps: Sleeps, headers: dict[str, str]
) -> None:
    server.faults["/x"] = lambda _: _plainly(b"other", headers)
    assert http(_at(server)).body == b"other"
    assert sleeps == []


def test_a_part_has_digests_of_its_own(server: dunia.Server, http: Http, sleeps: Sleeps) -> None:
    """Those of the whole file say nothing of it."""
    part = BODY[1000:1500]
    headers = {
        "Content-Range": f"bytes 1000-1499/{len(BODY)}",
        "Content-Digest": f"sha-256=:{_base64('sha256', part)}:",
        "Repr-Digest": f"sha-256=:{_base64('sha256')}:",
        "Content-MD5": _base64("md5"),
    }
    flipped = Reply(status=206, body=part[::-1], headers=headers)
    server.faults["/x"] = _first(1, flipped, then=Reply(status=206, body=part, headers=headers))
    assert http(_at(server, part=PART)).body == part
    assert len(sleeps) == 1


PART = ByteRange(offset=1000, length=500)


def test_a_part_is_asked_for_and_comes(server: dunia.Server, http: Http) -> None:
    server.content["/x"] = BODY
    assert http(_at(server, part=PART)).body == BODY[1000:1500]
    assert server.requests[0].headers["Range"] == "bytes=1000-1499"


def test_a_part_is_cut_out_where_the_whole_comes(
    server: dunia.Server, http: Http, sleeps: Sleeps
) -> None:
    server.faults["/x"] = lambda _: BODY
    assert http(_at(server, part=PART)).body == BODY[1000:1500]
    assert sleeps == []


@pytest.mark.parametrize(
    "placed",
    [
        "bytes 0-499/768000",
        "bytes 1000-1500/768000",
        "bytes 1000-149/768000",
        "bytes */768000",
        "500-999/768000",
        "",
    ],
)
def test_another_part_than_was_asked_for_is_not_taken(
    server: dunia.Server, http: Http, sleeps: Sleeps, placed: str
) -> None:
    server.content["/x"] = BODY
    wrong = Reply(status=206, body=BODY[:500], headers={"Content-Range": placed})
    server.faults["/x"] = _first(1, wrong)
    assert http(_at(server, part=PART)).body == BODY[1000:1500]
    assert len(sleeps) == 1
    server.faults["/x"] = lambda _: wrong
    said = _failed(Http(patience=Patience(tries=1)), _at(server, part=PART))
    assert f"it sent the range {placed!r}, not 'bytes 1000-1499'" in said


@pytest.mark.parametrize("total", ["768000", "*"])
def test_a_part_may_be_of_a_size_unknown(server: dunia.Server, http: Http, total: str) -> None:
    headers = {"Content-Range": f"bytes 1000-1499/{total}"}
    server.faults["/x"] = lambda _: Reply(status=206, body=BODY[:500], headers=headers)
    assert http(_at(server, part=PART)).body == BODY[:500]


@pytest.mark.parametrize("status", [200, 206])
def test_a_part_that_is_short_is_fetched_again(
    server: dunia.Server, sleeps: Sleeps, status: int
) -> None:
    headers = {"Content-Range": "bytes 1000-1499/768000"}
    body = BODY[:499] if status == 206 else BODY[:1499]
    server.faults["/x"] = lambda _: Reply(status=status, body=body, headers=headers)
    http = Http(patience=Patience(tries=2), sleep=sleeps)
    assert "499 of 500 bytes came" in _failed(http, _at(server, part=PART))
    assert len(sleeps) == 1


def test_too_large_a_body_is_refused_at_once(server: dunia.Server, sleeps: Sleeps) -> None:
    server.content["/x"] = bytes(3 << 20)
    http = Http(sleep=sleeps, largest=2 << 20)
    assert _failed(http, _at(server)).endswith("/x is larger than 2 MB: refused.")
    assert sleeps == []
    server.content["/x"] = bytes(2 << 20)
    assert len(http(_at(server)).body) == 2 << 20


def test_too_large_a_body_is_not_waited_for() -> None:
    beginning = OK + b"Content-Length: 9999999999\r\n\r\n" + bytes(3 << 20)
    with _falling_silent_after(beginning) as resource:
        http = Http(patience=Patience(read=1, tries=1), largest=2 << 20)
        assert _failed(http, resource).endswith("/x is larger than 2 MB: refused.")


def test_a_small_bomb_is_too_large(server: dunia.Server) -> None:
    packed = gzip.compress(bytes(20 << 20))
    gzipped = {"Content-Encoding": "gzip"}
    server.faults["/x"] = lambda _: Reply(body=packed, headers=gzipped)
    assert "larger than 2 MB" in _failed(Http(largest=2 << 20), _at(server))


def test_a_redirect_is_followed_and_its_end_is_told(server: dunia.Server, http: Http) -> None:
    server.content["/b/y"] = BODY
    to = {"Location": "/b/y?signature=1"}
    server.faults["/x"] = lambda _: Reply(status=302, headers=to)
    answer = http(_at(server, part=PART))
    assert answer.url == f"{server.base}/b/y?signature=1"
    assert answer.body == BODY[1000:1500]


def test_redirects_without_end_are_told_at_once(
    server: dunia.Server, http: Http, sleeps: Sleeps
) -> None:
    server.faults["/x"] = lambda _: Reply(status=302, headers={"Location": "/x?token=secret"})
    assert _failed(http, _at(server)).endswith("/x redirects without end.")
    assert len(server.requests) == 6
    assert sleeps == []


NONSENSE = "the URL or the answer makes no sense."

unclosed = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""Here requests forgets to close a connection; such a test collects it before the next begins."""


@unclosed
def test_an_answer_of_two_lengths_is_told_at_once(http: Http, sleeps: Sleeps) -> None:
    with _talking(HELLO.replace(b"Connection", b"Content-Length: 6\r\nConnection")) as resource:
        assert _failed(http, resource).endswith("/x could not be fetched: " + NONSENSE)
    assert sleeps == []
    gc.collect()


@pytest.mark.parametrize(
    "location",
    [
        *("file:///etc/passwd", "ftp://127.0.0.1/x", "http://[/", "http://a..b/?key=secret"),
        "http://127.0.0.1:99999/",
    ],
)
def test_a_redirect_to_no_url_is_told_at_once(
    server: dunia.Server, http: Http, sleeps: Sleeps, location: str
) -> None:
    server.faults["/x"] = lambda _: Reply(status=302, headers={"Location": location})
    assert _failed(http, _at(server)).endswith("/x could not be fetched: " + NONSENSE)
    assert sleeps == []


@unclosed
def test_a_redirect_that_is_no_text_is_told_at_once(
    server: dunia.Server, http: Http, sleeps: Sleeps
) -> None:
    server.faults["/x"] = lambda _: Reply(status=302, headers={"Location": "/\u00e9"})
    assert _failed(http, _at(server)).endswith("/x could not be fetched: " + NONSENSE)
    assert sleeps == []
    gc.collect()


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "x/y", "http://[", "http://127.0.0.1:x/", "http:///x"),
        *(f"http://{'a' * 70}.example/x", "http://a..b/"),
    ],
)
def test_what_is_no_url_is_told_at_once(http: Http, sleeps: Sleeps, url: str) -> None:
    said = _failed(http, Resource(url=f"{url}?token=secret"))
    assert said.endswith(" could not be fetched: " + NONSENSE)
    assert sleeps == []
    assert http.size(Resource(url=url)) is None


@pytest.mark.parametrize("reply", [Reply(status=403), Reply(status=500), Reply(announced=-1)])
def test_no_message_holds_a_query(server: dunia.Server, http: Http, reply: Reply) -> None:
    server.faults["/x"] = lambda _: reply
    with pytest.raises(TransferError) as raised:
        http(_at(server))
    assert "secret" not in str(raised.value)
    assert "?" not in str(raised.value)


def test_a_size_is_what_the_server_announces(server: dunia.Server, http: Http) -> None:
    server.content["/x"] = BODY
    server.faults["/y"] = lambda _: Reply(status=302, headers={"Location": "/x"})
    assert http.size(_at(server)) == http.size(_at(server, "/y")) == len(BODY)
    assert {request.method for request in server.requests} == {"HEAD"}
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "reply", [Reply(status=404, body=b"gone"), Reply(announced=-1), Reply(headers=CHUNKED)]
)
def test_a_size_that_is_not_announced_is_not_known(
    server: dunia.Server, http: Http, reply: Reply
) -> None:
    server.faults["/x"] = lambda _: reply
    assert http.size(_at(server)) is None


def test_the_size_of_what_cannot_be_reached_is_not_known(http: Http) -> None:
    with _refusing() as resource:
        assert http.size(resource) is None


def test_a_size_is_not_waited_for_for_long() -> None:
    with _falling_silent_after(b"") as resource:
        start = time.monotonic()
        assert Http(patience=Patience(read=0.2)).size(resource) is None
        assert 0.2 <= time.monotonic() - start < 1.5
