"""`stacgen tiles`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from stacgen.cli.app import app
from stacgen.cli.options import BboxPlace, PointPlace
from stacgen.errors import UsageError


@app.command(
    short_help="List the Sentinel-2 tiles that show a place.",
    epilog="Example: [bold]stacgen tiles --point -11.2 14.0[/bold]",
)
def tiles(
    *,
    point: PointPlace = None,
    bbox: BboxPlace = None,
    geojson: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Geometry, Feature or FeatureCollection; - for stdin."),
    ] = None,
    fewest: Annotated[
        bool, typer.Option("--fewest", help="Only tiles that are needed to show all of it.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line per tile, to stdout.")
    ] = False,
) -> None:
    """List the Sentinel-2 tiles that show a place, the most central first; needs no network."""
    from stacgen.cli import tables  # noqa: PLC0415 - shapely and PROJ take a while
    from stacgen.model import tile_lookup  # noqa: PLC0415 - shapely and PROJ take a while

    found = tile_lookup.find_tiles(
        point=point,
        bbox=bbox,
        intersects=None if geojson is None else _document(geojson),
        fewest=fewest,
    )
    tables.list_tiles(found, as_json=as_json)


def _document(name: str) -> dict[str, Any]:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        document = json.loads(raw)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise UsageError(f"{name} cannot be read as GeoJSON: {reason}.") from error
    if not isinstance(document, dict):
        raise UsageError(f"{name} cannot be read as GeoJSON: it is not a JSON object.")
    return document
