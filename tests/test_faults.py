"""HTTP as it goes wrong: the catalog is that of a quiet run, or what is missing is named."""

import gzip
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

import dunia
import stacgen
from dunia import Reply, Request
from stacgen.api.build import Labour, Upstream
from stacgen.errors import StacgenError, UpstreamError
from stacgen.io.http import Patience
from stacgen.model.outcomes import Report
from test_build import timeless, tree

HASTY = Patience(
    connect=2, read=0.4, tries=3, shortest=0.001, longest=0.002, longest_named=0.01, slowest=10_000
)
BAND = "/api/streaming/band_metadata/29PKR/B09/2025"
PLAYLIST = "/streams/29PKR/B09/2025/stream.m3u8"
SEGMENT = "/streams/29PKR/B09/2025/seg_001.ts"
TARGETS = {"api": BAND, "playlist": PLAYLIST, "segment": SEGMENT}
FRAMES = 2
OK = b"HTTP/1.1 200 OK\r\n"

Answers = tuple[Reply | None, ...]
"""To the first requests of a path; None, as are all later ones, is the truth."""


def said(body: bytes, part: float = 1, *, headers: bytes = b"", ending: str = "fin") -> Reply:
    """A part of an answer that announces the whole."""
    whole = OK + headers + b"Content-Length: %d\r\n\r\n" % len(body)
    size = round(len(body) * part)
    return Reply(raw=b"" if not part else whole + body[:size], ending=ending)


def status(number: int, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=number, headers=named, body=b"oops")


def to(location: str, number: int = 302) -> Reply:
    return status(number, Location=location)


def passing(body: bytes) -> dict[str, Answers]:
    """Faults that go away: nothing may be missing afterwards."""
    packed = gzip.compress(body)
    zipped = {"Content-Encoding": "gzip"}
    chunked = {"Transfer-Encoding": "chunked"}
    chunk = b"%x\r\n%s\r\n" % (len(body), body)
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    never = status(503)
    return {
        **{f"silent at {part:.0%}": (said(body, part, ending="stall"),) for part in (0, 0.5, 0.99)},
        "drip": (said(body, 0.1, ending="drip"),),
        **{f"reset at {part:.0%}": (said(body, part, ending="rst"),) for part in (0, 0.01, 0.5)},
        **{f"closed at {part:.0%}": (said(body, part),) for part in (0, 0.01, 0.5, 0.99)},
        "closed twice": (said(body, 0.5), said(body, 0.2)),
        "no length": (Reply(raw=OK + b"\r\n" + body),),
        "no length, cut": (Reply(raw=OK + b"\r\n" + body[:-9]),),
        "chunked": (Reply(body=chunk + b"0\r\n\r\n", headers=chunked),),
        "chunks cut": (Reply(raw=OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk[:-50]),),
        "no last chunk": (Reply(raw=OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk),),
        "bad size of a chunk": (Reply(raw=OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),),
        "gzip": (Reply(body=packed, headers=zipped),),
        "gzip cut": (Reply(body=packed[:-20], headers=zipped),),
        "gzip that is none": (Reply(body=body, headers=zipped),),
        "another coding": (Reply(body=body, headers={"Content-Encoding": "br"}),),
        "longer than its length": (Reply(raw=said(body).raw + b"more"),),  # type: ignore[operator]
        "lengths twice": (said(body, headers=b"Content-Length: %d\r\n" % len(body)),),
        "another type": (Reply(body=body, headers={"Content-Type": "text/html"}),),
        "HTTP/1.0": (Reply(raw=(said(body).raw or b"").replace(b"1.1", b"1.0")),),
        "no HTTP": (Reply(raw=b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),),
        "closed between requests": (said(body, ending="keep"), Reply(raw=b"")),
        **{f"{number} here": (to("@SELF@", number),) for number in (301, 302, 303, 307, 308)},
        **{str(number): (status(number),) for number in (408, 425, 429, 500, 502, 503, 504)},
        "429, in a second": (status(429, Retry_After="1"),),
        "429, at a time": (status(429, Retry_After=soon),),
        "429, nonsense": (status(429, Retry_After="soon"),),
        "429, in ten hours": (status(429, Retry_After="36000"),),
        "503, in a second": (status(503, Retry_After="1"),),
        "503 twice": (never, never),
    }


def lasting(body: bytes) -> dict[str, Answers]:
    """Faults that stay, or that cannot be told from the truth: what is missing is named."""
    forever = 50
    return {
        "empty": (Reply(body=b""),),
        "a web page": (Reply(body=b"<!doctype html><html><body>Hello</body></html>"),),
        "204": (status(204),),
        "206 unasked": (status(206, Content_Range=f"bytes 0-99/{len(body)}"),),
        "416": (status(416),),
        "elsewhere": (to("http://198.51.100.7/x"),),
        "loop": (to("@SELF@"),) * forever,
        "20 hops": (to("@SELF@"),) * 20,
        "to nowhere": (Reply(status=302),),
        **{str(number): (status(number),) for number in (400, 401, 403, 404, 410, 418)},
        **{f"{n} for ever": (status(n),) * forever for n in (401, 403, 404, 429, 503)},
        "closed for ever": (said(body, 0.5),) * forever,
        "a header without end": (Reply(raw=OK + b"X: " + b"x" * 100_000),) * forever,
        "half": (Reply(body=body[: len(body) // 2]),),
        "twice": (Reply(body=body * 2),),
    }


@pytest.fixture(scope="module")
def upstream() -> Iterator[dunia.Server]:
    """Two frames in as many segments."""
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(FRAMES)], each=1)
        yield server


def build(server: dunia.Server, root: Path, **changes: object) -> Report:
    api = Upstream(**{"api": server.base, "patience": HASTY, **changes})  # type: ignore[arg-type]
    labour = Labour(workers=1)
    return stacgen.build("29PKR", "B09", years=[2025], output=root, upstream=api, labour=labour)


def outcome(server: dunia.Server, root: Path) -> tuple[str, Report | None]:
    """The error of a build, which is of upstream, or else its report."""
    try:
        return "", build(server, root)
    except UpstreamError as error:
        return str(error), None


@pytest.fixture(scope="module")
def quiet(upstream: dunia.Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The tree when nothing goes wrong."""
    root = tmp_path_factory.mktemp("quiet")
    assert len(build(upstream, root).built) == FRAMES
    return timeless(tree(root))


def spoil(server: dunia.Server, path: str, answers: Answers) -> None:
    """Answer so to the first requests of a path from now on."""
    left = list(answers)
    here = f"{server.base}{path}"

    def answer(_: Request) -> Reply | None:
        reply = left.pop(0) if left else None
        if reply is None or "Location" not in reply.headers:
            return reply
        return to(reply.headers["Location"].replace("@SELF@", here), reply.status)

    server.faults.clear()
    server.faults[path] = answer
    server.requests.clear()


def body_of(server: dunia.Server, path: str) -> bytes:
    return server.content[path].replace(b"@BASE@", server.base.encode())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", passing(b"x" * 1000))
def test_a_fault_that_passes_leaves_no_trace(
    upstream: dunia.Server, quiet: dict[str, object], tmp_path: Path, target: str, name: str
) -> None:
    path = TARGETS[target]
    spoil(upstream, path, passing(body_of(upstream, path))[name])
    assert len(build(upstream, tmp_path).built) == FRAMES
    assert timeless(tree(tmp_path)) == quiet
    assert len(upstream.requests) <= 5 + HASTY.tries + 2


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", lasting(b"x" * 1000))
def test_a_fault_that_stays_costs_what_is_named_and_no_more(
    upstream: dunia.Server, quiet: dict[str, object], tmp_path: Path, target: str, name: str
) -> None:
    path = TARGETS[target]
    spoil(upstream, path, lasting(body_of(upstream, path))[name])
    error, report = outcome(upstream, tmp_path)
    if report is None:
        assert target != "segment"
        assert error[-1:] in ".?"
    else:
        missing = {each.ref.frame.number for each in report.failed}
        assert missing | {each.ref.frame.number for each in report.built} == set(range(FRAMES))
        assert missing <= {1}
        assert all(each.reason.endswith(".") for each in report.failed)
        assert missing or timeless(tree(tmp_path)) == quiet
    assert len(upstream.requests) <= 30
    spoil(upstream, path, ())
    build(upstream, tmp_path)
    assert timeless(tree(tmp_path)) == quiet
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    build(upstream, tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@pytest.mark.parametrize("number", [401, 403])
@pytest.mark.parametrize("target", ["playlist", "segment"])
def test_a_url_that_has_run_out_is_asked_for_anew_once(
    upstream: dunia.Server, tmp_path: Path, number: int, target: str
) -> None:
    """The API gives signed URLs; those of the first answer are no longer good."""
    signed = iter(["old", "new", "newer"])
    stream = body_of(upstream, BAND).replace(b"stream.m3u8", b"%s/stream.m3u8")
    folder = PLAYLIST.rpartition("/")[0]
    for age in ("old", "new", "newer"):
        for name in ("stream.m3u8", "seg_000.ts", "seg_001.ts"):
            content = upstream.content[f"{folder}/{name}"]
            upstream.content[f"{folder}/{age}/{name}"] = content
    spoil(upstream, BAND, ())
    upstream.faults[BAND] = lambda _: stream % next(signed).encode()
    refused = "stream.m3u8" if target == "playlist" else "seg_001.ts"
    upstream.faults[f"{folder}/old/{refused}"] = lambda _: status(number)
    assert len(build(upstream, tmp_path).built) == FRAMES
    assert upstream.paths().count(BAND) == 2
    assert upstream.paths().count(f"{folder}/old/{refused}") == 1


def test_a_stream_that_has_changed_when_its_urls_ran_out_is_not_taken(
    upstream: dunia.Server, tmp_path: Path
) -> None:
    """Another acquisition came in front: the same places in the video hold other frames."""
    spoil(upstream, BAND, ())
    stream = json.loads(body_of(upstream, BAND))
    first = datetime.fromisoformat(stream["images"][0]["sensing_time"]) - timedelta(days=60)
    changed = {**stream, "images": dunia.images(FRAMES, start=first)}
    changed["metadata"] = {"stream_full": stream["metadata"]["stream_full"] + "?new"}
    answers = iter([stream, *[changed] * 9])
    upstream.faults[BAND] = lambda _: json.dumps(next(answers)).encode()
    upstream.faults[SEGMENT] = lambda _: status(403)
    report = build(upstream, tmp_path)
    assert [each.ref.frame.number for each in report.built] == [0]
    assert [each.ref.frame.number for each in report.failed] == [1]
    assert report.failed[0].reason.startswith("The API has changed 29PKR B09 2025 meanwhile: ")


@pytest.mark.parametrize("signed", [True, False])
def test_urls_that_stay_refused_are_asked_for_a_few_times_in_all(
    tmp_path: Path, *, signed: bool
) -> None:
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(0)] * 8, each=1)
        spoil(server, BAND, ())
        ages = (b"%d/stream.m3u8" % age if signed else b"stream.m3u8" for age in range(99))
        answer, playlist = body_of(server, BAND), server.content[PLAYLIST]
        folder = PLAYLIST.rpartition("/")[0]
        server.content |= {f"{folder}/{age}/stream.m3u8": playlist for age in range(99)}
        server.faults[BAND] = lambda _: answer.replace(b"stream.m3u8", next(ages))
        for age in ("", *(f"{age}/" for age in range(99))):
            for number in range(8):
                server.faults[f"{folder}/{age}seg_{number:03}.ts"] = lambda _: status(403)
        report = build(server, tmp_path)
        assert len(report.failed) == 8
        assert all("the server answered 403" in each.reason for each in report.failed)
        assert server.paths().count(BAND) == 1 + 3


def test_urls_that_ran_out_are_asked_for_once_by_all_segments_and_anew_when_they_do_again(
    tmp_path: Path,
) -> None:
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(8)], each=1)
        spoil(server, BAND, ())
        answer, folder = body_of(server, BAND), PLAYLIST.rpartition("/")[0]
        ages, asked = iter(range(99)), Counter[int]()

        def guarded(age: int, name: str) -> dunia.Handler:
            def reply(_: Request) -> Reply | None:
                asked[age] += 1
                return status(403) if asked[age] > 3 else None

            server.content[f"{folder}/{age}/{name}"] = server.content[f"{folder}/{name}"]
            return reply

        for age in range(9):
            server.content[f"{folder}/{age}/stream.m3u8"] = server.content[PLAYLIST]
            for number in range(8):
                name = f"seg_{number:03}.ts"
                server.faults[f"{folder}/{age}/{name}"] = guarded(age, name)
        server.faults[BAND] = lambda _: answer.replace(
            b"stream.m3u8", b"%d/stream.m3u8" % next(ages)
        )
        assert len(build(server, tmp_path).built) == 8
        assert server.paths().count(BAND) == 3


def test_a_playlist_that_has_become_shorter_costs_its_frames_by_name(
    upstream: dunia.Server, tmp_path: Path
) -> None:
    spoil(upstream, PLAYLIST, (Reply(body=dunia.playlist([1])),))
    report = build(upstream, tmp_path)
    assert [each.ref.frame.number for each in report.failed] == [1]
    assert report.failed[0].reason == "The stream ends before it, with frame 0."


def test_a_segment_of_another_recording_is_not_taken(
    upstream: dunia.Server, tmp_path: Path
) -> None:
    other = dunia.encode([dunia.landscape(5)], first=5)
    spoil(upstream, SEGMENT, (Reply(body=other),) * 9)
    report = build(upstream, tmp_path)
    assert [each.ref.frame.number for each in report.failed] == [1]
    assert "frame 5 came where it was not due" in report.failed[0].reason
    assert upstream.paths().count(SEGMENT) == 3


@contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """A port that says this to whoever connects; None leaves them waiting."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                held.append(connection)
                if answer is not None:
                    connection.recv(65536)
                    connection.sendall(answer)
                    connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    for each in (listener, *held):
        each.close()


def fails(api: str, root: Path) -> str:
    with pytest.raises(StacgenError) as raised:
        stacgen.build(
            "29PKR",
            "B09",
            years=[2025],
            output=root,
            upstream=Upstream(api=api, patience=HASTY),
        )
    assert raised.value.exit_code == 3
    assert not root.exists() or not list(root.rglob("*.json"))
    return str(raised.value)


def test_an_api_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        at = nobody.getsockname()[1]
        assert "the connection failed" in fails(f"http://127.0.0.1:{at}", tmp_path)
    assert "the connection failed" in fails("http://no-such-host.invalid", tmp_path)
    with listening(None) as at:
        assert "the server fell silent" in fails(f"http://127.0.0.1:{at}", tmp_path)
        assert "in 3 tries" in fails(f"https://127.0.0.1:{at}", tmp_path)
    with listening(b"HTTP/1.1 200 OK\r\n\r\n") as at:  # it speaks no TLS
        assert "the secure connection failed" in fails(f"https://127.0.0.1:{at}", tmp_path)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502"),
        (b"", "in 3 tries"),
    ],
)
def test_a_proxy_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, reason: str
) -> None:
    with listening(answer) as at:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{at}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert reason in fails("http://dunia.example", tmp_path)
        said = fails("https://dunia.example", tmp_path)
        assert re.search(
            rf"the proxy http://127.0.0.1:{at} answered {reason}|connection failed", said
        )


@contextmanager
def secure(folder: Path, *, subject: str, days: str) -> Iterator[int]:
    """A port that speaks TLS with a certificate that nobody has signed."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", subject]
    try:
        subprocess.run(
            [*command, "-days", days, "-keyout", str(key), "-out", str(certificate)],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("there is no openssl on this machine to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError):
                    context.wrap_socket(connection, server_side=True).close()
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize("subject", ["/CN=127.0.0.1", "/CN=other.example"])
def test_a_certificate_that_proves_nothing_is_not_taken(tmp_path: Path, subject: str) -> None:
    with secure(tmp_path, subject=subject, days="1") as at:
        said = fails(f"https://127.0.0.1:{at}", tmp_path / "out")
    assert "the secure connection failed" in said


CANARY = "canary-7c1e0b"


@pytest.mark.parametrize("fault", ["none", "403", "closed", "redirect", "page"])
def test_a_secret_shows_nowhere(upstream: dunia.Server, tmp_path: Path, fault: str) -> None:
    """Not in a file, not in what is printed, not on the command line; and it goes to the API."""
    answers: dict[str, Reply | None] = {
        "none": None,
        "403": status(403),
        "closed": said(b"x" * 100, 0.5),
        "redirect": to(f"http://127.0.0.1:9/x?token={CANARY}"),
        "page": Reply(body=b"<html>"),
    }
    signed = body_of(upstream, BAND).replace(
        b"stream.m3u8", b"stream.m3u8?token=" + CANARY.encode()
    )
    spoil(upstream, SEGMENT, (answers[fault],) * 20)
    upstream.faults[BAND] = lambda _: signed
    command = [sys.executable, "-m", "stacgen", "build", "29PKR", "B09", "--year", "2025"]
    done = subprocess.run(
        [*command, "--api", upstream.base, "-o", str(tmp_path / "out"), "-v", "--json"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "STACGEN_TOKEN": CANARY},
    )
    assert done.returncode == (0 if fault == "none" else 1)
    assert CANARY not in done.stdout + done.stderr
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes()
    sent = {each.headers.get("Authorization") for each in upstream.requests}
    assert sent == {f"Bearer {CANARY}"}


@pytest.mark.parametrize("header", ["X", "X Y=1", "X=a\nb", "=1", "X=\u00e9"])
def test_a_header_that_cannot_be_sent_is_a_mistake(header: str) -> None:
    command = [sys.executable, "-m", "stacgen", "frames", "29PKR", "B09", "--year", "2025"]
    done = subprocess.run(
        [*command, "--api", "http://127.0.0.1:9", "--header", header],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "header" in done.stderr
