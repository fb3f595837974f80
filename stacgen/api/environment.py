"""What stacgen does not use of the environment that it runs in."""

import os
from collections.abc import Iterator

from stacgen.raster import gdal_data


def notes() -> Iterator[str]:
    """Name the variables that are not used, a sentence each."""
    return gdal_data.notes(os.environ)
