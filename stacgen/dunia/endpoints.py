"""Where the services that stream Sentinel-2 answer: addresses and paths. Pure."""

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urljoin, urlsplit

from stacgen.errors import UsageError
from stacgen.model.bands import Band
from stacgen.model.mgrs import TileId
from stacgen.model.urls import host, parts, public_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One service, or another address that answers as the services do.

    Source of the paths: ESA's notebooks for the band streams and for the TCI stream.
    """

    name: str
    """Of the service; of an address that is none of them, the host and port."""

    base: str
    """http(s) URL that the paths are relative to, without a slash at its end."""

    band_path: str = "band_metadata/{tile}/{band}/{year}"
    """Template of the path of a band stream's metadata."""

    bounds_path: str = "s2-tiles/utm-bounds/{tile}"
    """Template of the path of a tile's bounds."""

    tci_path: str = "metadata/s2/{year}/{tile}/10"
    """Template of the path of the TCI stream's metadata, with the cloud and nodata figures; empty
    where there is none. One that begins with a slash is relative to the host."""

    def metadata(self, tile: TileId, band: Band, year: int) -> str:
        """URL of the metadata of a stream, be it of a band or of true colour.

        Raises:
            UsageError: It is that of true colour, and `tci_path` is empty.
        """
        url = self.tci_metadata(tile, year) if band.is_color else None
        if band.is_color and url is None:
            raise UsageError("TCI can't be built without --tci-path: that is where its stream is.")
        return url or self.band_metadata(tile, band, year)

    def band_metadata(self, tile: TileId, band: Band, year: int) -> str:
        """URL of the metadata of a band stream."""
        return self._url(self.band_path.format(tile=tile, band=band.name, year=year))

    def tile_bounds(self, tile: TileId) -> str:
        """URL of the bounds of a tile."""
        return self._url(self.bounds_path.format(tile=tile))

    def tci_metadata(self, tile: TileId, year: int) -> str | None:
        """URL of the metadata of the TCI stream, or None where the template is empty."""
        return self._url(_filled(self.tci_path, tile, year)) if self.tci_path else None

    def _url(self, path: str) -> str:
        return urljoin(f"{self.base}/", path)


DUNIA: Final = Endpoint(name="ESA DUNIA", base="https://dunia.esa.int/api/streaming")
DESTINE: Final = Endpoint(name="DestinE Streamer", base="https://streamer.destine.eu/api")
SERVICES: Final = {"dunia": DUNIA, "destine": DESTINE}
"""By the words that `--api` takes."""


def find(api: str, *, tci_path: str | None = None) -> Endpoint:
    """The endpoint that a word or an address means.

    Args:
        api: `dunia`, `destine`, or an http(s) URL. The path of a URL is the prefix of all paths; a
            URL without one gets DUNIA's, or that of the service whose host it names.
        tci_path: Template of the path of the TCI metadata, with `{tile}` or `{tile_id}`, and
            `{year}`; empty for none. None takes the service's.

    Raises:
        UsageError: It is neither word nor URL, the URL has a password, query or fragment, or the
            template cannot be filled.

    >>> find("destine") == find("https://streamer.destine.eu/api/") == DESTINE
    True
    >>> find("http://127.0.0.1:8765").base
    'http://127.0.0.1:8765/api/streaming'
    """
    found = SERVICES.get(api.strip().lower()) or _at(api)
    if tci_path is None:
        return found
    try:
        _filled(tci_path, "29PKR", 2025)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"The TCI path {tci_path!r} may hold {{tile}} and {{year}}, nothing else."
        ) from error
    return replace(found, tci_path=tci_path)


def _at(url: str) -> Endpoint:
    """The endpoint at a URL: that of a service where the URL leads there."""
    split = parts(url)
    if split is not None and "@" in split.netloc:
        raise UsageError(
            f"The API's address {public_url(url)!r} came with a user or password, which"
            " addresses show. Send them in a header: --header 'Authorization=Basic ...'."
        )
    if split is not None and (split.query or split.fragment):
        raise UsageError(
            f"The API's address {public_url(url)!r} goes on with a query or fragment, which cannot"
            " stand before paths; leave it out."
        )
    if split is None:
        raise UsageError(
            f"The API's address {public_url(url)!r} is no http(s) URL, and no service: --api takes"
            f" {', '.join(SERVICES)} or the URL of an API that answers as they do."
        )
    path = split.path.rstrip("/")
    for service in SERVICES.values():
        known = urlsplit(service.base)
        if host(known) == host(split) and path in ("", known.path):
            return service
    prefix = path or urlsplit(DUNIA.base).path
    return Endpoint(name=split.netloc, base=f"{split.scheme}://{split.netloc}{prefix}")


def _filled(template: str, tile: str, year: int) -> str:
    """A TCI path of a tile and year; `{tile_id}`, the notebook's word, is understood, too."""
    return template.format(tile=tile, tile_id=tile, year=year)
