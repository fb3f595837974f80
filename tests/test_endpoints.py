"""The services: which addresses and paths a word or a URL means."""

import re

import pytest

from stacgen.dunia import endpoints
from stacgen.dunia.endpoints import DESTINE, DUNIA
from stacgen.errors import UsageError
from stacgen.model import bands, mgrs

TILE = mgrs.parse("29PKR")
BAND = bands.find("B09")


@pytest.mark.parametrize(
    ("api", "prefix"),
    [
        ("dunia", "https://dunia.esa.int/api/streaming"),
        ("destine", "https://streamer.destine.eu/api"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/streaming"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/api/streaming"),
        ("http://127.0.0.1:8080/api", "http://127.0.0.1:8080/api"),
        ("https://mirror.example/dunia/api/", "https://mirror.example/dunia/api"),
    ],
)
def test_paths_are_those_of_the_notebooks(api: str, prefix: str) -> None:
    """The path of a URL is the prefix itself; a host alone has DUNIA's."""
    found = endpoints.find(api)
    assert found.band_metadata(TILE, BAND, 2025) == f"{prefix}/band_metadata/29PKR/B09/2025"
    assert found.tile_bounds(TILE) == f"{prefix}/s2-tiles/utm-bounds/29PKR"
    assert found.tci_metadata(TILE, 2025) == f"{prefix}/metadata/s2/2025/29PKR/10"


@pytest.mark.parametrize(
    ("api", "service"),
    [
        ("Dunia", DUNIA),
        ("https://dunia.esa.int", DUNIA),
        ("https://DUNIA.esa.int/api/streaming/", DUNIA),
        ("https://streamer.destine.eu", DESTINE),
        ("https://streamer.destine.eu:443/api", DESTINE),
    ],
)
def test_an_address_of_a_service_is_that_service(api: str, service: endpoints.Endpoint) -> None:
    assert endpoints.find(api) == service


def test_another_address_is_named_by_its_host() -> None:
    assert endpoints.find("http://127.0.0.1:8080/api").name == "127.0.0.1:8080"
    assert endpoints.find("https://dunia.esa.int/other").name == "dunia.esa.int"


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("/tci/{year}/{tile}.json", "http://127.0.0.1:8080/tci/2025/29PKR.json"),
        ("tci/{year}/{tile_id}", "http://127.0.0.1:8080/api/tci/2025/29PKR"),
        ("/one", "http://127.0.0.1:8080/one"),
        ("", None),
    ],
)
def test_a_tci_path_takes_the_place_of_the_service_s(template: str, url: str | None) -> None:
    """As in any URL, a slash at its start means the host's root."""
    found = endpoints.find("http://127.0.0.1:8080/api", tci_path=template)
    assert found.tci_metadata(TILE, 2025) == url


@pytest.mark.parametrize(
    "api",
    [
        *("", "dunja", "dunia.esa.int", "file:///etc", "https://", "http:///x", "http://["),
        "ftp://a/",
    ],
)
def test_what_is_neither_word_nor_url_is_refused_with_the_words(api: str) -> None:
    with pytest.raises(UsageError, match="--api takes dunia, destine or the URL") as raised:
        endpoints.find(api)
    assert str(raised.value).count(". ") == 0  # one sentence
    assert repr(api) in str(raised.value)


@pytest.mark.parametrize("api", ["https://dunia.example/?key=canary", "https://a.example/x#canary"])
def test_a_url_that_goes_on_after_its_path_is_refused(api: str) -> None:
    with pytest.raises(UsageError, match="query or fragment") as raised:
        endpoints.find(api)
    assert "canary" not in str(raised.value)


def test_an_address_with_a_password_is_refused_and_the_password_not_shown() -> None:
    with pytest.raises(UsageError, match="a header") as raised:
        endpoints.find("https://me:canary@dunia.example/?key=canary")
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("path", ["/{band}", "/{}", "/{", "/{tile.x}", "/{year[0]}", "/{year:x.}"])
def test_a_template_that_cannot_be_filled_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match=re.escape("may hold {tile} and {year}, nothing else")):
        endpoints.find("dunia", tci_path=path)
