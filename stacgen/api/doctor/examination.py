"""Everything that is looked at, in its order."""

from collections.abc import Iterator, Mapping
from functools import partial
from urllib.parse import urlsplit

from stacgen.api.doctor import libraries, native, places
from stacgen.api.doctor.findings import Finding, look

_REINSTALL = "pip install --force-reinstall"
_FIRST = "Install the libraries above first."


def examine(
    version: str,
    *,
    root: str | None = None,
    api: str | None = None,
    headers: Mapping[str, str] | None = None,
    store_options: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    """Look at everything, and yield each finding as it comes.

    Args:
        version: That of stacgen.
        root: Where a catalog is or shall be: a folder, or the URL of a bucket. None for nowhere.
        api: Word or URL of the API, as `--api` takes it; None or empty to ask none.
        headers: Sent to it, and to no other host.
        store_options: Settings of the bucket beside those in the environment.
    """
    yield from libraries.versions(version)
    yield from libraries.libraries()
    native_parts = (
        ("FFmpeg", native.ffmpeg, "av"),
        ("GDAL", native.gdal, "rasterio"),
        ("PROJ", native.proj, "pyproj"),
    )
    for part, at, wheel in native_parts:
        yield from look(part, wheel, at, advice=f"{_REINSTALL} {wheel}")
    if api:
        name = urlsplit(api).hostname or api
        asked = partial(places.api, name, api, headers or {})
        yield from look("API", name, asked, advice=_FIRST)
    if root is not None:
        kept = partial(places.store, root, store_options or {})
        yield from look("Store", root, kept, advice=_FIRST)
    yield from look("Room", "space", partial(places.room, root), advice="Name another folder.")
