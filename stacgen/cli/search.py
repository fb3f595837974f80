"""`stacgen search`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stacgen.api import destination
from stacgen.cli.app import app
from stacgen.cli.options import Interval, MaxCloud, Quiet, StoreOptions, settings
from stacgen.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


Lists = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Of Collections; repeatable, or with commas.")
]
Ids = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Of Items; repeatable, or with commas.")
]


@app.command(
    epilog="Example: [bold]stacgen search catalogs --bbox -12 13 -10 15 --max-cloud 20[/bold]"
)
def search(  # noqa: PLR0913 - one parameter an option
    root: Annotated[str, typer.Argument(help="Folder, http(s) URL, or s3://, gs://, az:// URL.")],
    *,
    bbox: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(metavar="W S E N", help="Degrees that footprints must meet."),
    ] = None,
    intersects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="GeoJSON that footprints must meet.")
    ] = None,
    interval: Interval = None,
    max_cloud: MaxCloud = None,
    collections: Lists = None,
    ids: Ids = None,
    deprecated: Annotated[
        bool, typer.Option("--deprecated", help="Also Items of which there is a newer baseline.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="Most Items, the earliest first.")] = None,
    output: Annotated[
        str,
        typer.Option(
            *("--output", "-o"),
            metavar="FILE",
            help="File to write; - is stdout. A .parquet becomes stac-geoparquet.",
        ),
    ] = destination.STDOUT,
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="An Item a line, not an ItemCollection.")
    ] = False,
    table: Annotated[bool, typer.Option("--table", help="A table for people.")] = False,
    store_option: StoreOptions = None,
    quiet: Quiet = False,
) -> None:
    """Find Items of a catalog, by place, time, cloud and id."""
    from stacgen.api import search as reader  # noqa: PLC0415 - pyarrow and shapely take a while
    from stacgen.cli import output as screen  # noqa: PLC0415 - pyarrow and shapely take a while

    if table and (json_lines or output != destination.STDOUT):
        raise UsageError("A --table is for the terminal; leave out --json-lines and --output.")
    is_parquet = output.endswith(".parquet")
    if is_parquet and json_lines:
        raise UsageError(f"{output} is to be Parquet; leave out --json-lines.")
    options = settings(store_option)
    asked: dict[str, Any] = {
        "bbox": bbox,
        "intersects": None if intersects is None else _geometry(intersects),
        "datetime": interval,
        "max_cloud": max_cloud,
        "collections": _split(collections),
        "ids": _split(ids),
        "deprecated": deprecated,
        "limit": limit,
        "store_options": options,
    }
    if is_parquet:
        content, returned, matched = reader.search_table(root, **asked)
        destination.write(output, content, reader.PARQUET, options)
    else:
        found = reader.search(root, **asked).found.collection
        returned, matched = found["numberReturned"], found["numberMatched"]
        if table:
            screen.list_items(found["features"])
        else:
            content = reader.encoded(found, as_lines=json_lines)
            destination.write(output, content, reader.GEOJSON, options)
    if not quiet:
        screen.say(f"{returned} of {matched} Items that match")


def _split(values: list[str] | None) -> list[str] | None:
    return values and [part for value in values for part in value.split(",") if part]


def _geometry(path: Path) -> "Mapping[str, Any]":
    """The geometry of a GeoJSON file: a geometry, or a Feature that has one."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as GeoJSON: {error}.") from error
    if isinstance(document, dict) and document.get("type") == "Feature":
        document = document.get("geometry")
    if not isinstance(document, dict):
        raise UsageError(f"{path} holds no geometry; a FeatureCollection is not one.")
    return document
