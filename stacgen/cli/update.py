"""`stacgen update`."""

from typing import Annotated

import typer

from stacgen.cli.app import app
from stacgen.cli.making import (
    Blocksize,
    CleanNodata,
    Compress,
    Compressed,
    DaskAddress,
    Level,
    Memory,
    Overviews,
    Reflectances,
    Resampling,
    Strict,
    Workers,
    labour,
    pixels,
)
from stacgen.cli.options import (
    API,
    PARTLY,
    AllowHosts,
    Api,
    BaseUrl,
    End,
    Headers,
    Interval,
    Limit,
    MaxCloud,
    MaxNodata,
    Sample,
    Start,
    StoreOptions,
    TciPath,
    UnknownCloud,
    Verbose,
    chosen,
    interruptible,
    settings,
    upstream,
)


@app.command(epilog="Example: [bold]stacgen update catalogs -q[/bold]")
def update(  # noqa: PLR0913 - one parameter an option
    root: Annotated[str, typer.Argument(help="Folder, or s3://, gs://, az:// URL.")],
    *,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Delete Items of which there is a newer baseline; else deprecate."
        ),
    ] = False,
    start: Start = None,
    end: End = None,
    interval: Interval = None,
    max_cloud: MaxCloud = None,
    max_nodata: MaxNodata = None,
    unknown_cloud: UnknownCloud = None,
    limit: Limit = None,
    store_option: StoreOptions = None,
    base_url: BaseUrl = None,
    api: Api = API,
    tci_path: TciPath = None,
    allow_host: AllowHosts = None,
    header: Headers = None,
    sample: Sample = False,
    compress: Compressed = Compress.DEFLATE,
    level: Level = None,
    blocksize: Blocksize = 512,
    overview_resampling: Overviews = Resampling.AVERAGE,
    clean_nodata: CleanNodata = "auto",
    reflectance: Reflectances = None,
    strict: Strict = False,
    workers: Workers = None,
    memory: Memory = None,
    dask: DaskAddress = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line a Collection that changed, to stdout.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only what changed, and errors.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Ask the API for all that a catalog has, and add what is new."""
    from stacgen import screen, upkeep  # noqa: PLC0415 - FFmpeg, GDAL and PROJ take a while

    with interruptible(), screen.watching(as_json=False, quiet=quiet, verbose=verbose) as watch:
        done = upkeep.update(
            root,
            replace=replace,
            wanted=chosen(
                start, end, interval, max_cloud, max_nodata, limit, unknown_cloud=unknown_cloud
            ),
            upstream=upstream(api, tci_path, sample=sample, allow_hosts=allow_host, pairs=header),
            pixels=pixels(
                compress,
                level,
                blocksize,
                overview_resampling,
                clean_nodata=clean_nodata,
                reflectance=reflectance,
                strict=strict,
            ),
            labour=labour(workers, memory, dask),
            base_url=base_url,
            store_options=settings(store_option or []),
            watch=watch,
        )
    screen.tell_changes(done, as_json=as_json, quiet=quiet)
    if done.report.failed or done.report.lost:
        raise typer.Exit(PARTLY)
