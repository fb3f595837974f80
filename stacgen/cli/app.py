"""The command itself, to which each module of this package adds one of its own."""

from typing import Annotated

import typer

from stacgen import __version__

app = typer.Typer(
    help="ESA DUNIA's Sentinel-2 band streams as COGs in a static STAC catalog.",
    epilog="Example: [bold]stacgen build 29PKR B09 --year 2025 --sample[/bold]\n\n"
    "Exit codes: 0 done, 1 some frames failed, 2 usage, 3 API, 4 output, 5 busy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def common(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of the command itself."""
