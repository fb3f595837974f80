"""The calls on a catalog that is there: `update`, `publish`, `validate`, `repair` and `rgb`."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from stacgen.api import update as api_update
from stacgen.api.build import Labour, Pixels, Upstream, reached, recipe, with_items
from stacgen.catalog import publish as catalog_publish
from stacgen.catalog import repair as catalog_repair
from stacgen.catalog import validate as catalog_validate
from stacgen.catalog.crawl import Crawled
from stacgen.catalog.publish import Copy
from stacgen.errors import OutputError
from stacgen.io.http import Http, Patience
from stacgen.io.stores import open_readable, open_store
from stacgen.model import mgrs
from stacgen.model.findings import Validation
from stacgen.model.outcomes import CopyWatch, Pictured, Published, Told, Updated, Watch
from stacgen.model.protocols import Listed, Store
from stacgen.model.stream import Resource, Selection
from stacgen.model.urls import Gate
from stacgen.pipeline.request import Order
from stacgen.stac import layout, stac_json
from stacgen.stac.layout import ScenesPlace

_ALL = Selection()
_DUNIA, _PIXELS, _LABOUR = Upstream(), Pixels(), Labour()


def update(  # noqa: PLR0913 - each is one thing that a user may say
    root: str | Path,
    *,
    replace: bool = False,
    wanted: Selection = _ALL,
    upstream: Upstream = _DUNIA,
    pixels: Pixels = _PIXELS,
    labour: Labour = _LABOUR,
    base_url: str | None = None,
    store_options: Mapping[str, str] | None = None,
    watch: Watch | None = None,
) -> Updated:
    """Ask the API for every tile, band and year of the catalog at `root`, and add what is new.

    A Collection that has the year before this one is asked for this one, too. Items of which there
    is a higher baseline are then deprecated.

    Args:
        root: A folder, or the URL of a bucket.
        replace: Take Items of which there is a higher baseline out, and delete their files.
        wanted: Which frames are added; all, unless told.
        upstream: The API.
        pixels: How files are made; what the catalog was built with is not known here.
        labour: How many segments at a time; never a shard.
        base_url: Where the catalog is public; None for what it says itself.
        store_options: Settings of the bucket beside those in the environment.
        watch: Is told of every event.

    Returns:
        What became of each frame, and of each Collection that changed. Frames that failed and
        streams that were lost are in it, not raised.

    Raises:
        BusyError: Another update of this catalog runs; nothing was done.
        UsageError: The selection cannot be meant, or answers to nothing anywhere.
        UpstreamError: No stream can be had.
        OutputError: There is no catalog, it is not ours, or it cannot be written.
    """
    store = open_store(root, store_options)
    with reached(upstream) as (endpoint, fetch):
        order = Order(
            requests=(),
            selection=wanted,
            endpoint=endpoint,
            recipe=recipe(pixels),
            base_url=base_url,
        )
        updated = api_update.keep_up(
            order,
            fetch=fetch,
            store=store,
            watch=watch or (lambda _: None),
            hire=labour.crew,
            drops=replace,
        )
    return dataclasses.replace(updated, report=with_items(updated.report, store))


def publish(  # noqa: PLR0913 - each is one thing that a user may say
    source: str | Path,
    target: str | Path,
    *,
    base_url: str | None = None,
    absolute_links: bool = False,
    delete: bool = False,
    verify: bool = False,
    dry_run: bool = False,
    source_options: Mapping[str, str] | None = None,
    store_options: Mapping[str, str] | None = None,
    watch: CopyWatch | None = None,
) -> Published:
    """Copy the catalog at `source` to where it is public, leaves first and only what has changed.

    Readers of `target` meet no dangling link while it is copied. It may be interrupted and run
    again; when all is there, nothing is written.

    Args:
        source: A folder, or the URL of a bucket.
        target: Another.
        base_url: Where `target` is public; gives the root its `self` link.
        absolute_links: Write absolute hrefs into the Items, under `base_url` or the address that
            `target` has from an earlier copy.
        delete: Remove from `target` what `source` has no more.
        verify: Compare the checksum of every COG that is there.
        dry_run: Only tell what would be copied and removed.
        source_options: Settings of the bucket at `source` beside those in the environment.
        store_options: Settings of the bucket at `target`, likewise.
        watch: Is told of every file as it is done.

    Raises:
        UsageError: `source` and `target` are one place, or links are to be absolute and no address
            is known.
        OutputError: One of them cannot be used, `source` holds no sound catalog, or `target` holds
            one that is not ours.
    """
    copy = Copy(
        source=open_store(source, source_options),
        target=open_store(target, store_options),
        base_url=base_url,
        absolute_links=absolute_links,
        delete=delete,
        verify=verify,
        dry_run=dry_run,
    )
    return catalog_publish.publish(copy, watch=watch or (lambda _: None))


def validate(
    root: str | Path,
    *,
    schemas: Sequence[Path] | None = None,
    deep: bool = False,
    allow_hosts: Sequence[str] = (),
    store_options: Mapping[str, str] | None = None,
    watch: Callable[[str], None] | None = None,
) -> Validation:
    """Look for what is wrong with the catalog at `root`.

    STAC's own schemas come with pystac. Those of extensions are fetched once and kept in the
    user's cache folder. Extensions whose schema is not available are named in the result.

    Args:
        root: A folder, the URL of a bucket, or an http(s) URL; its `catalog.json` means it, too.
        schemas: Folders of JSON schemas of extensions; none is then fetched.
        deep: Read every file, too: checksums, layout of COGs, every pixel.
        allow_hosts: Fetch schemas from these even if they are in a private network.
        store_options: Settings of the bucket beside those in the environment.
        watch: Called with a sentence for each schema that is fetched.

    Raises:
        UsageError: There are no such folders.
        UpstreamError: The website does not answer.
        OutputError: The store cannot be used, or holds no catalog.
    """
    from stacgen.stac.schemas import Schemas  # noqa: PLC0415 - jsonschema, which no other call needs

    fetch = None if schemas else schemas_on_the_web(allow_hosts, watch)
    known = Schemas(schemas or (), fetch)
    place = _listed(str(root), store_options)
    found = catalog_validate.validate(place, problems=known.problems, deep=deep)
    return dataclasses.replace(found, unchecked=known.missing)


def _listed(root: str, store_options: Mapping[str, str] | None) -> Listed:
    if not root.startswith(("http://", "https://")):
        return open_store(root, store_options)
    path, mark, query = root.partition("?")
    return Crawled(open_readable(path.removesuffix(layout.ROOT) + mark + query, None))


def schemas_on_the_web(
    allow_hosts: Sequence[str] = (), watch: Callable[[str], None] | None = None
) -> Callable[[str], bytes]:
    """Get a function that fetches a schema once, and from then on reads it from the user's cache.

    Anyone's document may have named its URL. So it is fetched from the open internet alone, and
    from `allow_hosts`.
    """
    http = Http(patience=Patience(tries=2), gate=Gate(home="", hosts=frozenset(allow_hosts)))
    cache = open_store(_cache())

    def fetch(url: str) -> bytes:
        key = quote(url, safe="")
        if (kept := _read(cache, key)) is not None:
            return kept
        if watch is not None:
            watch(f"Fetching the schema {url} (cached in {cache.address}).")
        content = http(Resource(url=url)).body
        json.loads(content)  # a login page of some network is not kept
        with suppress(OutputError):  # a cache that cannot be written is none
            cache.write(key, content, stac_json.SCHEMA)
        return content

    return fetch


def _read(cache: Store, key: str) -> bytes | None:
    try:
        return cache.read(key)
    except OutputError:
        return None


def _cache() -> Path:
    """The user's folder for schemas that were fetched."""
    own = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(own or os.path.expanduser("~/.cache"), "stacgen", "schemas")  # noqa: PTH111 - never raises


def rgb(
    output: str | Path,
    tile: str,
    *,
    years: Sequence[int] = (),
    wanted: Selection = _ALL,
    store_options: Mapping[str, str] | None = None,
    force: bool = False,
    told: Told | None = None,
) -> list[Pictured]:
    """Make a picture in true colour of each scene of a tile, as its asset `visual`.

    What is there and made of the bands as they are now stays. All pictures of a year share one
    stretch: that of those which stay, or else one of the year's least cloudy scenes.

    Args:
        output: The root of the catalog: a folder, or the URL of a bucket.
        tile: MGRS tile, `29PKR` or `T29PKR`.
        years: Calendar years; all, unless told.
        wanted: Which scenes of those years, by time and cloud.
        store_options: Settings of the bucket beside those in the environment.
        force: Make anew what is there.
        told: Is told of each scene as it is done, and of how many there are.

    Returns:
        What became of each scene, by time. Those that lack a band or failed are in it, not raised.

    Raises:
        UsageError: There are no scenes, or none is wanted.
        OutputError: The catalog cannot be read or written, or stacgen did not make it.
    """
    from stacgen.catalog.true_colour import rgb as make  # noqa: PLC0415 - GDAL, which few calls need

    return make(
        ScenesPlace(tile=mgrs.parse(tile)),
        open_store(output, store_options),
        years=years,
        wanted=wanted,
        force=force,
        told=told or (lambda *_: None),
    )


def repair(
    root: str | Path,
    *,
    base_url: str | None = None,
    store_options: Mapping[str, str] | None = None,
) -> Validation:
    """Make everything above the Items at `root` anew from the Items, whatever has become of it.

    Catalogs, Collections, scenes, mirrors and pages come out as builds make them; links to Items
    that are gone go. Items and their files are not touched.

    Args:
        root: A folder, or the URL of a bucket.
        base_url: Where it is public; None for what it says itself.
        store_options: Settings of the bucket beside those in the environment.

    Returns:
        What is still wrong, as `validate` finds it without schemas.

    Raises:
        OutputError: The store cannot be used, holds a catalog that is not ours or none, or an Item
            that cannot be read.
    """
    store = open_store(root, store_options)
    catalog_repair.repair(store, base_url=base_url)
    return catalog_validate.validate(store, problems=None)
