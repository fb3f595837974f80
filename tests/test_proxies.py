"""Proxies and CA certificates of the environment; curl says which hosts NO_PROXY covers."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import rasterio

import dunia
import scenery
import stacgen
from scenery import numbers, shot
from servers import Service
from stacgen.errors import TransferError
from stacgen.io.http import Http, Patience
from stacgen.io.proxies import proxy_for
from stacgen.io.stores import open_store
from stacgen.model.stream import Resource

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
NAME = "dunia.example"
"""A host that only the proxy knows: it leads to the server of the test."""


class Proxy:
    """A proxy on loopback that notes what it is asked for, and leads every name to `target`."""

    def __init__(self) -> None:
        self.target: tuple[str, int] | None = None
        self.asked: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                proxy.asked.append(f"GET {self.path}")
                self.close_connection = True
                path = urlsplit(self.path).path
                self._tunnel(f"GET {path} HTTP/1.0\r\n{self.headers}".encode())

            def do_CONNECT(self) -> None:
                proxy.asked.append(f"CONNECT {self.path}")
                self.close_connection = True
                self._tunnel(None)

            def _tunnel(self, first: bytes | None) -> None:
                if proxy.target is None:
                    self.send_error(502)
                    return
                with socket.create_connection(proxy.target, timeout=10) as far:
                    if first is None:
                        self.send_response(200)
                        self.end_headers()
                        self.wfile.flush()
                    else:
                        far.sendall(first)
                    up = threading.Thread(target=_pour, args=(self.connection, far), daemon=True)
                    up.start()
                    _pour(far, self.connection)

        self.handler = Handler

    @contextmanager
    def running(self) -> Iterator[str]:
        """Answer on loopback; the URL."""
        with ThreadingHTTPServer(("127.0.0.1", 0), self.handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates of the machine's own."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that the environment names, as in a company; it has no way anywhere."""
    found = Proxy()
    with found.running() as url:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, url)
        yield found


def fetch(url: str) -> bytes:
    patience = Patience(connect=5, read=5, tries=2, shortest=0.001, longest=0.002)
    return Http(patience=patience)(Resource(url=url)).body


def failure(url: str) -> str:
    with pytest.raises(TransferError) as caught:
        fetch(url)
    return str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0.0.0.0"])  # noqa: S104
def test_loopback_is_reached_directly(server: dunia.Server, proxy: Proxy, host: str) -> None:
    """However this machine is written."""
    server.content["/x"] = b"x"
    port = urlsplit(server.base).port
    assert fetch(f"http://{host}:{port}/x") == b"x"
    assert proxy.asked == []


@pytest.mark.parametrize(
    "command",
    [
        ["build", "29PKR", "B09", "--year", "2025", "--limit", "1", "--sample", "-o", "out"],
        ["frames", "29PKR", "B09", "--year", "2025", "--api", "@BASE@"],
        ["build", "29PKR", "B09", "--year", "2025", "--api", "@BASE@", "-o", "out"],
        ["doctor", "--api", "@BASE@"],
    ],
    ids=["sample", "frames", "build", "doctor"],
)
def test_commands_reach_this_machine_directly(
    server: dunia.Server, proxy: Proxy, command: list[str], tmp_path: Path
) -> None:
    dunia.publish(server, [dunia.landscape(0)])
    command = [part.replace("@BASE@", server.base) for part in command]
    done = subprocess.run(
        [sys.executable, "-m", "stacgen", *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert proxy.asked == []


def test_names_are_fetched_through_the_proxy(server: dunia.Server, proxy: Proxy) -> None:
    server.content["/x"] = b"x"
    proxy.target = ("127.0.0.1", urlsplit(server.base).port or 0)
    assert fetch(f"http://{NAME}/x") == b"x"
    assert proxy.asked == [f"GET http://{NAME}/x"]


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate for NAME, signed by itself."""
    key, found = folder / "key.pem", folder / "certificate.pem"
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl on this machine to make a certificate with")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}"]
    command += ["-addext", f"subjectAltName=DNS:{NAME}", "-days", "2"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(found)], check=True, capture_output=True
    )
    return key, found


@contextmanager
def encrypted(folder: Path) -> Iterator[tuple[int, Path]]:
    """A port that answers b"x" by HTTPS as NAME, and its certificate."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1")
            self.end_headers()
            self.wfile.write(b"x")

    key, found = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(found, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1], found
        server.shutdown()


def test_https_is_tunnelled_and_each_variable_names_the_certificates(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with encrypted(tmp_path) as (port, authority):
        proxy.target = ("127.0.0.1", port)
        assert "the secure connection failed" in failure(f"https://{NAME}/x")
        for name in BUNDLES:
            monkeypatch.setenv(name, str(authority))
            assert fetch(f"https://{NAME}/x") == b"x"
            monkeypatch.delenv(name)
    assert set(proxy.asked) == {f"CONNECT {NAME}:443"}


EXCEPTIONS = [
    *("", "*", NAME, "example", ".example", "unia.example", f".{NAME}", NAME.upper()),
    *(f"other.test,  {NAME}", f"other.test {NAME}", "10.0.0.0/8", "10.0.0.0/33", "10.1.2.3"),
    *("10.1.2", "192.168.0.0/16, 10.1.0.0/16", "fd00::1"),
]
URLS = [f"http://{NAME}/", "http://www.dunia.example./", "http://10.1.2.3/", "http://[fd00::1]/"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
@pytest.mark.parametrize("exceptions", EXCEPTIONS)
def test_no_proxy_covers_the_hosts_that_curl_reads_in_it(proxy: Proxy, exceptions: str) -> None:
    """The oracle is curl, with a proxy that notes what it is asked for."""
    url = os.environ["HTTP_PROXY"]
    ports = {urlsplit(each).netloc: number for number, each in enumerate(URLS, 1)}
    closed = [
        part
        for name, number in ports.items()
        for part in ("--connect-to", f"{name}:80:127.0.0.1:{number}")
    ]
    subprocess.run(
        ["curl", "-s", "-m", "10", *closed, *URLS],
        check=False,
        capture_output=True,
        env={**os.environ, "http_proxy": url, "no_proxy": exceptions},
    )
    settings = {"http": url, "no": exceptions}
    through = [
        f"CONNECT 127.0.0.1:{number}"
        for number, each in enumerate(URLS, 1)
        if proxy_for(each, settings)
    ]
    assert through == proxy.asked


@pytest.mark.parametrize(
    ("entry", "url", "is_covered"),
    [
        (f"{NAME}:8080", f"http://{NAME}:8080/", True),
        (f"{NAME}:8080", f"http://{NAME}/", False),
        (f"{NAME}:443", f"https://{NAME}/", True),
        (".example:80", f"http://{NAME}/", True),
        ("10.1.2.3:80", "http://10.1.2.3/", True),
        ("10.1.2.3:81", "http://10.1.2.3/", False),
        ("[fd00::1]:80", "http://[fd00::1]/", True),
        ("[fd00::1]", "http://[fd00::1]/", True),
        ("[fd00::1]:81", "http://[fd00::1]/", False),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("fd01::/16", "http://[fd00::1]/", False),
    ],
)
def test_an_entry_may_have_a_port_or_be_a_network_of_ipv6(
    entry: str, url: str, *, is_covered: bool
) -> None:
    """Python, Go and Ruby know ports here, curl does not."""
    settings = {"http": "http://p:1", "https": "http://p:1", "no": entry}
    assert (proxy_for(url, settings) is None) == is_covered


def test_a_proxy_that_refuses_is_named_with_its_answer(proxy: Proxy) -> None:
    url = os.environ["HTTP_PROXY"]
    said = failure(f"https://{NAME}/x")
    assert said.startswith(f"https://{NAME}/x could not be fetched in 2 tries: ")
    assert f"the proxy {url} answered 502 Bad Gateway" in said
    assert len(proxy.asked) == 2


def test_a_proxy_that_is_not_there_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://me:canary@127.0.0.1:9")
    for scheme in ("http", "https"):
        said = failure(f"{scheme}://{NAME}/x")
        assert "the proxy http://127.0.0.1:9 failed" in said
        assert "canary" not in said


def test_a_socks_proxy_without_its_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1080")
    monkeypatch.setitem(sys.modules, "socks", None)
    said = failure(f"https://{NAME}/x")
    assert "through socks5h://127.0.0.1:1080: a SOCKS proxy needs the package PySocks" in said


def test_what_is_no_proxy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "quic://127.0.0.1:1080")
    assert "quic is no scheme of a proxy" in failure(f"https://{NAME}/x")


@pytest.mark.parametrize("name", BUNDLES)
def test_certificates_that_cannot_be_read_are_told_by_the_variable_that_names_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "authorities.pem"
    monkeypatch.setenv(name, str(path))
    said = failure(f"https://{NAME}/x")
    assert said.startswith(f"The CA certificates {path} that {name} names cannot be read: No such")
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    monkeypatch.setenv(name, str(empty))
    assert "the file holds no certificates" in failure(f"https://{NAME}/x")


def test_a_bucket_on_this_machine_is_reached_directly(
    moto: Service, request: pytest.FixtureRequest
) -> None:
    url = moto.bucket()  # before there is a proxy, which Amazon's own client asks
    proxy: Proxy = request.getfixturevalue("proxy")
    open_store(url, moto.options).write("x.json", b"{}", "application/json")
    assert open_store(url, moto.options).read("x.json") == b"{}"
    assert proxy.asked == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of odc-stac
def test_pixels_on_this_machine_are_read_directly(
    server: dunia.Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By GDAL, which has its own HTTP client."""
    pytest.importorskip("odc.stac")
    monkeypatch.setenv("no_proxy", "other.test")  # put back afterwards
    scenery.file(tmp_path, [(shot(0), numbers(1))])
    for path in tmp_path.rglob("*"):
        if path.is_file():
            server.content[f"/{path.relative_to(tmp_path)}"] = path.read_bytes()
    scenes = stacgen.open(server.base, "29PKR", ["B04"])
    with rasterio.open(next(tmp_path.rglob("*B04*.tif"))) as dataset:
        assert (scenes.B04.isel(time=0).values == dataset.read(1)).all()
    assert proxy.asked == []
    assert os.environ["no_proxy"].split(",")[0] == "other.test"
