"""The server before programs that others wrote: a conformance suite, a fuzzer, and eodag.

Each runs in an environment of its own in `~/.cache/stacgen-tests`, which `.ci/run` makes.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from items import SENEGAL, Scene, file, outline
from stacgen.api import search
from stacgen.io.folder import Folder

pytestmark = pytest.mark.full

CACHE = Path.home() / ".cache" / "stacgen-tests"
COLLECTION = "sentinel-2-l2a-29PKR-B09"
SCENES = [
    Scene(day=f"2025-{month:02}-{day:02}", band=band, cloud=float(month * 5 + day))
    for month in (1, 2, 3)
    for day in (1, 17)
    for band in ("B02", "B09")
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("catalog")
    file(Folder(root), SCENES)
    with search.serve(root, port=0) as address:
        yield address


def run(home: Path, package: str, program: str, *arguments: str) -> str:
    """The output of a program of a package, whether it succeeds or not."""
    path = CACHE / package / "bin" / program
    if not path.exists():
        pytest.skip(f"{package} is not on this machine; .ci/run installs it")
    done = subprocess.run(
        [path, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=home,
        env={**os.environ, "HOME": str(home)},
    )
    return done.stdout + done.stderr


def test_the_public_suite_finds_no_error_in_what_is_claimed(base: str, tmp_path: Path) -> None:
    classes = [
        *("core", "collections", "features", "item-search", "filter"),
        *(f"{of}#{name}" for of in ("features", "item-search") for name in ("fields", "query")),
        *("features#sort", "item-search#sort"),
    ]
    options = {
        "root-url": base,
        "collection": COLLECTION,
        "geometry": json.dumps(outline(SENEGAL)),
        "fields-nested-property": "properties.eo:cloud_cover",
        "query-comparison-field": "eo:cloud_cover",
        **{f"query-{sign}-value": "12" for sign in ("neq", "lt", "lte", "gt", "gte")},
        "query-eq-value": "11",
        "query-substring-field": "grid:code",
        "query-starts-with-value": "MGRS",
        "query-ends-with-value": "PKR",
        "query-contains-value": "29",
        # The suite looks for one of the values among the letters of a text.
        "query-in-field": "grid:code",
        "query-in-values": "MGRS-29PKR,M",
    }
    said = run(
        tmp_path,
        "stac-api-validator==0.6.8",
        "stac-api-validator",
        *(f"--{name}={value}" for name, value in options.items()),
        *(f"--conformance={name}" for name in classes),
    )
    assert "Item Search - Query extension conformance class found" in said
    _, mark, errors = said.partition("Errors:")
    found = [line for line in errors.splitlines() if line.startswith("- ")]
    # Without a network it has no schemas; tests of the catalog have them.
    found = [line for line in found if "schemas.stacspec.org" not in line]
    assert mark or "Errors: none" in said
    assert not found


def test_a_fuzzer_that_knows_the_openapi_document_finds_no_fault(base: str, tmp_path: Path) -> None:
    said = run(
        tmp_path,
        "schemathesis==4.32.5",
        "schemathesis",
        *("run", f"{base}/api", "--seed=1", "--max-examples=25", "--no-color"),
        "--phases=examples,coverage,fuzzing",
        # A schema cannot say which tokens, times and filters there are: some are refused.
        "--exclude-checks=positive_data_acceptance",
        "--suppress-health-check=all",
    )
    assert re.search("[1-9][0-9]* generated, [0-9]+ passed", said), said


EODAG = """
import sys
from eodag import EODataAccessGateway
dag = EODataAccessGateway()
dag.update_providers_config(f'''
stacgen:
  search: {{type: StacSearch, api_endpoint: {sys.argv[1]}/search}}
  products: {{GENERIC_COLLECTION: {{_collection: "{{collection}}", productType: "{{collection}}"}}}}
  download: {{type: HTTPDownload}}
''')
dag.set_preferred_provider("stacgen")
asked = {"collection": sys.argv[2], "raise_errors": True}
queryables = dag.list_queryables(provider="stacgen", collection=sys.argv[2])
assert {"eo_cloud_cover", "tile", "band"} <= set(queryables), sorted(queryables)
for more in ({}, {"eo:cloud_cover": 12}, {"start": "2025-01-10", "end": "2025-02-10"}):
    print("FOUND", *sorted(each.properties["id"] for each in dag.search(**asked, **more)))
"""


def test_eodag_finds_items_and_reads_the_queryables(base: str, tmp_path: Path) -> None:
    said = run(tmp_path, "eodag==4.10.1", "python", "-c", EODAG, base, COLLECTION)
    days = [re.findall(r"T29PKR_(\d{8})", line) for line in re.findall("FOUND(.*)", said)]
    assert days == [
        ["20250101", "20250117", "20250201", "20250217", "20250301", "20250317"],
        ["20250101", "20250201"],
        ["20250117", "20250201"],
    ], said
