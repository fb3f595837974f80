"""Where everything lies under an output root, and what it is called. Pure.

Names follow from identity alone, so that any two builders agree on them.
"""

import posixpath
from dataclasses import dataclass

from stacgen.bands import Band
from stacgen.tiles import TileId

ROOT = "catalog.json"
ROOT_TITLE = "Sentinel-2 frames from ESA DUNIA"
PAGE = "index.html"
"""For people, beside the document that it shows."""


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

    def year_key(self, year: int) -> str:
        """Of a year's Catalog."""
        return f"{self.tile}/{self.band.name}/{year}/catalog.json"

    def is_numbered(self, item_id: str) -> bool:
        """Whether an Item id ends in a frame number, and not in the resolution as ids do."""
        return not item_id.endswith(f"_{self.band.resolution}m")

    def item(self, item_id: str, year: int) -> "ItemPlace":
        """Where an Item lies; `year` is that of its sensing time."""
        folder = f"{self.tile}/{self.band.name}/{item_folder(item_id, year)}"
        return ItemPlace(id=item_id, folder=folder)


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


def page_key(key: str) -> str:
    """Of the page beside a document.

    >>> page_key("29PKR/B09/collection.json"), page_key("catalog.json")
    ('29PKR/B09/index.html', 'index.html')
    """
    return posixpath.join(posixpath.dirname(key), PAGE)


def item_folder(item_id: str, year: int) -> str:
    """Of an Item, in the folder of its Collection; `year` is that of its sensing time."""
    return f"{year}/{item_id}"


def href(source: str, target: str) -> str:
    """The relative link from one key to another.

    >>> href("29PKR/B09/2025/catalog.json", "29PKR/B09/collection.json")
    '../collection.json'
    >>> href("catalog.json", "29PKR/catalog.json")
    './29PKR/catalog.json'
    """
    path = posixpath.relpath(target, posixpath.dirname(source) or ".")
    return path if path.startswith("../") else f"./{path}"


def target(source: str, href: str) -> str:
    """The key that a relative link leads to; the other way about than `href`.

    >>> target("29PKR/B09/2025/catalog.json", "../collection.json")
    '29PKR/B09/collection.json'
    """
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), href))
