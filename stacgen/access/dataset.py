"""The call behind `stacgen.open`: scenes as a lazy xarray.Dataset. The only door to odc-stac."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacgen.errors import UsageError
from stacgen.io import stores
from stacgen.io.proxies import except_loopback
from stacgen.model import mgrs
from stacgen.model.bands import BANDS
from stacgen.model.bands import find as find_band
from stacgen.model.selection import parse_interval
from stacgen.model.stream import Selection, Unknown
from stacgen.raster import gdal_data
from stacgen.stac import stac_json
from stacgen.stac.layout import ScenesPlace
from stacgen.stac.reader import Acquisition, Home, series
from stacgen.stac.versions import DEPRECATED

if TYPE_CHECKING:
    import xarray

_CHUNK = 2048
"""Pixels a side that are read together, unless told: sixteen tiles of a COG."""


def open(  # noqa: A001 - as xarray and others have it; each is one thing to say
    root: str | Path,
    tile: str,
    bands: Sequence[str] | None = None,
    *,
    datetime: str | None = None,
    max_cloud: float | None = None,
    unknown_cloud: Unknown = "refuse",
    reflectance: bool = False,
    store_options: Mapping[str, str] | None = None,
    **odc_options: Any,  # noqa: ANN401 - whatever odc.stac.load takes
) -> "xarray.Dataset":
    """The scenes of a tile as a lazy Dataset (time, y, x), a variable a band.

    Nothing is read of the pixels before they are asked for. They are those of the COGs, uint16
    with nodata 0, or with `reflectance` float32 with nodata NaN. Scale and offset are then those
    of each scene, since they differ between processing baselines. There is a time step a scene.
    Pixels are as fine as the finest band, unless `resolution`, `geobox` or `like` says otherwise.

    Args:
        root: The root of the catalog: a folder, a website, or the URL of a bucket. Pixels of a
            bucket are read by GDAL, which has credentials of its own from the environment.
        tile: MGRS tile, `29PKR` or `T29PKR`.
        bands: `["B04", "B8A"]`; all that any scene has, unless told.
        datetime: From A to B, `2025-03-01/2025-06-30`; `..` leaves an end open.
        max_cloud: Most cloud, in percent.
        unknown_cloud: Scenes that do not say how cloudy they are, where there is a `max_cloud`:
            `refuse` raises an error that names them, `keep` takes them, `drop` does not.
        reflectance: Whether to turn digital numbers into surface reflectance.
        store_options: Settings of the bucket beside those in the environment, for documents.
        **odc_options: Arguments of `odc.stac.load`: `bbox`, `resolution`, `chunks` and so on.

    Raises:
        UsageError: There are no scenes, none is wanted, none has a band; a `crs` of degrees comes
            without a `resolution`; or odc-stac is not here.
        OutputError: A document of the catalog cannot be read.
        UpstreamError: The website does not answer.
    """
    try:
        import odc.stac  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("odc-stac is not here: pip install 'stacgen[xarray]'.") from error
    if reflectance and "groupby" in odc_options:
        raise UsageError("With reflectance each scene is a time step; leave groupby out.")
    gdal_data.keep_own()
    start, end = (None, None) if datetime is None else parse_interval(datetime)
    if "://" in str(root):
        except_loopback(os.environ)  # GDAL reads the pixels, whenever they are asked for
    place = stores.open_readable(_address(root), store_options)
    home = Home(place=place, key=ScenesPlace(tile=mgrs.parse(tile)).key)
    wanted = Selection(start=start, end=end, max_cloud=max_cloud, unknown=unknown_cloud)
    found = series(home, wanted).acquisitions
    names = _names(found, bands, home.address)
    query = str(root).partition("?")[2]
    having = [each for each in found if _held(each, names)]
    # odc-stac knows no other bands than those of the first Item, so a complete one goes first.
    ranks = sorted(range(len(having)), key=lambda rank: -len(_held(having[rank], names)))
    if missing := [name for name in names if name not in _held(having[ranks[0]], names)]:
        raise UsageError(
            f"No scene that is wanted has all of {', '.join(names)}: {having[ranks[0]].id} has the"
            f" most, and no {', '.join(missing)}. Open bands that were built together."
        )
    items = [
        stac_json.to_item(_document(having[rank], names, place.address, query)) for rank in ranks
    ]

    def by_scene(item: object, parsed: object, index: int) -> int:
        del item, parsed
        return ranks[index]

    arguments = {
        "chunks": {"x": _CHUNK, "y": _CHUNK},
        "groupby": by_scene,
        **finest(names, odc_options),
        **odc_options,
    }
    loaded: xarray.Dataset = odc.stac.load(items, bands=names, **arguments)
    return _reflectance(loaded, having, names) if reflectance else loaded


def stac_cfg(collection: Any) -> dict[str, Any]:  # noqa: ANN401 - pystac has types, if it is there
    """Common names of bands (`red`, `nir08`) for `odc.stac.load`, which does not find them itself.

    odc-stac 0.5 reads common names where STAC 1.0 had them, not in the `bands` of STAC 1.1.

    Args:
        collection: A `pystac.Collection`, or the dictionary that it is in JSON.

    Returns:
        The argument `stac_cfg`: `{id of the Collection: {"aliases": {"nir08": "B8A", ...}}}`.

    >>> asset = {"roles": ["data"], "bands": [{"name": "B8A", "eo:common_name": "nir08"}]}
    >>> stac_cfg({"id": "sentinel-2-l2a-29PKR", "item_assets": {"B8A": asset}})
    {'sentinel-2-l2a-29PKR': {'aliases': {'nir08': 'B8A'}}}
    """
    document = collection if isinstance(collection, dict) else collection.to_dict()
    aliases = {
        band["eo:common_name"]: name
        for name, asset in document["item_assets"].items()
        if "data" in asset.get("roles", ())
        for band in asset["bands"]
    }
    return {document["id"]: {"aliases": aliases}}


def finest(names: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """The resolution of the finest band, where odc-stac would take that of most scenes.

    The grids of 10 m and 20 m begin at whole pixels, so they are anchored there. Bands of one
    resolution keep the anchor of their own grid: south of the equator that of 60 m is another.
    """
    if any(options.get(key) is not None for key in ("resolution", "geobox", "like")):
        return {}
    if (crs := options.get("crs")) is not None:
        from odc.geo import CRS  # noqa: PLC0415 - odc-stac has it

        if crs != "utm" and CRS(crs).geographic:
            raise UsageError(f"{crs} has degrees: say a resolution in degrees, such as 0.0001.")
    resolutions = {BANDS[name].resolution for name in names}
    return {"resolution": min(resolutions), "anchor": "edge"} if len(resolutions) > 1 else {}


def _held(each: Acquisition, names: Iterable[str]) -> list[str]:
    """Which of some bands a scene has, and no other one of a higher baseline."""
    assets = each.document["assets"]
    return [name for name in names if name in assets and not assets[name].get(DEPRECATED)]


def _address(root: str | Path) -> str:
    """A root as an address from which files can be opened: whole, and without its document."""
    path, mark, query = str(root).partition("?")
    path = path.removesuffix("/catalog.json").rstrip("/")
    return (path if "://" in path else str(Path(path or "/").absolute())) + mark + query


def _names(found: Sequence[Acquisition], bands: Sequence[str] | None, address: str) -> list[str]:
    there = {name for each in found for name in _held(each, BANDS)}
    names = [name for name in BANDS if name in there] if bands is None else list(bands)
    missing = [name for name in names if find_band(name).name not in there]
    if missing or not names:
        raise UsageError(
            f"No scene that is wanted of {address} has {', '.join(missing) or 'a band'}; there are"
            f" {', '.join(name for name in BANDS if name in there) or 'none'}."
        )
    return [find_band(name).name for name in names]


def _document(each: Acquisition, names: Sequence[str], address: str, query: str) -> dict[str, Any]:
    """An Item with those bands alone, whose files can be opened from anywhere."""
    address = address.removeprefix("file://")
    assets = each.document["assets"]
    mark = f"?{query}" if query else ""
    return {
        **each.document,
        "links": [],
        "assets": {
            name: {**assets[name], "href": f"{address}/{each.key_of(assets[name])}{mark}"}
            for name in _held(each, names)
        },
    }


def _reflectance(
    loaded: "xarray.Dataset", found: Sequence[Acquisition], names: Sequence[str]
) -> "xarray.Dataset":
    """Digital numbers, a time step a scene, by the scale and offset of each."""
    import numpy as np  # noqa: PLC0415 - odc-stac has it
    import xarray  # noqa: PLC0415 - same

    def factor(name: str, field: str) -> "xarray.DataArray":
        """One a scene; of a scene without that band it does not matter."""
        assets = [each.document["assets"].get(name, {field: 0}) for each in found]
        if lacking := [
            each.id for each, one in zip(found, assets, strict=True) if field not in one
        ]:
            raise UsageError(f"{lacking[0]} gives no {field} of {name}: leave reflectance out.")
        said = [one[field] for one in assets]
        return xarray.DataArray(np.array(said, np.float32), dims="time")

    converted = {}
    for name in names:
        numbers = loaded[name]
        values = numbers * factor(name, "raster:scale") + factor(name, "raster:offset")
        converted[name] = values.where(numbers > 0).astype(np.float32)
        kept = {key: numbers.attrs[key] for key in numbers.attrs if key != "nodata"}
        converted[name].attrs = {**kept, "units": "1", "long_name": "surface reflectance"}
    return loaded.assign(converted)
