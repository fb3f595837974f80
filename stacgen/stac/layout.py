"""Where everything lies under an output root, and what it is called. Pure.

Names follow from identity alone, so that any two builders agree on them.
"""

import posixpath
from abc import ABC, abstractmethod
from dataclasses import dataclass

from stacgen.model.bands import BANDS, TCI, Band, find
from stacgen.model.mgrs import TileId

ROOT = "catalog.json"
PAGE = "index.html"
"""For people, beside the document that it shows."""
MIRROR = "items.parquet"
"""Of the Items of the Collection beside it."""
COLLECTIONS = "collections.parquet"
"""Of all Collections, at the root."""
SCENES = "scenes"
"""The folder of a tile's scenes, beside those of its bands."""


def root_title(*, is_sample: bool) -> str:
    """The title of the root, which links to it give, too."""
    return "Synthetic frames, not Sentinel-2" if is_sample else "Sentinel-2 L2A frames"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(ABC):
    """Where a Collection of a tile lies, with its years and Items below it."""

    tile: TileId

    @property
    @abstractmethod
    def name(self) -> str:
        """Of its folder in that of the tile."""

    @property
    @abstractmethod
    def id(self) -> str:
        """The Collection's id."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The Collection's title."""

    @property
    def tile_key(self) -> str:
        """Of the tile's Catalog."""
        return f"{self.tile}/catalog.json"

    @property
    def key(self) -> str:
        """Of the Collection."""
        return f"{self.tile}/{self.name}/collection.json"

    @property
    def mirror_key(self) -> str:
        """Of the Collection's Items as one Parquet file."""
        return mirror_key(self.key)

    def year_key(self, year: int) -> str:
        """Of a year's Catalog."""
        return f"{self.tile}/{self.name}/{year}/catalog.json"

    def item(self, item_id: str, year: int) -> "ItemPlace":
        """Where an Item lies; `year` is that of its sensing time."""
        return ItemPlace(id=item_id, folder=f"{self.tile}/{self.name}/{item_folder(item_id, year)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionPlace(Place):
    """Where the frames of a tile and band lie."""

    band: Band

    @property
    def name(self) -> str:
        """The band's."""
        return self.band.name

    @property
    def id(self) -> str:
        """The Collection's id."""
        return f"sentinel-2-l2a-{self.tile}-{self.band.name}"

    @property
    def title(self) -> str:
        """The Collection's title."""
        return f"Sentinel-2 L2A {self.tile} {self.band.name} ({self.band.resolution} m)"

    def is_numbered(self, item_id: str) -> bool:
        """Whether an Item id ends in a frame number, and not in the resolution as ids do."""
        return not item_id.endswith(f"_{self.band.resolution}m")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenesPlace(Place):
    """Where the scenes of a tile lie: Items with an asset a band."""

    @property
    def name(self) -> str:
        """That of no band."""
        return SCENES

    @property
    def id(self) -> str:
        """The Collection's id."""
        return f"sentinel-2-l2a-{self.tile}"

    @property
    def title(self) -> str:
        """The Collection's title."""
        return f"Sentinel-2 L2A {self.tile} scenes"


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
    def visual_key(self) -> str:
        """Of its picture in true colour, if it is a scene that has one."""
        return f"{self.folder}/{self.id}_visual.tif"

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


def mirror_key(collection_key: str) -> str:
    """The key of a Collection's mirror, which lies beside it.

    >>> mirror_key("29PKR/scenes/collection.json")
    '29PKR/scenes/items.parquet'
    """
    return posixpath.join(posixpath.dirname(collection_key), MIRROR)


def href(source: str, target: str) -> str:
    """The relative link from one key to another.

    >>> href("29PKR/B09/2025/catalog.json", "29PKR/B09/collection.json")
    '../collection.json'
    >>> href("catalog.json", "29PKR/catalog.json")
    './29PKR/catalog.json'
    """
    here, there = source.split("/")[:-1], target.split("/")
    shared = 0
    for own, other in zip(here, there[:-1], strict=False):
        if own != other:
            break
        shared += 1
    return ("../" * (len(here) - shared) or "./") + "/".join(there[shared:])


def target(source: str, link: str) -> str:
    """The key that a relative link leads to, the other way round than `href`.

    >>> target("29PKR/B09/2025/catalog.json", "../collection.json")
    '29PKR/B09/collection.json'
    """
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def id_of(link: str) -> str:
    """The id of the Item that a link or key leads to.

    >>> id_of("./T29PKR_20250302T112109_05.11/T29PKR_20250302T112109_05.11.json")
    'T29PKR_20250302T112109_05.11'
    """
    return posixpath.basename(link).removesuffix(".json")


def band_of(item_id: str) -> Band:
    """The band of an Item, as its id names it.

    >>> band_of("T29PKR_20250302T112109_05.11_B8A_20m").name
    'B8A'
    >>> band_of("T29PKR_20250302T112109_TCI_60m").resolution
    60
    """
    parts = item_id.split("_")
    if parts[2] == TCI:
        return find(TCI, resolution=int(parts[3].removesuffix("m")))
    return BANDS[parts[3]]


def is_of(item_id: str, band: Band) -> bool:
    """True if an Item id is one that stacgen gives in a band."""
    place = 2 if band.is_color else 3
    return item_id.split("_")[place : place + 2] == [band.name, f"{band.resolution}m"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pass:
    """What the ids of an acquisition's Items begin with: tile, second and baseline.

    True colour has no baseline, so its pass is that of all baselines of the second. Two
    acquisitions may share a pass; it tells what can belong together, not what does.
    """

    stem: str

    @classmethod
    def of(cls, item_id: str) -> "Pass":
        """That of an Item or scene.

        >>> Pass.of("T29PKR_20250302T112109_05.11_B09_60m_17").stem
        'T29PKR_20250302T112109_05.11'
        >>> Pass.of("T29PKR_20250302T112109_TCI_60m").stem
        'T29PKR_20250302T112109'
        """
        parts = item_id.split("_")[:3]
        return cls(stem="_".join(parts[:2] if parts[-1] == TCI else parts))

    @property
    def second(self) -> "Pass":
        """The pass without its baseline.

        >>> Pass(stem="T29PKR_20250302T112109_05.11").second.stem
        'T29PKR_20250302T112109'
        """
        return Pass(stem="_".join(self.stem.split("_")[:2]))

    @property
    def tile(self) -> TileId:
        """The tile, as an id of ours has it.

        >>> Pass(stem="T29PKR_20250302T112109_05.11").tile
        '29PKR'
        """
        return TileId(self.stem[1:6])

    @property
    def year(self) -> int:
        """Of the sensing time.

        >>> Pass(stem="T29PKR_20250302T112109_05.11").year
        2025
        """
        return int(self.stem.split("_")[1][:4])
