"""`stacgen preview`."""

from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.options import (
    CollectionPlace,
    Format,
    FrameOptions,
    Interval,
    MaxCloud,
    Quiet,
    StoreOptions,
    UnknownCloud,
    settings,
)


@app.command(
    short_help="Draw frames or scenes as a film, or side by side.",
    epilog="Example: [bold]stacgen preview catalogs/29PKR/B09 -o year.mp4[/bold]",
)
def preview(  # noqa: PLR0913 - one parameter an option
    collection: CollectionPlace,
    *,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="film.mp4 or film.gif; or sheet.png, all frames side by side; - is stdout.",
        ),
    ],
    form: Format = None,
    interval: Interval = None,
    max_cloud: MaxCloud = None,
    unknown_cloud: UnknownCloud = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Frames in a row of a sheet.")] = None,
    fps: Annotated[float, typer.Option(help="Frames a second of a film.")] = 5,
    width: Annotated[
        int | None, typer.Option(min=1, help="Pixels; 720 of a film, 1600 of a sheet.")
    ] = None,
    store_option: StoreOptions = None,
    quiet: Quiet = False,
) -> None:
    """Draw the frames of a Collection as a film, or side by side."""
    from stacgen.api import visualize  # noqa: PLC0415 - GDAL takes a while
    from stacgen.cli import output as screen  # noqa: PLC0415 - GDAL takes a while

    drawn = visualize.preview(
        collection,
        output,
        form=form,
        wanted=FrameOptions(
            interval=interval, max_cloud=max_cloud, unknown_cloud=unknown_cloud
        ).read(),
        columns=columns,
        fps=fps,
        width=width,
        store_options=settings(store_option),
    )
    screen.tell_drawn(drawn.address, drawn.frames, drawn.size, quiet=quiet)
