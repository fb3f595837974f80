"""What all tests share: a server, the reference streams, quick retries."""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import dunia
from servers import azurite, ceph, moto

__all__ = ["azurite", "ceph", "moto"]  # fixtures

SHARED = Path(__file__).parents[2] / "shared"
"""Reference material beside the project; tests that need it say so when it is absent."""

# A shell without job control has what it starts with `&` ignore Ctrl-C, and so would the commands
# that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

Figures = Callable[[str, object], None]


@pytest.fixture
def figures(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Figures:
    """Says what a long test measured."""

    def say(what: str, value: object) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {value} {what}", flush=True)  # noqa: T201 - its purpose

    return say


@pytest.fixture
def server() -> Iterator[dunia.Server]:
    """A DUNIA on loopback that serves nothing yet."""
    with dunia.Server().running() as running:
        yield running


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A stream made by the ffmpeg program, with the digests of its pixels."""

    tile: str
    band: str
    year: int
    folder: Path

    @property
    def digests(self) -> dict[str, dict[str, Any]]:
        """By sensing time: sha256 of the little-endian uint16 pixels, and their figures."""
        frames: dict[str, dict[str, Any]] = json.loads(self._text("oracle.json"))["frames"]
        return frames

    def serve(self, server: dunia.Server) -> None:
        """Serve it as DUNIA would."""
        base = f"/streams/{self.folder.name}"
        paths = {
            "band.json": f"/api/streaming/band_metadata/{self.tile}/{self.band}/{self.year}",
            "tci.json": dunia.tci_path(self.tile, self.year),
            "bounds.json": f"/api/streaming/s2-tiles/utm-bounds/{self.tile}",
        }
        for name, path in paths.items():
            server.content[path] = self._text(name).replace("@BASE@", f"@BASE@{base}").encode()
        for file in self.folder.iterdir():
            if file.suffix in (".ts", ".m3u8"):
                server.content[f"{base}/{file.name}"] = file.read_bytes()

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture(params=["29PKR_B01_2025", "32TLS_B01_2022"])
def reference(request: pytest.FixtureRequest) -> Reference:
    """Each of the reference streams; the second has real Sentinel-2 pixels."""
    name: str = request.param
    folder = SHARED / "streams" / name
    if not folder.is_dir():
        pytest.skip(f"the reference stream {folder} is not on this machine")
    tile, band, year = name.split("_")
    return Reference(tile=tile, band=band, year=int(year), folder=folder)
