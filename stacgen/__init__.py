"""ESA DUNIA's Sentinel-2 band streams as Cloud-Optimized GeoTIFFs in a static STAC catalog.

The command line and this module are one thing seen twice: `stacgen build 29PKR B09 --year 2025`
is

```python
import stacgen

report = stacgen.build("29PKR", "B09", years=[2025])
```

Importing is cheap: FFmpeg, GDAL and PROJ are loaded by the first call that needs them.
"""

from typing import TYPE_CHECKING

from stacgen.errors import StacgenError

if TYPE_CHECKING:
    from stacgen.access.dataset import open, stac_cfg  # noqa: A004 - as xarray, rasterio and others have it
    from stacgen.api.build import build, frames, index
    from stacgen.api.maintain import publish, repair, rgb, update, validate
    from stacgen.api.search import search
    from stacgen.api.visualize import plot, preview, readings
    from stacgen.model.tile_lookup import find_tiles

__version__ = "0.1.0"
__all__ = [
    "StacgenError",
    "__version__",
    "build",
    "find_tiles",
    "frames",
    "index",
    "open",
    "plot",
    "preview",
    "publish",
    "readings",
    "repair",
    "rgb",
    "search",
    "stac_cfg",
    "update",
    "validate",
]


def __getattr__(name: str) -> object:
    """Load the functions when they are first asked for."""
    if name in ("build", "frames", "index"):
        from stacgen.api import build  # noqa: PLC0415 - the point of this function

        return getattr(build, name)
    if name in ("plot", "preview", "readings"):
        from stacgen.api import visualize  # noqa: PLC0415 - same

        return getattr(visualize, name)
    if name in ("open", "stac_cfg"):
        from stacgen.access import dataset  # noqa: PLC0415 - same

        return getattr(dataset, name)
    if name in ("publish", "repair", "rgb", "update", "validate"):
        from stacgen.api import maintain  # noqa: PLC0415 - same

        return getattr(maintain, name)
    if name == "search":
        from stacgen.api import search  # noqa: PLC0415 - same

        return search.search
    if name == "find_tiles":
        from stacgen.model import tile_lookup  # noqa: PLC0415 - same

        return tile_lookup.find_tiles
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
