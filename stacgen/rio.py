"""`rio stacgen`: the same commands where rasterio's own are.

Every `rio` loads this, so it loads nothing of ours until it is called.
"""

import click


@click.command(
    "stacgen",
    short_help="Sentinel-2 band streams as COGs in a STAC catalog.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Hand every argument, `--help` among them, to stacgen."""
    from stacgen.api import standard_streams  # noqa: PLC0415 - see above
    from stacgen.cli import main  # noqa: PLC0415 - same

    standard_streams.guard()
    main(arguments, name="rio stacgen")
