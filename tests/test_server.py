"""The server as its clients meet it: real HTTP, pystac-client, GDAL, and people who mean ill."""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import numpy as np
import odc.stac
import pystac
import pystac_client
import pytest
import rasterio
import requests
import shapely
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore
from rasterio.windows import Window

import dunia
import stacgen
from items import FIJI, SENEGAL, Scene, file, make, outline
from stacgen.access import server
from stacgen.access.search import Tables
from stacgen.api import search as reader
from stacgen.api.build import Upstream
from stacgen.errors import OutputError, UsageError
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.model import byte_ranges
from stacgen.stac import layout, stac_json

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pystac_client.warnings.PystacClientWarning"),
]

SCENES = [
    Scene(day=f"2025-{month:02}-{day:02}", band=band, cloud=float(month * 5 + day))
    for month in (1, 2, 3)
    for day in (1, 9, 17, 25)
    for band in ("B02", "B09")
] + [Scene(day=f"2025-02-{day:02}", tile="60KYF", box=FIJI) for day in (2, 3)]
DOCUMENTS = [document for _, document in map(make, SCENES)]
HOME = "/collections/sentinel-2-l2a-29PKR-B09"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalog")
    file(Folder(folder), SCENES)
    return folder


@pytest.fixture(scope="module")
def base(root: Path) -> Iterator[str]:
    with reader.serve(root, port=0) as address:
        yield address


@pytest.fixture(scope="module")
def client(base: str) -> pystac_client.Client:
    return pystac_client.Client.open(base)


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=10)


def raw(base: str, target: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Ask for a target exactly as it is written, which clients would tidy."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)
    try:
        connection.putrequest(
            method, target, skip_host="Host" in headers, skip_accept_encoding=True
        )
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


# What pystac-client asks.


def test_pystac_client_sees_every_collection(client: pystac_client.Client) -> None:
    assert sorted(each.id for each in client.get_collections()) == [
        "sentinel-2-l2a-29PKR-B02",
        "sentinel-2-l2a-29PKR-B09",
        "sentinel-2-l2a-60KYF-B09",
    ]
    assert client.title == layout.root_title(is_sample=False)
    collection = client.get_collection("sentinel-2-l2a-29PKR-B09")
    assert isinstance(collection, pystac_client.CollectionClient)
    assert len(list(collection.get_items())) == 12
    items = requests.get(collection.assets["items"].href, timeout=10)
    assert items.content[:4] == b"PAR1"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("limit", [1, 7, 13, 26, 1000])
def test_pages_hold_every_item_once(client: pystac_client.Client, method: str, limit: int) -> None:
    search = client.search(limit=limit, method=method)
    pages = list(search.pages_as_dicts())
    found = [each["id"] for page in pages for each in page["features"]]
    expected = sorted(DOCUMENTS, key=lambda each: (each["properties"]["datetime"], each["id"]))
    assert found == [each["id"] for each in expected]
    assert len(pages) == -(-len(DOCUMENTS) // limit)
    assert search.matched() == len(DOCUMENTS)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "asked",
    [
        {"bbox": (-12, 13, -10, 15)},
        {"bbox": (179, -18, -179, -16)},
        {"bbox": (0, 0, 1, 1)},
        {"bbox": (-12, 13, 0, -10, 15, 9000)},
        {"datetime": "2025-02-01/2025-02-17"},
        {"datetime": "2025-03-01T00:00:00Z/.."},
        {"datetime": "2025-02-17"},
        {"ids": [DOCUMENTS[0]["id"], DOCUMENTS[5]["id"], "none"]},
        {"collections": ["sentinel-2-l2a-60KYF-B09"]},
        {"intersects": outline(SENEGAL), "datetime": "../2025-01-31"},
        {"intersects": {"type": "Point", "coordinates": [-11.0, 14.0]}},
        {"collections": ["sentinel-2-l2a-29PKR-B02"], "bbox": SENEGAL, "limit": 2},
    ],
    ids=str,
)
def test_pystac_client_finds_what_the_items_say(
    client: pystac_client.Client, method: str, asked: dict[str, Any]
) -> None:
    search = client.search(**asked, method=method)
    found = {item.id for item in search.items()}
    assert found == {each["id"] for each in DOCUMENTS if answers(each, asked, search)}
    assert search.matched() == len(found)


def answers(
    document: dict[str, Any], asked: dict[str, Any], search: pystac_client.ItemSearch
) -> bool:
    """Whether an Item answers, told from its JSON and the interval that the client sends."""
    sent = search.get_parameters()
    ground = shapely.geometry.shape(document["geometry"])
    if (bbox := asked.get("bbox")) is not None:
        west, south, east, north = bbox if len(bbox) == 4 else (*bbox[:2], *bbox[3:5])
        areas = [(west, south, 180, north), (-180, south, east, north)]
        boxes = areas if west > east else [(west, south, east, north)]
        if not any(ground.intersects(shapely.box(*box)) for box in boxes):
            return False
    if "intersects" in asked:
        area = shapely.geometry.shape(asked["intersects"])
        if not ground.intersects(area):
            return False
    if "datetime" in asked:
        first, _, last = sent["datetime"].partition("/")
        moment = datetime.fromisoformat(document["properties"]["datetime"])
        if first != ".." and moment < datetime.fromisoformat(first):
            return False
        if last != ".." and moment > datetime.fromisoformat(last or first):
            return False
    return document["id"] in asked.get("ids", [document["id"]]) and document[
        "collection"
    ] in asked.get("collections", [document["collection"]])


def test_letters_of_a_time_may_be_small(base: str) -> None:
    """As RFC 3339 has it."""
    times = ("2025-02-01T00:00:00Z/2025-02-10T00:00:00Z", "2025-02-09T00:00:00Z")
    for interval in times:
        expected = get(f"{base}/search?datetime={interval}").json()["features"]
        assert expected
        assert get(f"{base}/search?datetime={interval.lower()}").json()["features"] == expected
        sent = {"datetime": interval.lower()}
        answer = requests.post(f"{base}/search", json=sent, timeout=10)
        assert answer.json()["features"] == expected


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_items_are_sorted_as_asked(client: pystac_client.Client, method: str) -> None:
    search = client.search(sortby="-properties.eo:cloud_cover,+id", method=method, limit=5)
    found = [(-item.properties["eo:cloud_cover"], item.id) for item in search.items()]
    assert found == sorted(found)
    assert len(found) == len(DOCUMENTS)
    latest = next(client.search(sortby="-datetime", method=method, max_items=1).items())
    assert latest.id == "T29PKR_20250325T000000_05.11_B02_10m"


@pytest.mark.parametrize(
    ("plain", "encoded"),
    [
        ("+datetime", "%2Bdatetime"),
        ("+properties.datetime,-id", "%2Bproperties.datetime,-id"),
        ("-datetime,+id", "-datetime,%2Bid"),
        ("-datetime,++id", "-datetime,%20id"),
    ],
)
def test_a_plus_need_not_be_encoded(base: str, plain: str, encoded: str) -> None:
    """As the Sort extension writes it; HTTP takes such a plus for a space."""
    found, expected = (
        get(f"{base}/search?limit=3&sortby={each}").json() for each in (plain, encoded)
    )
    assert found["features"] == expected["features"]
    assert len(found["features"]) == 3
    after, before = (
        next(link["href"] for link in each["links"] if link["rel"] == "next")
        for each in (found, expected)
    )
    assert get(after).json()["features"] == get(before).json()["features"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_the_fields_asked_for_are_sent(client: pystac_client.Client, method: str) -> None:
    fields = {"include": ["properties.eo:cloud_cover"], "exclude": ["links", "assets", "geometry"]}
    search = client.search(fields=fields, method=method, max_items=1)
    found = next(search.items_as_dicts())
    assert set(found) == {"id", "collection", "type", "stac_version", "properties"}
    assert set(found["properties"]) == {"eo:cloud_cover"}


def test_an_item_is_what_its_json_says_with_links_of_the_api(base: str) -> None:
    document = DOCUMENTS[1]
    answer = get(f"{base}{HOME}/items/{document['id']}")
    assert answer.headers["Content-Type"] == "application/geo+json"
    found = answer.json()
    assert {**found, "links": 0, "assets": 0} == {**document, "links": 0, "assets": 0}
    assert found["assets"].keys() == document["assets"].keys()
    links = {link["rel"]: link["href"] for link in found["links"]}
    assert links["self"] == answer.url
    assert get(links["collection"]).json()["id"] == document["collection"]
    assert get(links["root"]).json()["type"] == "Catalog"
    assert get(links["alternate"]).json() == document
    assert links["derived_from"] == "https://dunia.example/stream.m3u8"


def test_pages_lead_back_and_items_that_come_in_between_shift_none(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    file(store, SCENES[4:8])
    with reader.serve(tmp_path, port=0) as base:
        first = get(f"{base}/search?limit=2").json()
        links = {link["rel"]: link["href"] for link in first["links"]}
        assert "prev" not in links
        file(store, SCENES[:4])  # before what was seen already
        second = get(links["next"]).json()
        seen = [each["id"] for page in (first, second) for each in page["features"]]
        assert len(set(seen)) == 4
        assert second["numberMatched"] == 8
        back = {link["rel"]: link["href"] for link in second["links"]}["prev"]
        assert get(back).json()["features"] == first["features"]


def test_the_server_sees_what_a_build_adds(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    file(store, SCENES[:1])
    with reader.serve(tmp_path, port=0) as base:
        assert get(f"{base}/search").json()["numberMatched"] == 1
        file(store, SCENES[:4])
        assert get(f"{base}/search").json()["numberMatched"] == 4
        assert len(get(f"{base}/collections").json()["collections"]) == 2
        (tmp_path / layout.COLLECTIONS).unlink()
        assert get(f"{base}/search").json()["numberMatched"] == 4


@pytest.mark.parametrize(
    ("key", "content"),
    [
        (layout.COLLECTIONS, b"{"),
        (layout.ROOT, b"{"),
    ],
)
def test_the_server_knows_what_it_knew_while_a_file_is_damaged(
    tmp_path: Path, key: str, content: bytes
) -> None:
    store = Folder(tmp_path)
    file(store, SCENES[:2])
    with reader.serve(tmp_path, port=0) as base:
        targets = ("/", "/collections", HOME, "/search")
        before = [get(base + target).content for target in targets]
        whole = (tmp_path / key).read_bytes()
        (tmp_path / key).write_bytes(content)
        os.utime(tmp_path / layout.COLLECTIONS, (0, 0))  # the server is to read anew
        assert [get(base + target).content for target in targets] == before
        (tmp_path / key).write_bytes(whole)
        file(store, SCENES[:4])
        assert get(f"{base}/search").json()["numberMatched"] == 4


def test_the_server_knows_what_it_knew_while_the_store_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file(Folder(tmp_path), SCENES[:2])

    def fail(*_: object) -> None:
        raise OutputError("The output cannot be used: the disk is gone.")

    with reader.serve(tmp_path, port=0) as base:
        targets = ("/", "/collections", HOME, f"{HOME}/items", "/search")
        before = [get(base + target).content for target in targets]
        os.utime(tmp_path / layout.COLLECTIONS, (0, 0))  # the server is to read anew
        for name in ("stat", "read"):
            with monkeypatch.context() as patch:
                patch.setattr(Folder, name, fail)
                assert [get(base + target).content for target in targets] == before
        file(Folder(tmp_path), SCENES[:4])
        assert get(f"{base}/search").json()["numberMatched"] == 4


def test_a_damaged_collection_hides_nothing(tmp_path: Path) -> None:
    """What the server tells of Collections is in their table, which no damaged file changes."""
    file(Folder(tmp_path), SCENES[:2])
    with reader.serve(tmp_path, port=0) as base:
        before = [get(f"{base}{target}").json() for target in ("/collections", "/search")]
        (tmp_path / "29PKR/B02/collection.json").write_text("{")
        os.utime(tmp_path / layout.COLLECTIONS, (0, 0))  # the server is to read it again
        after = [get(f"{base}{target}").json() for target in ("/collections", "/search")]
        assert after == before


@pytest.mark.parametrize("target", ["/search", f"{HOME}/items", f"{HOME}/items/x"])
def test_what_cannot_be_read_is_told_to_browsers_and_programs(
    base: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OutputError("/home/someone/catalogs/items.parquet is damaged.")

    monkeypatch.setattr(Tables, "answer", fail)
    answer = get(base + target, Origin="https://browser.example")
    assert answer.status_code == 503
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json() == {
        "code": "OutputError",
        "description": "The catalog cannot be read now.",
    }


@pytest.mark.parametrize(
    "target",
    [
        "/search?colour=red",
        "/search?query=%5B%5D",
        "/search?query=x",
        "/search?query=%7B%22gsd%22%3A5%7D",
        "/search?query=%7B%22gsd%22%3A%7B%22near%22%3A5%7D%7D",
        "/search?query=%7B%22colour%22%3A%7B%22eq%22%3A5%7D%7D",
        "/search?query=%7B%22id%22%3A%7B%22startsWith%22%3A5%7D%7D",
        "/search?filter=colour%3D1",
        "/search?filter=id%3D",
        "/search?filter=id&filter-lang=cql2-json",
        "/search?filter=id%3D%27x%27&filter-lang=sql",
        "/search?filter=id%3D%27x%27&filter-crs=EPSG%3A32629",
        "/search?max_cloud=20",
        "/search?limit=1&limit=2",
        "/search?limit=0",
        "/search?limit=-1",
        "/search?limit=many",
        "/search?bbox=1,2,3",
        "/search?bbox=1,2,a,4",
        "/search?bbox=1,4,3,2",
        "/search?bbox=nan,0,1,1",
        "/search?bbox=-190,0,1,1",
        "/search?datetime=soon",
        "/search?datetime=2025-03-02T00:00:00Z/2025-03-01T00:00:00Z",
        "/search?datetime=../..",
        "/search?token=zz",
        "/search?token=" + "W10",
        "/search?token=WzEsMiwzLDRd",
        "/search?token=Wy0xXQ",
        "/search?token=WzEuNV0",
        "/search?token=WzFlOTk5XQ",
        "/search?token=" + "A" * 5000,
        "/search?sortby=nothing",
        "/search?sortby=geometry",
        "/search?intersects=x",
        "/search?intersects=%7B%22type%22%3A%22Circle%22%7D",
        "/search?intersects=%7B%22type%22%3A%22Point%22%2C%22coordinates%22%3A%5B0%2C0%5D%7D&bbox=0,0,1,1",
        "/collections?limit=0",
        "/collections?colour=red",
        "/collections?filter=true",
        "/collections?sortby=gsd",
        "/collections?token=none",
        "/queryables?x=1",
        f"{HOME}/queryables?x=1",
        f"{HOME}?x=1",
        f"{HOME}/items?ids=x",
        f"{HOME}/items?collections=other",
        f"{HOME}/items/{DOCUMENTS[1]['id']}?x=1",
        "/conformance?x=1",
        "/?x=1",
    ],
)
def test_a_query_that_the_server_does_not_know_is_refused(base: str, target: str) -> None:
    assert raw(base, target)[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {"colour": "red"},
        {"query": {"eo:cloud_cover": {"near": 20}}},
        {"query": {"colour": {"eq": 20}}},
        {"filter": {"op": "="}, "filter-lang": "cql2-json"},
        {"filter": {"op": "near", "args": [{"property": "id"}, "x"]}},
        {"filter": {"op": "=", "args": [{"property": "id"}, "x"]}, "filter-lang": "cql2-text"},
        {"filter": 0},
        {"fields": None},
        {"bbox": [0, 0, 0, True]},
        {"limit": 0},
        {"limit": "many"},
        {"bbox": [1, 2, 3]},
        {"bbox": [0, 0, 1, 1], "intersects": {"type": "Point", "coordinates": [0, 0]}},
        {"intersects": {"type": "Circle"}},
        {"datetime": "soon"},
        {"sortby": [{"field": "nothing", "direction": "asc"}]},
        {"sortby": [{"field": "id", "direction": "up"}]},
        {"sortby": [{"field": "id", "direction": "asc", "colour": "red"}]},
        {"fields": {"incluse": ["id"]}},
        {"ids": "x"},
        {"token": 7},
        [],
        "x",
    ],
    ids=str,
)
def test_a_body_that_the_server_does_not_know_is_refused(base: str, body: object) -> None:
    assert requests.post(f"{base}/search", json=body, timeout=10).status_code == 400


DEEP = "[" * 30_000
"""Deeper than Python follows, and as a token or a query not too long for the server."""


@pytest.mark.parametrize(
    "target",
    [
        "/search?token=" + base64.urlsafe_b64encode(DEEP.encode()).decode(),
        "/search?intersects=" + DEEP,
        "/search?intersects=" + '{"type":' * 5_000,
        '/search?intersects={"type":"Polygon","coordinates":' + "[" * 900 + "0" + "]" * 900 + "}",
        "/search?intersects=" + '{"type":"GeometryCollection","geometries":[' * 300 + "]}" * 300,
        '/search?intersects={"type":"Point","coordinates":[1' + "0" * 400 + ",0]}",
        "/search?query=" + DEEP,
        "/search?filter=" + "(" * 25_000 + "gsd=1" + ")" * 25_000,
        "/search?filter=" + "not%20" * 10_000 + "gsd=1",
        "/search?filter=gsd=1" + "-1" * 20_000,
        "/search?filter=gsd=" + "-" * 20_000 + "1",
        "/search?filter=" + "f(" * 20_000 + "gsd" + ")" * 20_000 + "=1",
        "/search?filter=gsd=1" + "%20and%20gsd=1" * 4_000,
        "/search?filter-lang=cql2-json&filter=" + '{"op":"not","args":[' * 2_000 + "true",
    ],
    ids=[
        *("token", "arrays", "objects", "polygon", "collections", "number", "query"),
        *("brackets", "negations", "differences", "signs", "functions", "conjunctions", "json"),
    ],
)
def test_no_depth_and_no_number_of_a_query_is_too_much(base: str, target: str) -> None:
    assert raw(base, target)[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"token": base64.urlsafe_b64encode(DEEP.encode()).decode()}),
        DEEP,
        '{"intersects":' + DEEP,
        '{"intersects":{"type":"Polygon","coordinates":' + "[" * 900 + "0" + "]" * 900 + "}}",
        '{"intersects":' + '{"type":"GeometryCollection","geometries":[' * 300 + "]}" * 300 + "}",
        '{"filter":' + '{"op":"not","args":[' * 400 + "true" + "]}" * 400 + "}",
        '{"filter":' + '{"op":"not","args":[' * 20_000,
        json.dumps({"filter": {"op": "or", "args": [{"op": "not", "args": [True]}] * 2_000}}),
    ],
    ids=["token", "body", "arrays", "polygon", "collections", "filter", "negations", "conditions"],
)
def test_no_depth_of_a_body_is_too_much(base: str, body: str) -> None:
    sent = {"Content-Type": "application/json"}
    answer = requests.post(f"{base}/search", data=body, headers=sent, timeout=10)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        r'{"datetime": "\ud800"}',
        r'{"ids": "\ud800"}',
        r'{"query": {"\ud800": {"eq": 1}}}',
        r'{"filter": {"op": "=", "args": [{"property": "\ud800"}, 1]}}',
        r'{"filter": "\ud800 = 1"}',
        '{"limit": 0, "bbox": [NaN, 0, 1, 1]}',
        '{"datetime": "9999-12-31T23:59:59-14:00"}',
        '{"datetime": "0001-01-01T00:00:00+14:00/.."}',
        '{"intersects": {"type": "Point", "coordinates": [1' + "0" * 400 + ", 0]}}",
    ],
    ids=lambda body: body[:40],
)
def test_a_body_that_no_answer_could_hold_is_refused(base: str, body: str) -> None:
    sent = {"Content-Type": "application/json"}
    answer = requests.post(f"{base}/search", data=body, headers=sent, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["description"]


def test_a_geometry_of_many_of_one_kind_is_no_reason_to_warn(base: str) -> None:
    """Warnings are errors here."""
    points = [{"type": "Point", "coordinates": [x, 14]} for x in (-11.0, 0.0)]
    sent = {"intersects": {"type": "GeometryCollection", "geometries": points}}
    answer = requests.post(f"{base}/search", json=sent, timeout=10)
    assert answer.json()["numberMatched"] == 24


def test_bodies_are_bounded(base: str) -> None:
    large = json.dumps({"ids": ["x" * 100] * 20000})
    answer = requests.post(f"{base}/search", data=large, timeout=10)
    assert answer.status_code == 413
    for body in ("{", "\xff", ""):
        assert requests.post(f"{base}/search", data=body, timeout=10).status_code == 400


def test_what_is_not_there_is_404(base: str) -> None:
    for target in ("/collections/none", f"{HOME}/items/none", "/collections/none/items"):
        answer = get(base + target)
        assert answer.status_code == 404
        assert "no " in answer.text


# Filters, Collections, and what other clients ask.


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "asked",
    [
        {"filter": '"eo:cloud_cover" < 12', "filter_lang": "cql2-text"},
        {"filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 12]}},
        {"query": {"eo:cloud_cover": {"lt": 12}}},
        {"query": ["eo:cloud_cover<12"]},
        {"query": {"properties.eo:cloud_cover": {"gte": 0, "lt": 12}}},
        {
            "query": {"eo:cloud_cover": {"lt": "12"}},
            "filter": {"op": "in", "args": [{"property": "tile"}, ["29PKR", "60KYF"]]},
        },
    ],
    ids=str,
)
def test_pystac_client_filters(
    client: pystac_client.Client, method: str, asked: dict[str, Any]
) -> None:
    if method == "GET" and isinstance(asked.get("filter"), dict):
        asked = {**asked, "filter_lang": "cql2-json"}
    search = client.search(**asked, method=method, limit=3, sortby="-datetime")
    found = [item.id for item in search.items()]
    expected = [each["id"] for each in DOCUMENTS if each["properties"]["eo:cloud_cover"] < 12]
    assert sorted(found) == sorted(expected)
    assert search.matched() == len(expected) > 3
    times = [str(item.datetime) for item in search.items()]
    assert times == sorted(times, reverse=True)


def test_queryables_are_what_filters_know(client: pystac_client.Client, base: str) -> None:
    """pystac-client reads them; each is a JSON Schema and may be compared."""
    known = client.get_queryables()
    home = client.get_collection(HOME.rpartition("/")[2])
    assert isinstance(home, pystac_client.CollectionClient)
    assert home.get_queryables()["properties"] == known["properties"]
    jsonschema.Draft202012Validator.check_schema(known)
    for name in known["properties"]:
        asked = f'"{name}" is null or "{name}" is not null'
        answer = requests.get(f"{base}/search", {"filter": asked, "limit": "1"}, timeout=10)
        assert answer.json()["numberMatched"] == len(DOCUMENTS)
    properties = {"properties": {}, **known["properties"]}
    for document in DOCUMENTS:
        told = {**document["properties"], "id": document["id"]}
        for name, value in told.items():
            if name in properties:
                jsonschema.validate(value, known["properties"][name])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["29PKR-B02", "29PKR-B09", "60KYF-B09"]),
        ({"q": "b09"}, ["29PKR-B09", "60KYF-B09"]),
        ({"q": "29pkr b02, 60KYF"}, ["29PKR-B02", "60KYF-B09"]),
        ({"bbox": (-12, 13, -10, 15)}, ["29PKR-B02", "29PKR-B09"]),
        ({"bbox": (179, -18, -179, -16)}, ["60KYF-B09"]),
        ({"datetime": "2025-03-01T00:00:00Z/.."}, ["29PKR-B02", "29PKR-B09"]),
        ({"datetime": "2024-03-01T00:00:00Z"}, []),
        ({"sortby": "-id"}, ["60KYF-B09", "29PKR-B09", "29PKR-B02"]),
    ],
)
def test_pystac_client_searches_collections(
    client: pystac_client.Client, asked: dict[str, Any], expected: list[str]
) -> None:
    for limit in (None, 1, 2, 10):
        search = client.collection_search(**asked, limit=limit)
        found = [each.id.removeprefix("sentinel-2-l2a-") for each in search.collections()]
        assert found == expected
        assert search.matched() == len(expected)


def test_pages_of_collections_lead_back(base: str) -> None:
    first = get(f"{base}/collections?limit=1").json()
    second = get(_links(first)["next"]).json()
    third = get(_links(second)["next"]).json()
    assert len({page["collections"][0]["id"] for page in (first, second, third)}) == 3
    assert "next" not in _links(third)
    assert get(_links(third)["prev"]).json()["collections"] == second["collections"]
    assert get(_links(second)["prev"]).json()["collections"] == first["collections"]


def _links(page: dict[str, Any]) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in page["links"]}


_ALWAYS = {"type", "stac_version", "id", "collection"}
_VALID = _ALWAYS | {"geometry", "bbox", "links", "assets", "properties"}


@pytest.mark.parametrize(
    ("query", "body", "top", "properties"),
    [
        ("", {}, _VALID, {"datetime"}),
        (None, {"include": [], "exclude": None}, _VALID, {"datetime"}),
        ("id", {"include": ["id"]}, _ALWAYS, set()),
        (
            "-properties,+properties.eo:cloud_cover",
            {"include": ["properties.eo:cloud_cover"], "exclude": ["properties"]},
            _ALWAYS | {"properties"},
            {"eo:cloud_cover"},
        ),
        (
            "+geometry,-geometry",
            {"include": ["geometry"], "exclude": ["geometry"]},
            _ALWAYS | {"geometry"},
            set(),
        ),
        (None, {"exclude": ["geometry"], "include": None}, _VALID - {"geometry"}, {"datetime"}),
        ("-geometry", {"exclude": ["geometry"]}, _VALID - {"geometry"}, None),
    ],
)
def test_fields_are_chosen_as_the_extension_says(
    base: str, query: str | None, body: object, top: set[str], properties: set[str] | None
) -> None:
    whole = get(f"{base}/search?limit=1").json()["features"][0]
    answers = [requests.post(f"{base}/search", json={"fields": body, "limit": 1}, timeout=10)]
    if query is not None:
        asked = {"fields": query, "limit": "1"}
        answers += [requests.get(f"{base}/search", asked, timeout=10)]
    for answer in answers:
        sent = answer.json()["features"][0]
        assert set(sent) - {"stac_extensions"} == top
        expected = set(whole["properties"]) if properties is None else properties
        assert set(sent.get("properties", {})) == expected


def test_items_of_a_collection_take_what_a_search_takes(base: str) -> None:
    asked = {"filter": '"eo:cloud_cover" < 12', "sortby": "-datetime", "fields": "id"}
    found = requests.get(f"{base}{HOME}/items", asked, timeout=10).json()
    expected = {**asked, "collections": HOME.rpartition("/")[2]}
    assert (
        found["features"]
        == (requests.get(f"{base}/search", expected, timeout=10).json()["features"])
    )
    assert set(found["features"][0]) == _ALWAYS


# HTTP.


@pytest.mark.parametrize(
    "target",
    [
        *("/", "/api", "/api.html", "/catalog.json", "/collections", "/conformance", HOME),
        *("/queryables", f"{HOME}/items", f"{HOME}/queryables", "/search?limit=1", "/none"),
    ],
)
def test_head_is_answered_like_get(base: str, target: str) -> None:
    for accepted in ("identity", "gzip"):
        found = get(base + target, **{"Accept-Encoding": accepted})
        head = requests.head(base + target, headers={"Accept-Encoding": accepted}, timeout=10)
        assert head.status_code == found.status_code
        assert head.content == b""
        for name in ("Content-Type", "Content-Length", "Vary", "Content-Encoding", "ETag"):
            assert head.headers.get(name) == found.headers.get(name)


def test_json_of_the_api_is_compressed_and_files_are_not(base: str) -> None:
    asked = {"Accept-Encoding": "gzip"}
    for target in ("/search", "/collections", "/api"):
        answer = get(base + target, **asked)
        assert answer.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert answer.json() == get(base + target, **{"Accept-Encoding": "identity"}).json()
    for key in ("collections.parquet", "catalog.json"):
        assert "Content-Encoding" not in get(f"{base}/{key}", **asked).headers
    part = get(f"{base}/collections.parquet", Range="bytes=0-99", **asked)
    assert (part.status_code, len(part.content)) == (206, 100)


@pytest.mark.parametrize("accepted", ["text/html", "application/json", "*/*"])
def test_caches_know_that_the_root_has_two_forms(base: str, accepted: str) -> None:
    assert "Accept" in get(base, Accept=accepted).headers["Vary"].split(", ")


def test_a_method_that_is_not_allowed_names_those_that_are(base: str) -> None:
    for target, methods in (("/search", "GET, HEAD, POST"), (HOME, "GET, HEAD")):
        answer = requests.options(base + target, timeout=10)
        assert (answer.status_code, answer.headers["Allow"]) == (405, methods)


def test_too_many_clients_get_a_503_and_no_traceback_is_printed(root: Path) -> None:
    process = subprocess.Popen(
        [
            "bash",
            "-c",
            'ulimit -n 64; exec "$0" -m stacgen serve "$1" --port 0',
            *(sys.executable, str(root)),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address = re.search(r"127\.0\.0\.1:(\d+)", process.stderr.readline())
    assert address is not None
    asked = f"GET /catalog.json HTTP/1.1\r\nHost: {address[0]}\r\n\r\n".encode()

    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", int(address[1])), timeout=20)

    clients = [connect() for _ in range(120)]
    for each in clients:
        each.sendall(asked)
    assert {each.recv(12) for each in clients} <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
    for each in clients:
        each.close()
    statuses = []
    while b"HTTP/1.1 200" not in statuses:  # the server has seen that they are gone
        with connect() as client:
            client.sendall(asked)
            statuses.append(client.recv(12))
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == ""


# Files.


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("catalog.json", "application/json"),
        ("29PKR/B09/collection.json", "application/json"),
        (make(SCENES[1])[0], "application/geo+json"),
        ("collections.parquet", "application/vnd.apache.parquet"),
    ],
)
def test_files_are_sent_as_they_are(base: str, root: Path, key: str, kind: str) -> None:
    content = (root / key).read_bytes()
    answer = get(f"{base}/{key}", Accept_Encoding="gzip", Origin="https://browser.example")
    assert answer.content == content
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert {"Content-Range", "Content-Length", "ETag", "Accept-Ranges"} <= set(exposed.split(", "))
    head = requests.head(f"{base}/{key}", timeout=10)
    assert head.headers["Content-Length"] == str(len(content))
    assert head.headers["ETag"] == answer.headers["ETag"]
    assert head.content == b""


def test_browsers_may_ask_for_ranges(base: str) -> None:
    asked = {
        "Origin": "https://browser.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "range",
    }
    answer = requests.options(f"{base}/catalog.json", headers=asked, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "range" in answer.headers["Access-Control-Allow-Headers"].lower()
    assert {"GET", "HEAD"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))


def test_what_a_client_has_is_not_sent_again(base: str) -> None:
    url = f"{base}/catalog.json"
    tag = get(url).headers["ETag"]
    for value in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = get(url, **{"If-None-Match": value})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
    assert get(url, **{"If-None-Match": '"x"'}).status_code == 200
    part = {"Range": "bytes=0-9"}
    assert get(url, **part, **{"If-Range": tag}).status_code == 206
    assert get(url, **part, **{"If-Range": '"x"'}).status_code == 200


def test_a_file_that_is_replaced_gets_another_tag(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    file(store, SCENES[:1])
    with reader.serve(tmp_path, port=0) as base:
        one = get(f"{base}/catalog.json").headers["ETag"]
        content = (tmp_path / "catalog.json").read_bytes()
        store.write("catalog.json", content, stac_json.JSON)
        assert get(f"{base}/catalog.json").headers["ETag"] != one


WHOLE = "whole"
SIZE = 1000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-99", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=999-999", (999, 1000)),
        ("bytes=500-", (500, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-1000", (0, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("bytes=900-5000", (900, 1000)),
        ("bytes=0-" + "9" * 400, (0, 1000)),
        ("bytes=-" + "9" * 400, (0, 1000)),
        (" bytes=0-1 ", (0, 2)),
        ("bytes=1000-", None),
        ("bytes=1000-2000", None),
        ("bytes=" + "9" * 400 + "-", None),
        ("bytes=-0", None),
        ("bytes=-", WHOLE),
        ("bytes=5-4", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=0x1-5", WHOLE),
        ("bytes=1.0-5", WHOLE),
        ("bytes=--5", WHOLE),
        ("bytes=+1-5", WHOLE),
        ("bytes=0-1,5-9", WHOLE),
        ("bytes=0-999,0-999,0-999,0-999", WHOLE),
        ("bytes=0-9,", WHOLE),
        ("items=0-1", WHOLE),
        ("bytes 0-1", WHOLE),
        ("bytes=٣-٤", WHOLE),
        ("", WHOLE),
    ],
)
def test_one_range_is_understood_and_nothing_else(header: str, expected: object) -> None:
    if expected is None:
        with pytest.raises(byte_ranges.UnsatisfiableError):
            byte_ranges.parse(header, SIZE)
        return
    part = byte_ranges.parse(header, SIZE)
    assert (WHOLE if part is None else (part.start, part.stop)) == expected


@given(st.text(alphabet="bytes=-0123456789,", max_size=12), st.integers(0, 50))
def test_whatever_the_header_a_part_lies_within(header: str, size: int) -> None:
    try:
        part = byte_ranges.parse(header, size)
    except byte_ranges.UnsatisfiableError:
        return
    assert part is None or 0 <= part.start < part.stop <= size


@pytest.mark.parametrize("key", ["collections.parquet"])
def test_parts_are_the_bytes_of_the_file(base: str, root: Path, key: str) -> None:
    content = (root / key).read_bytes()
    size = len(content)
    for header, start, stop in (
        ("bytes=0-9", 0, 10),
        ("bytes=100-", 100, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=5-{size + 5}", 5, size),
    ):
        answer = get(f"{base}/{key}", Range=header)
        assert answer.status_code == 206
        assert answer.content == content[start:stop]
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
        assert answer.headers["Content-Length"] == str(stop - start)
    for header in ("bytes=-0", f"bytes={size}-"):
        answer = get(f"{base}/{key}", Range=header)
        assert answer.status_code == 416
        assert answer.headers["Content-Range"] == f"bytes */{size}"
    several = get(f"{base}/{key}", Range="bytes=0-1,1-5")
    assert (several.status_code, several.content) == (200, content)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose root has secrets beside it, hidden in it, and links that lead out of it."""
    place = tmp_path_factory.mktemp("hostile")
    root = place / "root"
    file(Folder(root), SCENES[:1])
    (place / "secret.txt").write_text("SECRET")
    (place / "root-secret").mkdir()
    (place / "root-secret" / "secret.txt").write_text("SECRET")
    (root / ".env").write_text("SECRET")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("SECRET")
    (root / "29PKR" / ".hidden.json").write_text("SECRET")
    (root / "link.txt").symlink_to(place / "secret.txt")
    (root / "out").symlink_to(place)
    (root / "sideways").symlink_to(place / "root-secret")
    (root / "29PKR" / "passwd").symlink_to("/etc/passwd")
    (root / "shown.txt").symlink_to(root / ".env")
    (root / "round").symlink_to("round")
    (root / "within.json").symlink_to(root / "catalog.json")
    (root / "pipe").mkdir()
    os.mkfifo(root / "pipe" / "fifo")
    with reader.serve(root, port=0) as base:
        yield base


HOSTILE = [
    "/../secret.txt",
    "/../../secret.txt",
    "/29PKR/../../secret.txt",
    "/29PKR/../catalog.json",
    "/./catalog.json",
    "/%2e%2e/secret.txt",
    "/%2E%2E/secret.txt",
    "/%2e./secret.txt",
    "/.%2e/secret.txt",
    "/..%2fsecret.txt",
    "/..%2Fsecret.txt",
    "/29PKR%2f..%2f..%2fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/%252e%252e/secret.txt",
    "/%252e%252e%252fsecret.txt",
    "/%c0%ae%c0%ae/secret.txt",
    "/%c0%af/secret.txt",
    "/%ef%bc%8e%ef%bc%8e/secret.txt",
    "/..\\secret.txt",
    "/..%5csecret.txt",
    "/..%5Csecret.txt",
    "/%5c..%5csecret.txt",
    "/29PKR\\catalog.json",
    "/catalog.json%00",
    "/catalog.json%00.png",
    "/%00",
    "/catalog.json%0a",
    "/catalog.json%0d%0aX: y",
    "/catalog.json%7f",
    "/catalog.json%20",
    "/%20catalog.json",
    "//etc/passwd",
    "///etc/passwd",
    "/%2fetc/passwd",
    "/%2f%2fetc/passwd",
    "/etc/passwd",
    "/C:/windows/win.ini",
    "/c%3a/windows/win.ini",
    "/file:///etc/passwd",
    "/~root/.bashrc",
    "/.env",
    "/%2eenv",
    "/.git/config",
    "/.git/",
    "/.stacgen/x",
    "/29PKR/.hidden.json",
    "/29PKR/%2ehidden.json",
    "/link.txt",
    "/out/secret.txt",
    "/shown.txt",
    "/out/",
    "/sideways/secret.txt",
    "/29PKR/passwd",
    "/round",
    "/round/x",
    "/pipe/fifo",
    "/pipe",
    "/29PKR",
    "/29PKR/",
    "/29PKR//catalog.json",
    "/catalog.json/",
    "/catalog.json/x",
    "/catalog.json;x",
    "/catalog.json:x",
    "/*",
    "/" + "a" * 3000,
    "/" + "a/" * 1000,
    "/" + "../" * 1000 + "etc/passwd",
    "/CATALOG.JSON",
    "/-rf",
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", HOSTILE, ids=lambda target: target[:30])
def test_no_path_leads_out_of_the_root(hostile: str, target: str, method: str) -> None:
    status, body = raw(hostile, target, method) if _can_be_sent(target) else _sent(hostile, target)
    assert status in (400, 404)
    for word in (b"SECRET", b"root:", b"Traceback", b"/tmp", b"/work", b'"type"'):
        assert word not in body


def _can_be_sent(target: str) -> bool:
    return not re.search(r"[\x00-\x20\x7f]", target)


def _sent(base: str, target: str) -> tuple[int, bytes]:
    """The answer to a target that http.client would not send."""
    host, _, port = urlsplit(base).netloc.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_a_link_that_stays_within_is_followed(hostile: str) -> None:
    assert raw(hostile, "/within.json")[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1@evil.example",
        "127.0.0.1/evil",
        "0.0.0.0",  # noqa: S104 - a name
        "10.0.0.1",
        "[::ffff:7f00:1]",
        "2130706433",
        "localhost:port",
        "",
        "[",
    ],
)
def test_other_names_are_refused(base: str, host: str) -> None:
    for target in ("/", "/catalog.json", "/search"):
        status, body = raw(base, target, Host=host)
        assert status in (400, 421)
        assert b"stac" not in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8000"])
def test_names_of_the_loopback_are_answered(base: str, host: str) -> None:
    assert raw(base, "/catalog.json", Host=host)[0] == 200


def test_names_given_are_answered_and_links_lead_there(root: Path) -> None:
    public = "https://api.example.org/stac"
    with reader.serve(root, port=0, names=["Inner.example"], base_url=public) as base:
        assert raw(base, "/catalog.json", Host="inner.example")[0] == 200
        status, body = raw(base, "/search?limit=1", Host="api.example.org")
        assert status == 200
        hrefs = re.findall(r'"href":"([^"]+)"', body.decode())
        assert all(href.startswith((public, "https://dunia.example")) for href in hrefs)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_files_can_only_be_read(base: str, root: Path, method: str) -> None:
    before = (root / "catalog.json").read_bytes()
    assert raw(base, "/catalog.json", method)[0] in (400, 404, 405)
    assert (root / "catalog.json").read_bytes() == before


def test_people_get_a_page_and_programs_the_landing_page(tmp_path: Path) -> None:
    file(Folder(tmp_path), SCENES[:1])
    (tmp_path / "index.html").unlink()  # as of a catalog that was copied without it
    with reader.serve(tmp_path, port=0) as base:
        page = get(base, Accept="text/html,*/*")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert layout.root_title(is_sample=False) in page.text
        for target in re.findall(r'href="([^"]+)"', page.text):
            assert get(base + target).status_code == 200
        (tmp_path / "index.html").write_text("<p>The catalog's own")
        assert get(base, Accept="text/html").text == "<p>The catalog's own"
        assert get(base, Accept="application/json").json()["type"] == "Catalog"
        assert get(base).json()["stac_version"] == "1.1.0"


def test_a_bucket_is_served_like_a_folder(root: Path) -> None:
    bucket = Bucket(MemoryStore(), "memory://bucket")
    file(bucket, SCENES)
    with server.running(bucket) as base:
        content = (root / "collections.parquet").read_bytes()
        answer = get(f"{base}/collections.parquet", Range="bytes=100-299")
        assert (answer.status_code, answer.content) == (206, content[100:300])
        assert get(f"{base}/collections.parquet").content == content
        assert get(f"{base}/none").status_code == 404
        client = pystac_client.Client.open(base)
        assert client.search(bbox=(179, -18, -179, -16)).matched() == 2


def test_a_file_is_of_one_version_while_it_is_sent(tmp_path: Path) -> None:
    for store in (Folder(tmp_path), Bucket(MemoryStore(), "memory://x")):
        store.write("a", b"one" * 200_000, stac_json.JSON)
        entry = store.stat("a")
        assert entry is not None
        chunks = store.stream(entry, 0, entry.size)
        first = next(chunks)
        store.write("a", b"two" * 200_000, stac_json.JSON)
        assert b"".join([first, *chunks]) == b"one" * 200_000
        with pytest.raises(OutputError):
            store.stream(entry, 0, entry.size)


# Pixels.


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with pixels."""
    folder = tmp_path_factory.mktemp("built")
    rng = np.random.default_rng(1)
    frames = [rng.integers(200, 4000, (1830, 1830), dtype=np.uint16) for _ in range(2)]
    with dunia.Server().running() as upstream:
        dunia.publish(upstream, frames)
        stacgen.build(
            "29PKR", "B09", years=[2025], output=folder, upstream=Upstream(api=upstream.base)
        )
    return folder


def test_gdal_reads_a_window_with_few_requests_and_few_bytes(built: Path) -> None:
    path = next(built.rglob("*.tif"))
    key = path.relative_to(built).as_posix()
    script = """
import rasterio, sys
from rasterio.windows import Window
with rasterio.open("/vsicurl/" + sys.argv[1]) as dataset:
    print(dataset.read(1, window=Window(600, 600, 64, 64)).sum())
"""
    with reader.serve(built, port=0) as base:
        done = subprocess.run(
            [sys.executable, "-c", script, f"{base}/{key}"],
            env={
                **os.environ,
                "CPL_CURL_VERBOSE": "YES",
                "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
                "CPL_VSIL_CURL_NON_CACHED": "",
            },
            capture_output=True,
            text=True,
            check=True,
        )
    with rasterio.open(path) as dataset:
        assert int(done.stdout) == dataset.read(1, window=Window(600, 600, 64, 64)).sum()
    statuses = re.findall(r"^< HTTP/1.1 (\d+)", done.stderr, re.MULTILINE)
    sizes = [int(size) for size in re.findall(r"(?im)^< content-length: (\d+)", done.stderr)]
    heads = done.stderr.count("> HEAD ")
    assert set(statuses) <= {"200", "206"}
    assert "206" in statuses
    assert len(statuses) <= 4
    got = sum(sizes[heads:]) if heads else sum(sizes)
    assert got < path.stat().st_size / 3


def test_what_the_api_finds_is_loaded(built: Path) -> None:
    with reader.serve(built, port=0) as base:
        band = "sentinel-2-l2a-29PKR-B09"
        found = pystac_client.Client.open(base).search(limit=1, collections=[band])
        items = list(found.items())
        loaded = odc.stac.load(items, bands=["B09"])
        for index, item in enumerate(items):
            key = urlsplit(item.assets["B09"].href).path[1:]
            with rasterio.open(built / key) as dataset:
                assert np.array_equal(loaded.B09.isel(time=index).values, dataset.read(1))
        static = pystac.Catalog.from_file(f"{base}/catalog.json")
        assert len(list(static.get_items(recursive=True))) == 2 * 2  # and their scenes


# The command.


def test_the_command_serves_until_it_is_interrupted(root: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stacgen", "serve", str(root), "--port", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert address is not None
    assert get(f"{address[0]}/search?limit=1").status_code == 200
    process.send_signal(signal.SIGINT)
    out, rest = process.communicate(timeout=20)
    assert (process.returncode, out, rest) == (0, "", "")


def test_the_command_ends_while_a_client_stalls(tmp_path: Path) -> None:
    file(Folder(tmp_path), SCENES[:1])
    with (tmp_path / "large.tif").open("wb") as large:
        large.truncate(1 << 28)  # more than the buffers of two sockets hold
    process = subprocess.Popen(
        [sys.executable, "-m", "stacgen", "serve", str(tmp_path), "--port", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address = re.search(r"127\.0\.0\.1:(\d+)", process.stderr.readline())
    assert address is not None
    with socket.create_connection(("127.0.0.1", int(address[1])), timeout=10) as client:
        client.sendall(f"GET /large.tif HTTP/1.1\r\nHost: {address[0]}\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        process.send_signal(signal.SIGINT)
        try:
            out, rest = process.communicate(timeout=8)
        finally:
            process.kill()
    assert (process.returncode, out, rest) == (0, "", "")


def test_a_root_that_cannot_be_served_says_why(tmp_path: Path, root: Path) -> None:
    with pytest.raises(OutputError, match="stacgen index"), reader.serve(tmp_path, port=0):
        pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match="Nothing can listen"), reader.serve(root, port=port):
            pass
    for port in (-1, 70000):
        with pytest.raises(UsageError, match="Nothing can listen"), reader.serve(root, port=port):
            pass


def test_damaged_rows_are_an_error_that_names_no_place(tmp_path: Path) -> None:
    file(Folder(tmp_path), SCENES[:4])
    path = tmp_path / "29PKR/B09/items.parquet"
    sound = path.read_bytes()
    with reader.serve(tmp_path, port=0) as base:
        path.write_bytes(sound[:99] + bytes(8) + sound[107:])
        answer = get(f"{base}/search")
        assert answer.status_code == 503
        assert answer.json()["code"] == "OutputError"
        assert str(tmp_path) not in answer.text
        path.write_bytes(sound)
        assert get(f"{base}/search").status_code == 200


def test_many_clients_at_once_get_the_same_answers(base: str) -> None:
    expected = get(f"{base}/search?limit=5").json()["features"]
    wrong: list[object] = []

    def ask() -> None:
        for _ in range(12):
            answer = requests.get(f"{base}/search?limit=5", timeout=60)
            if answer.json()["features"] != expected:
                wrong.append(answer)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(ask) for _ in range(8)]:
            done.result()
    assert not wrong


def test_importing_the_server_warns_of_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import stacgen.access.server"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
