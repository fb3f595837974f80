"""Where everything lies under an output root, and what it is called. Pure.

Names follow from identity alone, so that any two builders agree on them.
"""

import posixpath
from dataclasses import dataclass

from stacgen.bands import Band
from stacgen.tiles import TileId

ROOT = "catalog.json"
ROOT_TITLE = "Sentinel-2 frames from ESA DUNIA"
MIRROR = "items.parquet"
"""Of all Items under the folder that it lies in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionPlace:
    """Where the frames of a tile and band lie."""

    tile: TileId
    band: Band

    @property
    def id(self) -> str:
        """The Collection's id."""
        return f"sentinel-2-l2a-{self.tile}-{self.band.name}"

    @property
    def title(self) -> str:
        """The Collection's title."""
        return f"Sentinel-2 L2A {self.tile} {self.band.name} ({self.band.resolution} m)"

    @property
    def tile_key(self) -> str:
        """Of the tile's Catalog."""
        return f"{self.tile}/catalog.json"

    @property
    def key(self) -> str:
        """Of the Collection."""
        return f"{self.tile}/{self.band.name}/collection.json"

    @property
    def mirror_key(self) -> str:
        """Of the Collection's Items as one Parquet file."""
        return mirror_key(self.key)

    def year_key(self, year: int) -> str:
        """Of a year's Catalog."""
        return f"{self.tile}/{self.band.name}/{year}/catalog.json"

    def is_numbered(self, item_id: str) -> bool:
        """Whether an Item id ends in a frame number, and not in the resolution as ids do."""
        return not item_id.endswith(f"_{self.band.resolution}m")

    def item(self, item_id: str, year: int) -> "ItemPlace":
        """Where an Item lies; `year` is that of its sensing time."""
        return ItemPlace(id=item_id, folder=f"{self.tile}/{self.band.name}/{year}/{item_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPlace:
    """Where an Item and its assets lie."""

    id: str
    folder: str

    @property
    def key(self) -> str:
        """Of the Item."""
        return f"{self.folder}/{self.id}.json"

    @property
    def cog_key(self) -> str:
        """Of its COG."""
        return f"{self.folder}/{self.id}.tif"

    @property
    def thumbnail_key(self) -> str:
        """Of its quicklook."""
        return f"{self.folder}/thumbnail.png"


def mirror_key(collection_key: str) -> str:
    """The key of a Collection's mirror, which lies beside it.

    >>> mirror_key("29PKR/scenes/collection.json")
    '29PKR/scenes/items.parquet'
    """
    return posixpath.join(posixpath.dirname(collection_key), MIRROR)


def resolve(source: str, link: str) -> str:
    """The key that a relative link leads to from another.

    >>> resolve("29PKR/B09/2025/catalog.json", "../collection.json")
    '29PKR/B09/collection.json'
    """
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def href(source: str, target: str) -> str:
    """The relative link from one key to another.

    >>> href("29PKR/B09/2025/catalog.json", "29PKR/B09/collection.json")
    '../collection.json'
    >>> href("catalog.json", "29PKR/catalog.json")
    './29PKR/catalog.json'
    """
    path = posixpath.relpath(target, posixpath.dirname(source) or ".")
    return path if path.startswith("../") else f"./{path}"
