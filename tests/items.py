"""Catalogs of Items without pixels, filed as a build files them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from stacgen.catalog import derive, root
from stacgen.catalog.commit import Filing, commit
from stacgen.catalog.journal import Journal
from stacgen.catalog.pending import PendingChanges
from stacgen.model import bands, mgrs
from stacgen.model.protocols import Store
from stacgen.model.raster import Footprint, Reflectance, Statistics, StoredFile
from stacgen.model.stream import Frame, Grid, Stream, Timeline, item_ids
from stacgen.stac import item, stac_json
from stacgen.stac.layout import CollectionPlace

Keyed = tuple[str, stac_json.Document]
Box = tuple[float, float, float, float]

SENEGAL = (-11.782817, 13.464734, -10.757275, 14.466212)
FIJI: Box = (179.1, -17.2, -179.6, -16.2)
"""Across the antimeridian."""


def outline(box: Box) -> dict[str, Any]:
    """A footprint that fills a box; in two parts where that crosses the antimeridian."""
    west, south, east, north = box
    if west <= east:
        return {"type": "Polygon", "coordinates": [_ring(*box)]}
    parts = (_ring(west, south, 180.0, north), _ring(-180.0, south, east, north))
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in parts]}


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What distinguishes one Item from another."""

    day: str
    """`2025-03-02`, or a time of it."""

    tile: str = "29PKR"
    band: str = "B09"
    cloud: float | None = 10.0
    box: Box = SENEGAL
    geometry: Mapping[str, Any] | None = None
    baseline: str = "05.11"
    is_sample: bool = False
    size: int = 4_000_000

    @property
    def place(self) -> CollectionPlace:
        """Its Collection."""
        return CollectionPlace(tile=mgrs.parse(self.tile), band=bands.find(self.band))

    @property
    def grid(self) -> Grid:
        """Its grid."""
        tile, band = self.place.tile, self.place.band
        left, top = mgrs.upper_left(tile)
        return Grid(
            epsg=mgrs.epsg(tile), left=left, top=top, resolution=band.resolution, size=band.size
        )


def make(scene: Scene) -> Keyed:
    """The Item of a scene, and its key."""
    moment = datetime.fromisoformat(scene.day).replace(tzinfo=UTC)
    frame = Frame(
        number=0,
        sensing_time=moment,
        baseline=scene.baseline,
        scale=2.5,
        offset=0.0,
        cloud_cover=scene.cloud,
        nodata_percentage=None if scene.cloud is None else 2.7,
    )
    place = scene.place
    stream = Stream(
        tile=place.tile,
        band=place.band,
        year=moment.year,
        playlist_url="https://dunia.example/stream.m3u8",
        frames=(frame,),
        timeline=Timeline(origin=Fraction("1.4")),
        is_sample=scene.is_sample,
    )
    item_id = item_ids(stream)[0]
    document = item.build(
        stream,
        frame,
        scene.grid,
        item.Pixels(
            statistics=(
                Statistics(
                    minimum=1001,
                    maximum=9999,
                    mean=2749.5,
                    stddev=0.1 + 0.2,
                    count=3,
                    valid_percent=97.0,
                ),
            ),
            footprint=Footprint(geometry=scene.geometry or outline(scene.box), bbox=scene.box),
            reflectance=Reflectance.of(scene.baseline),
            saturated=0,
            clean_nodata="auto",
            cleaned=0,
            cog=StoredFile(size=scene.size, sha256="ab" * 32),
            thumbnail=StoredFile(size=50_000, sha256="cd" * 32),
            thumbnail_shape=(458, 458),
        ),
        item_id=item_id,
        software={"stacgen": "0.1.0"},
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return place.item(item_id, moment.year).key, document


def publish(store: Store, scenes: Iterable[Scene]) -> None:
    """Write the Items of scenes, and no more."""
    for key, document in map(make, scenes):
        store.write(key, stac_json.to_bytes(document), stac_json.GEOJSON)


def file(
    store: Store,
    scenes: Iterable[Scene],
    *,
    base_url: str | None = None,
    recount: bool = False,
    together: bool = False,
) -> None:
    """Write the Items of scenes and file them, a Collection after the other, as a build does.

    Their bands are brought `together` to scenes only where that is asked for.
    """
    scenes = list(scenes)
    publish(store, scenes)
    places = sorted({scene.place for scene in scenes}, key=lambda place: place.id)
    with Journal(store) as journal:
        pending = PendingChanges(store, journal)
        for place in places:
            ours = [scene for scene in scenes if scene.place == place]
            filing = Filing(
                place=place, grid=ours[0].grid, scale=0.0001, is_sample=False, base_url=base_url
            )
            documents = [make(scene)[1] for scene in ours]
            if together:
                pending.link(documents, filing, replaced=recount)
            elif not commit(documents, filing, store, recount=recount):
                table = derive.put_table(store, place, derive.of_linked(store, place))
                derive.put_page(store, place, table)
        if together:
            pending.close()
        else:
            root.keep(store, [place.key for place in places])
