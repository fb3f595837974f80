"""Tables and JSON lines of `stacgen tiles`, on stdout."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from stacgen.model.tile_lookup import TileMatch

_SIDES = ("left", "bottom", "right", "top")
_WIDE = 80
"""Columns of a terminal that has room for all four bounds of a tile."""


def list_tiles(matches: Sequence[TileMatch], *, as_json: bool) -> None:
    """Print tiles that show a place: a table, or a JSON line per tile with the fields of each."""
    if as_json:
        for match in matches:
            sys.stdout.write(json.dumps(asdict(match)) + "\n")
        return
    console = Console(highlight=False)
    sides = _SIDES if console.width >= _WIDE else ("left", "top")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("tile")
    for name in ("EPSG", *sides, "shown %", "edge km"):
        table.add_column(name, justify="right", no_wrap=True)
    for match in matches:
        bounds = dict(zip(_SIDES, match.bounds, strict=True))
        distance = match.edge_distance
        table.add_row(
            match.tile,
            str(match.epsg),
            *(str(bounds[side]) for side in sides),
            f"{match.coverage:.1f}",
            "-" if distance is None else f"{distance / 1000:.1f}",
        )
    console.print(table)
