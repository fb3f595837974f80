"""What the browser tests share: a real Chromium, and a file server as object stores are."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

CACHE = Path.home() / ".cache" / "stacgen-tests"
"""What is fetched from npm and built once a machine; nothing of it is in the repository."""

STAC_BROWSER = CACHE / "stac-browser-4.0.1"
AXE = CACHE / "axe-core-4.10.3"

_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # a test that leaves this machine
)


def need(*programs: str) -> str:
    """The path of the first of these programs; without one the test is skipped, and says so.

    Where `STACGEN_NEED_BROWSER` is set, as `.ci/run` does, it fails instead.
    """
    for program in programs:
        found = shutil.which(program)
        if found is not None:
            return found
    reason = f"{programs[0]} is not on this machine (apt-get install {programs[0]})"
    if os.environ.get("STACGEN_NEED_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium, headless, which asks nothing of its maker."""
    program = need("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def axe() -> str:
    """The source of axe-core, the accessibility checker, from npm."""
    script = AXE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        npm, version = need("npm"), AXE.name.rpartition("-")[2]
        command = [npm, "install", "--silent", "--prefix", str(AXE), f"axe-core@{version}"]
        subprocess.run(command, check=True, timeout=300)
    return script.read_text("utf-8")


def stac_browser() -> Path:
    """The folder of STAC Browser, built if it is not yet."""
    if not (STAC_BROWSER / "dist" / "index.html").is_file():
        need("npm")
        script = Path(__file__).parent / "browser" / "build_stac_browser.sh"
        subprocess.run([str(script), str(STAC_BROWSER)], check=True, timeout=1800)
    return STAC_BROWSER / "dist"


@dataclass(slots=True, kw_only=True)
class Visit:
    """A page, and what it asked for and complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        """Schemes and authorities of what was asked for, but for data: addresses."""
        found = (re.match(r"\w+:(//[^/]*)?", url) for url in self.requests)
        return {each[0] for each in found if each and each[0] != "data:"}

    def see_everything(self) -> None:
        """Scroll to the end and wait for the pictures, since they come when they are seen."""
        self.page.evaluate("""async () => {
            document.documentElement.style.scrollBehavior = 'auto';
            for (let y = 0; y < document.body.scrollHeight; y += innerHeight / 2) {
                scrollTo(0, y);
                await new Promise(requestAnimationFrame);
            }
            await Promise.all([...document.images].map((image) => image.decode()));
            scrollTo(0, 0);
        }""")


def pictures(otherwise: Path) -> Path:
    """Where pictures of what was seen go: what `STACGEN_SCREENSHOTS` names, if it does."""
    target = Path(os.environ.get("STACGEN_SCREENSHOTS") or otherwise)
    target.mkdir(parents=True, exist_ok=True)
    return target


Visiting = Callable[..., Visit]


@contextmanager
def visits(browser: Browser) -> Iterator[Visiting]:
    """Opens addresses, each in a profile of its own; keywords are those of Playwright."""
    contexts = []

    def open_address(url: str, *, width: int = 1200, height: int = 900, **kind: Any) -> Visit:  # noqa: ANN401 - Playwright's
        context = browser.new_context(viewport={"width": width, "height": height}, **kind)
        contexts.append(context)
        context.set_default_timeout(10_000)
        visit = Visit(page=context.new_page())

        def note(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                visit.complaints.append(message.text)

        def asked(request: Request) -> None:
            visit.requests.append(request.url)

        visit.page.on("console", note)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on("request", asked)
        visit.page.goto(url)
        return visit

    try:
        yield open_address
    finally:
        for context in contexts:
            context.close()


class _Ranges(SimpleHTTPRequestHandler):
    """A file server with ranges and CORS, which Python's own has not."""

    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "*")
        self.send_header("Access-Control-Expose-Headers", "Content-Range, Content-Length, ETag")
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def do_OPTIONS(self) -> None:
        self.send_response(204)
        self.end_headers()

    def send_head(self) -> Any:  # noqa: ANN401 - the base class has it so
        """The file, or the part of it that is asked for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            return super().send_head()
        size = path.stat().st_size
        first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
        if first > last:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        file = path.open("rb")
        file.seek(first)
        self.send_response(206)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        return _Part(file, last - first + 1)

    def log_message(self, *_: object) -> None:
        """Silence; the tests look at what the browser saw."""


class _Part:
    """The next bytes of a file, and no more."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._left = length

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self._file.close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Browsers hang up when they have seen enough."""


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve a folder on loopback; yields the URL of its root, without a slash at the end."""
    server = _Quiet(("127.0.0.1", 0), partial(_Ranges, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
