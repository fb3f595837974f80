"""Every kind of fault, planted into a sound catalog, is found; in a sound one nothing is."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import dunia
import stacgen
from conftest import SHARED
from servers import Service
from stacgen.api import maintain, search
from stacgen.api.build import Upstream
from stacgen.catalog import validate as catalog_validate
from stacgen.errors import OutputError, UsageError
from stacgen.io.folder import Folder
from stacgen.model.findings import Validation
from stacgen.model.stream import Selection
from stacgen.stac.schemas import Schemas

EXTENSIONS = SHARED / "schemas"
SCHEMAS = [EXTENSIONS if EXTENSIONS.is_dir() else Path(__file__).parent]
"""No schema is fetched; in the tests' own folder there is none."""

YEAR = "29PKR/B01/2025/catalog.json"
COLLECTION = "29PKR/B01/collection.json"

needs_extensions = pytest.mark.skipif(
    not EXTENSIONS.is_dir(), reason=f"the extension schemas in {EXTENSIONS} are not on this machine"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound catalog of two frames."""
    root = tmp_path_factory.mktemp("built")
    wanted, upstream = Selection(limit=2), Upstream(sample=True)
    stacgen.build("29PKR", "B01", years=[2025], wanted=wanted, upstream=upstream, output=root)
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    return Path(shutil.copytree(built, tmp_path / "root"))


def validate(root: Path | str, *, deep: bool = False, **options: Any) -> Validation:  # noqa: ANN401
    return stacgen.validate(root, schemas=SCHEMAS, deep=deep, **options)


def item_of(root: Path) -> Path:
    return min(root.glob("29PKR/B01/2025/*/*_60m.json"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def set_property(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["properties"].update({name: value})


def set_asset(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["assets"]["B01"].update({name: value})


def link(rel: str, href: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["links"].append({"rel": rel, "href": href})


def test_a_sound_catalog_has_no_finding(built: Path) -> None:
    found = validate(built, deep=True)
    assert found.findings == ()
    assert (found.documents, found.cogs) == (2 * (2 + 1 + 1) + 1 + 1, 2)


ITEM_FAULTS: list[tuple[str, str, Callable[[dict[str, Any]], object]]] = [
    ("schema", "'much' is not of type 'number'", set_property("gsd", "much")),
    ("name", "Its id is 'other'", lambda it: it.update(id="other")),
    ("name", "It says it is of 'other'", lambda it: it.update(collection="other")),
    ("name", "Its year is 2024", set_property("datetime", "2024-01-01T00:00:00Z")),
    ("name", "Its type is 'Catalog'", lambda it: it.update(type="Catalog")),
    ("href", "/data/x.tif is a path of some machine", link("via", "/data/x.tif")),
    ("href", "is a path of some machine", link("via", "file:///data/x.tif")),
    ("href", "is a path of some machine", link("via", r"C:\data\x.tif")),
    ("href", "https://x.test/y has a query", link("via", "https://x.test/y?token=secret")),
    ("href", "has a query or a password", link("via", "https://me:word@x.test/y")),
    ("link", "It links to 29PKR/B01/2025/x.json: nothing there", link("next", "../x.json")),
    ("content", "missing or odd", lambda it: it.pop("properties")),
    (
        "place",
        "Its proj:code of B01 is EPSG:32630; that of tile 29PKR is EPSG:32629",
        set_property("proj:code", "EPSG:32630"),
    ),
    (
        "place",
        "Its proj:transform of B01 is 60, 0, 300000, 0, -60, 1600020; that of tile 29PKR is",
        set_asset("proj:transform", [60, 0, 300000, 0, -60, 1600020]),
    ),
    (
        "place",
        "Its proj:bbox of B01 is 200010, 1490220, 309810, 1600020; that of tile 29PKR is 199980,",
        set_asset("proj:bbox", [200010, 1490220, 309810, 1600020]),
    ),
    (
        "place",
        "Its bbox reaches beyond tile 29PKR, which has -11.782817, 13.464734, -10.757275, ",
        lambda it: it.update(bbox=[-10.7, 13.464734, -9.8, 14.466212]),
    ),
    ("place", "Its bbox reaches beyond tile 29PKR", lambda it: it["bbox"].reverse()),
    (
        "place",
        "Its geometry reaches beyond tile 29PKR",
        lambda it: it["geometry"]["coordinates"][0][0].reverse(),
    ),
]


@pytest.mark.parametrize(("rule", "text", "fault"), ITEM_FAULTS)
def test_a_fault_in_an_item_is_found(
    root: Path, rule: str, text: str, fault: Callable[[dict[str, Any]], object]
) -> None:
    edit(item_of(root), fault)
    key = item_of(root).relative_to(root).as_posix()
    found = [(each.key, each.rule) for each in validate(root).findings if text in each.text]
    assert found == [(key, rule)]


@needs_extensions
def test_every_document_is_checked_against_core_and_extensions(root: Path) -> None:
    """Without a network; one extension that is not known is named, and is no finding."""
    unknown = "https://x.test/s.json"
    edit(item_of(root), lambda it: it["stac_extensions"].append(unknown))
    found = validate(root)
    assert "schema" not in {each.rule for each in found.findings}
    (sentence,) = found.unchecked
    assert sentence == f"Nothing was checked against {unknown}: it is in none of the folders."
    edit(item_of(root), set_property("eo:cloud_cover", "much"))
    texts = [each.text for each in validate(root).findings if each.rule == "schema"]
    assert [text for text in texts if "eo/v2.0.0" in text]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "It is not JSON"),
        ("[]", "It is not a JSON object"),
        ('{"a": NaN}', "it holds NaN"),
        ('{"a": Infinity}', "it holds Infinity"),
        ('{"a": 1, "a": 2}', 'it has "a" twice'),
    ],
)
def test_what_is_not_json_is_found(root: Path, content: str, text: str) -> None:
    item_of(root).write_text(content)
    found = [each.rule for each in validate(root).findings if text in each.text]
    assert found == ["json"]


SUMMARY = "eo:cloud_cover"
COLLECTION_FAULTS: list[tuple[str, str, Callable[[dict[str, Any]], object]]] = [
    ("extent", "bbox", lambda it: it["extent"]["spatial"].update(bbox=[[-9, 9, -8, 10]])),
    (
        "extent",
        "start",
        lambda it: it["extent"]["temporal"]["interval"][0].__setitem__(0, "2020-01-01T00:00:00Z"),
    ),
    ("extent", "cannot be read", lambda it: it.pop("extent")),
    ("summaries", "baselines", lambda it: it["summaries"].update({"processing:version": ["00"]})),
    (
        "summaries",
        "cloud_cover",
        lambda it: it["summaries"].update({SUMMARY: {"minimum": 0, "maximum": 100}}),
    ),
    ("name", "and not 'sentinel-2-l2a-29PKR-B01'", lambda it: it.update(id="other")),
]


@pytest.mark.parametrize(("rule", "text", "fault"), COLLECTION_FAULTS)
def test_a_fault_in_a_collection_is_found(
    root: Path, rule: str, text: str, fault: Callable[[dict[str, Any]], object]
) -> None:
    edit(root / COLLECTION, fault)
    found = [(each.key, each.rule) for each in validate(root).findings if text in each.text]
    assert found == [(COLLECTION, rule)]


SCENES = "29PKR/scenes/collection.json"


@pytest.mark.parametrize(("rule", "text", "fault"), COLLECTION_FAULTS[:-1])
def test_a_fault_in_the_collection_of_the_scenes_is_found(
    root: Path, rule: str, text: str, fault: Callable[[dict[str, Any]], object]
) -> None:
    edit(root / SCENES, fault)
    found = [(each.key, each.rule) for each in validate(root).findings if text in each.text]
    assert found == [(SCENES, rule)]


TABLES = ("29PKR/B01/items.parquet", "29PKR/scenes/items.parquet", "collections.parquet")


@pytest.mark.parametrize("name", ["B01", "scenes"])
@pytest.mark.parametrize("fault", ["lacks", "still has", "says something else of"])
def test_a_mirror_that_belies_its_items_is_found(root: Path, name: str, fault: str) -> None:
    item = min(root.glob(f"29PKR/{name}/2025/*/T*.json"))
    if fault == "lacks":
        other = item.parent.with_name("T29PKR_20000101T000000_05.11") / "other.json"
        other = other.with_name(f"{other.parent.name}.json")
        other.parent.mkdir()
        shutil.copy(item, other)
        item = other
    elif fault == "still has":
        item.unlink()
    else:
        edit(item, set_property("gsd", 61))
    key = item.relative_to(root).as_posix()
    found = validate(root).findings
    assert {each.key for each in found if f"It {fault} {key};" in each.text} == {
        f"29PKR/{name}/items.parquet"
    }
    assert {each.key for each in found if each.rule == "table"} <= set(TABLES)


@pytest.mark.parametrize("key", TABLES)
def test_a_mirror_that_is_damaged_or_missing_is_found(root: Path, key: str) -> None:
    path = root / key
    sound = path.read_bytes()
    for damaged in (sound[:-9], sound[:99] + bytes(8) + sound[107:]):  # its end, and rows
        path.write_bytes(damaged)
        found = validate(root).findings
        assert [(each.key, each.rule) for each in found] == [(key, "table")]
    path.unlink()
    assert (key, "table") in {(each.key, each.rule) for each in validate(root).findings}


def test_a_collection_without_items_is_found(root: Path) -> None:
    for path in (root / "29PKR" / "B01" / "2025").glob("*/*"):
        path.unlink()
    assert "It has no Item." in {each.text for each in validate(root).findings}


def test_an_item_that_nothing_links_to_is_found(root: Path) -> None:
    key = item_of(root).relative_to(root).as_posix()
    name = item_of(root).name
    edit(
        root / YEAR,
        lambda year: year.update(links=[it for it in year["links"] if name not in it["href"]]),
    )
    assert [(each.key, each.rule) for each in validate(root).findings] == [(key, "unlinked")]


def cog_of(root: Path) -> Path:
    return item_of(root).with_suffix(".tif")


def test_a_file_that_is_missing_or_short_is_found(root: Path) -> None:
    cog = cog_of(root)
    cog.write_bytes(cog.read_bytes()[:-1])
    (cog.parent / "thumbnail.png").unlink()
    assert {each.rule for each in validate(root).findings} == {"size", "link"}


def test_a_byte_that_changed_is_found_by_a_deep_look(root: Path) -> None:
    thumbnail = cog_of(root).with_name("thumbnail.png")
    content = thumbnail.read_bytes()
    thumbnail.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert validate(root).findings == ()
    assert [each.rule for each in validate(root, deep=True).findings] == ["checksum"]


def test_a_cog_that_cannot_be_read_is_found(root: Path) -> None:
    cog = cog_of(root)
    cog.write_bytes(b"\0" * cog.stat().st_size)
    found = [each.rule for each in validate(root, deep=True).findings]
    assert found == ["checksum", "cog"]


def test_a_plain_geotiff_is_no_cog(root: Path) -> None:
    cog = cog_of(root)
    with rasterio.open(cog) as source:
        pixels, profile = source.read(1), source.profile
    profile.update(tiled=False, blockysize=1)
    profile.pop("blockxsize")
    with rasterio.open(cog, "w", **profile) as target:
        target.write(pixels, 1)
    texts = [each.text for each in validate(root, deep=True).findings]
    assert any("It is no valid COG" in text for text in texts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proj:code", "EPSG:32630"),
        ("proj:transform", [60.0, 0.0, 0.0, 0.0, -60.0, 0.0]),
        ("proj:shape", [10, 10]),
        ("data_type", "uint8"),
        ("nodata", 1),
        ("raster:scale", 0.5),
        ("raster:offset", 0.5),
    ],
)
def test_an_item_that_belies_its_cog_is_found(root: Path, name: str, value: object) -> None:
    edit(item_of(root), set_asset(name, value))
    found = validate(root, deep=True).findings
    assert [each.rule for each in found if f"Its {name} is" in each.text] == ["cog"]


@pytest.mark.parametrize("name", ["minimum", "maximum", "mean", "stddev", "count", "valid_percent"])
def test_statistics_that_are_not_those_of_the_pixels_are_found(root: Path, name: str) -> None:
    def fault(document: dict[str, Any]) -> None:
        document["assets"]["B01"]["bands"][0]["statistics"][name] += 0.5

    edit(item_of(root), fault)
    found = validate(root, deep=True).findings
    assert [each.rule for each in found if f"statistics {name}" in each.text] == ["cog"]


def test_statistics_are_those_that_numpy_takes(built: Path) -> None:
    from stacgen.raster import gdal  # noqa: PLC0415 - only here

    with rasterio.open(cog_of(built)) as dataset:
        pixels = dataset.read(1)
    valid = pixels[pixels != 0].astype(np.float64)
    (found,) = gdal.inspect(cog_of(built)).statistics
    assert found["count"] == valid.size
    assert np.isclose(found["mean"], valid.mean(), rtol=1e-12)
    assert np.isclose(found["stddev"], valid.std(), rtol=1e-9)


@pytest.fixture
def extension(root: Path, server: dunia.Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a schema that two Items name, and no other; it is served, and they break it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(root.parent / "cache"))
    url = f"{server.base}/schema.json"
    server.put_json("/schema.json", {"$id": url, "required": ["something"]})
    for path in root.rglob("*.json"):
        document = json.loads(path.read_bytes())
        document["stac_extensions"] = [url] if path.name.endswith("_B01_60m.json") else []
        path.write_text(json.dumps(document))
    return url


def test_a_schema_is_fetched_once_and_cached(
    root: Path, server: dunia.Server, extension: str
) -> None:
    told: list[str] = []
    for _ in range(2):
        fetch = maintain.schemas_on_the_web(["127.0.0.1"], told.append)
        found = catalog_validate.validate(
            Folder(root), problems=Schemas((), fetch).problems
        ).findings
        texts = [each.text for each in found if each.rule == "schema"]
        assert len(texts) == 2
        assert all("'something' is a required property" in text for text in texts)
    assert server.paths() == ["/schema.json"]
    cache = root.parent / "cache" / "stacgen" / "schemas"
    assert told == [f"Fetching the schema {extension} (cached in {cache})."]


@pytest.mark.parametrize("body", [None, b"<html>Log in</html>"], ids=["gone", "a login page"])
def test_a_schema_that_cannot_be_had_is_named_once_and_is_no_finding(
    root: Path, server: dunia.Server, extension: str, body: bytes | None
) -> None:
    if body is None:
        del server.content["/schema.json"]
    else:
        server.content["/schema.json"] = body
    known = Schemas((), maintain.schemas_on_the_web(["127.0.0.1"]))
    found = catalog_validate.validate(Folder(root), problems=known.problems).findings
    assert not [each for each in found if each.rule == "schema"]
    (sentence,) = known.missing
    assert sentence.startswith(f"Nothing was checked against {extension}: ")
    assert set(server.paths()) == {"/schema.json"}
    server.put_json("/schema.json", {"$id": extension})
    again = Schemas((), maintain.schemas_on_the_web(["127.0.0.1"]))
    assert again.problems(json.loads(item_of(root).read_bytes())) == []
    assert again.missing == ()


def test_a_document_cannot_have_a_schema_fetched_from_a_private_network(
    root: Path, server: dunia.Server, extension: str
) -> None:
    document = json.loads(item_of(root).read_bytes())
    known = Schemas((), maintain.schemas_on_the_web())
    assert known.problems(document) == []
    (sentence,) = known.missing
    assert extension in sentence
    assert "--allow-host 127.0.0.1 permits it" in sentence
    assert not server.paths()


def test_a_place_without_a_catalog_or_schemas_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="There is no catalog at"):
        validate(tmp_path)
    with pytest.raises(UsageError, match="no folder of schemas"):
        stacgen.validate(tmp_path, schemas=[tmp_path / "none"])


def test_the_command_tells_of_findings_and_exits_with_1(root: Path) -> None:
    options = [word for folder in SCHEMAS for word in ("--schemas", str(folder))]
    command = [sys.executable, "-m", "stacgen", "validate", str(root), *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("Looked at 10 documents: no findings.\n")
    edit(item_of(root), set_property("gsd", "much"))
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "'much' is not of type 'number'" in done.stdout
    done = subprocess.run([*command, "--json"], check=False, capture_output=True, text=True)
    assert {json.loads(line)["rule"] for line in done.stdout.splitlines()} == {
        "schema",
        "table",
    }


def test_a_catalog_in_a_bucket_is_looked_at_there(built: Path, moto: Service) -> None:
    url = f"{moto.bucket()}/frames"
    stacgen.publish(built, url, store_options=moto.options)
    found = validate(url, deep=True, store_options=moto.options)
    assert found.findings == ()
    assert found.cogs == 2


def test_a_catalog_on_a_website_is_validated_by_its_links(root: Path) -> None:
    """Over plain HTTP and through `stacgen serve`, with the findings that the folder has."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(root))
    plain = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    sound = validate(root, deep=True)
    with plain, search.serve(root, port=0) as api:
        for address in (f"http://127.0.0.1:{plain.server_port}", f"{api}/", f"{api}/catalog.json"):
            assert validate(address, deep=True) == sound
        item_of(root).with_name(f"{item_of(root).stem}.tif").write_bytes(b"short")
        for deep in (False, True):
            expected = {(each.key, each.rule) for each in validate(root, deep=deep).findings}
            found = {(each.key, each.rule) for each in validate(api, deep=deep).findings}
            assert found == expected != set()
        (root / YEAR).write_text("{")
        (root / "29PKR/B01/items.parquet").unlink()
        found = {(each.key, each.rule) for each in validate(api).findings}
        assert {(YEAR, "json"), ("29PKR/B01/items.parquet", "table")} <= found
        (root / "catalog.json").unlink()
        with pytest.raises(OutputError, match="no catalog"):
            validate(api)
        plain.shutdown()
