"""Filters in CQL2, compared with what the package cql2 itself says of each Item."""

from pathlib import Path

import cql2
import pytest

from items import FIJI, Scene, file, make
from stacgen.access.search import find
from stacgen.access.server import filters
from stacgen.errors import UsageError
from stacgen.io.folder import Folder
from stacgen.model.query import Query

SCENES = [
    Scene(day=f"2025-{month:02}-{day:02}", band=band, cloud=float(month * 5 + day))
    for month in (1, 2, 3)
    for day in (1, 17)
    for band in ("B02", "B09")
] + [Scene(day="2025-02-03", tile="60KYF", box=FIJI, cloud=22.0)]
DOCUMENTS = [document for _, document in map(make, SCENES)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalog")
    file(Folder(folder), SCENES)
    return folder


def matched(root: Path, expression: object) -> set[str]:
    query = Query(filter=filters.of_request({"filter": expression}))
    return {each["id"] for each in find(root, query).documents}


@pytest.mark.parametrize(
    "text",
    [
        '"eo:cloud_cover" < 12',
        '"eo:cloud_cover" >= 12 and "eo:cloud_cover" <> 22',
        '"eo:cloud_cover" between 7 and 22',
        '"eo:cloud_cover" not between 7 and 22 and "eo:cloud_cover" is not null',
        "12 > \"eo:cloud_cover\" or id = 'x'",
        "id like '%B02%'",
        "id not like 'T29PKR_2025011_%'",
        "collection in ('sentinel-2-l2a-29PKR-B02', 'sentinel-2-l2a-60KYF-B09')",
        "collection not in ('sentinel-2-l2a-29PKR-B02')",
        "gsd = 10",
        "gsd in (10, 20)",
        "\"s2:processing_baseline\" = '05.11'",
        "deprecated is null",
        '"eo:cloud_cover" is null',
        "id = collection",
        "datetime > TIMESTAMP('2025-02-01T00:00:00Z')",
        "datetime = TIMESTAMP('2025-02-01T00:00:00Z')",
        "t_after(datetime, TIMESTAMP('2025-02-01T00:00:00Z'))",
        "t_before(datetime, TIMESTAMP('2025-02-01T00:00:00Z'))",
        "t_during(datetime, INTERVAL('2025-01-17T00:00:00Z', '2025-03-01T00:00:00Z'))",
        "t_intersects(datetime, INTERVAL('2025-01-17T00:00:00Z', '2025-03-01T00:00:00Z'))",
        "t_disjoint(datetime, INTERVAL('2025-01-17T00:00:00Z', '2025-03-01T00:00:00Z'))",
        "t_starts(datetime, INTERVAL('2025-01-17T00:00:00Z', '2025-03-01T00:00:00Z'))",
        "t_finishes(datetime, INTERVAL('2025-01-17T00:00:00Z', '2025-03-01T00:00:00Z'))",
        "s_intersects(geometry, POINT(-11 14))",
        "s_intersects(geometry, BBOX(-12, 13, -11, 14))",
        "s_disjoint(geometry, POINT(-11 14))",
        "s_contains(geometry, POINT(-11 14))",
        "s_within(geometry, POLYGON((-13 12, -9 12, -9 16, -13 16, -13 12)))",
        "s_touches(geometry, POINT(-11 14))",
        "s_crosses(geometry, LINESTRING(-13 14, -9 14))",
        "s_overlaps(geometry, POLYGON((-13 12, -11 12, -11 14, -13 14, -13 12)))",
        "s_equals(geometry, POINT(-11 14))",
        "true",
        "gsd = 10 and false",
        "not (gsd = 10 or id like '%0301%')",
    ],
)
def test_filters_find_what_the_package_cql2_matches(root: Path, text: str) -> None:
    expression = cql2.parse_text(text)
    expected = {each["id"] for each in DOCUMENTS if expression.matches(each)}
    assert matched(root, text) == expected
    assert matched(root, expression.to_json()) == expected


def test_null_is_neither_true_nor_false(tmp_path: Path) -> None:
    """As in SQL."""
    file(Folder(tmp_path), [Scene(day="2025-01-01", cloud=None), Scene(day="2025-01-02", cloud=5)])
    cloud = '"eo:cloud_cover"'
    for text in (f"{cloud} = 5", f"{cloud} is not null", f"not ({cloud} > 7)", f"{cloud} <> 7"):
        assert len(matched(tmp_path, text)) == 1
    assert len(matched(tmp_path, f"{cloud} = 7 or not ({cloud} = 7)")) == 1
    assert len(matched(tmp_path, f"{cloud} = 5 or {cloud} is null")) == 2
    assert not matched(tmp_path, "mission = 'x' or not (mission in ('x'))")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("tile = '60KYF'", ("60KYF",)),
        ("band = 'B02'", ("_B02_",)),
        ("datetime = DATE('2025-01-17')", ("20250117",)),
        ("datetime = '2025-01-17'", ("20250117",)),
        ("datetime <= DATE('2025-01-17')", ("202501",)),
        ("datetime >= '2025-03-01' and datetime < '2025-03-17'", ("20250301",)),
        ("t_intersects(datetime, INTERVAL('2025-02-03', '2025-02-17'))", ("20250203", "20250217")),
        ("t_intersects(datetime, INTERVAL('..', '2025-01-01'))", ("20250101",)),
        ('"properties.eo:cloud_cover" < 7', ("20250101",)),
        ("s_intersects(geometry, BBOX(179, -18, -179, -16))", ("60KYF",)),
    ],
)
def test_dates_are_days_and_tile_and_band_are_known(
    root: Path, text: str, parts: tuple[str, ...]
) -> None:
    expected = {each["id"] for each in DOCUMENTS if any(part in each["id"] for part in parts)}
    assert expected
    assert matched(root, text) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 'red'", "colour"),
        ("casei(id) = 'x'", "where a property or a value"),
        ("near(id, 'x')", "near"),
        ("gsd = 'ten'", "ten"),
        ("gsd = true", "boolean"),
        ("geometry = 'x'", "geometry"),
        ("t_after(id, 'x')", "t_after"),
        ("s_intersects(id, POINT(1 2))", "id"),
        ("datetime > 'soon'", "soon"),
        ("t_after(datetime, INTERVAL('2025-03-01', '2025-02-01'))", "before"),
        ("s_within(geometry, POLYGON((0 0, 1 1, 0 1, 1 0, 0 0)))", "not valid"),
        ("s_within(geometry, BBOX(0, 5, 1, 1))", "bbox"),
        ("gsd + 1 = 11", "where a property or a value"),
        ("id", "where a condition"),
    ],
)
def test_a_filter_that_is_not_understood_is_refused_by_name(
    root: Path, text: str, named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        matched(root, text)
