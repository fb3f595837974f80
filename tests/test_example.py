"""The small catalog in `catalogs/` is what the sample makes, today as when it was committed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import stacgen
from stacgen.api.build import Upstream
from stacgen.model.stream import Selection

EXAMPLE = Path(__file__).parents[1] / "catalogs"

# The times, and what follows from the versions of the encoder and of GDAL.
PASSING = {"created", "updated", "processing:software", "file:size", "file:checksum", "statistics"}


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What README's command for the example makes now."""
    root = tmp_path_factory.mktemp("example")
    stacgen.build(
        "32TLS",
        "B01",
        years=[2024],
        wanted=Selection(limit=2),
        upstream=Upstream(sample=True),
        output=root,
    )
    return root


def tree(root: Path) -> list[str]:
    """The example's own files; what users build beside it in this folder is not part of it."""
    files = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return sorted(name for name in files if name.startswith("32TLS/"))


def lasting(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: lasting(inner) for key, inner in value.items() if key not in PASSING}
    return [lasting(inner) for inner in value] if isinstance(value, list) else value


def test_the_example_has_the_files_that_a_build_makes(rebuilt: Path) -> None:
    assert tree(rebuilt) == tree(EXAMPLE)
    assert len(tree(EXAMPLE)) == 17


def test_its_documents_say_what_a_build_says(rebuilt: Path) -> None:
    for name in tree(rebuilt):
        if name.endswith(".json"):
            now, then = (json.loads((root / name).read_bytes()) for root in (rebuilt, EXAMPLE))
            assert lasting(now) == lasting(then), name


def test_its_pixels_are_those_of_a_build(rebuilt: Path) -> None:
    for name in tree(rebuilt):
        if name.endswith(".tif"):
            with rasterio.open(rebuilt / name) as now, rasterio.open(EXAMPLE / name) as then:
                difference = now.read(1).astype(np.int32) - then.read(1)
            # Another release of the encoder may round another way; another scene would not pass.
            assert np.sqrt(np.mean(difference**2.0)) < 30
