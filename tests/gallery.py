"""A small catalog for those who look at it: known pixels, one frame half empty."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dunia
import stacgen
from stacgen.api.build import Upstream

COUNT = 5
HALF = 2
"""The frame of which the right half is nodata."""

EMPTY = slice(915, None)
"""Its columns without data."""


def codes(number: int) -> NDArray[np.uint16]:
    """Brighter towards the right and from frame to frame, with a darker square that stays."""
    field = np.linspace(400, 1200, 1830, dtype=np.uint16) + np.uint16(300 * number)
    frame = np.tile(field, (1830, 1))
    frame[200:600, 200:600] = 300
    if number == HALF:
        frame[:, EMPTY] = 0
    return frame


def build(root: Path) -> Path:
    """The catalog, built from a stream; returns the Collection's folder."""
    with dunia.Server().running() as server:
        dunia.publish(server, [codes(number) for number in range(COUNT)])
        report = stacgen.build(
            "29PKR", "B09", years=[2025], output=root, upstream=Upstream(api=server.base)
        )
    assert len(report.built) == COUNT
    return root / "29PKR" / "B09"


def serve(collection: Path, server: dunia.Server) -> str:
    """Serve its files, and return its URL."""
    for path in collection.rglob("*"):
        if path.is_file():
            server.content[f"/29PKR/B09/{path.relative_to(collection).as_posix()}"] = (
                path.read_bytes()
            )
    return f"{server.base}/29PKR/B09"


def items(collection: Path) -> list[Path]:
    """The documents of its Items, by time."""
    return sorted(path for path in collection.glob("*/*/*.json"))


def change(path: Path, **properties: Any) -> None:  # noqa: ANN401 - JSON
    """Set properties of an Item; None removes one."""
    document = json.loads(path.read_bytes())
    document["properties"].update(properties)
    for key in [key for key, value in document["properties"].items() if value is None]:
        del document["properties"][key]
    path.write_text(json.dumps(document))
