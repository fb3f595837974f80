"""Small scenes of red, green and blue, by the parts that make real ones."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacgen.catalog import root as root_documents
from stacgen.catalog.commit import Filing, commit
from stacgen.catalog.scenes import derive_scenes
from stacgen.io.folder import Folder
from stacgen.model import bands
from stacgen.model.cog_profile import CogProfile
from stacgen.model.raster import Reflectance, StoredFile
from stacgen.model.stream import Codes, Frame, Grid, Stream, Timeline
from stacgen.raster import cog, footprint, rescale, thumbnail
from stacgen.raster.cog import Labels
from stacgen.stac import item, stac_json
from stacgen.stac.layout import CollectionPlace, Pass, ScenesPlace
from test_catalog import NOW, PIXELS, PLACE, frame

SIZE = 600
GRID = Grid(epsg=32629, left=199980, top=1600020, resolution=10, size=SIZE)
RGB = ("B04", "B03", "B02")
SCENES = ScenesPlace(tile=PLACE.tile)

Numbers = Mapping[str, NDArray[np.uint16]]
"""Digital numbers of a scene by band, up to 4095."""


def grid_of(name: str) -> Grid:
    """The grid of a band, whose pixels may be coarser."""
    resolution = bands.find(name).resolution
    return replace(GRID, resolution=resolution, size=SIZE * GRID.resolution // resolution)


def numbers(seed: int, *, low: int = 1100, high: int = 3000) -> dict[str, NDArray[np.uint16]]:
    """Some landscape, whose left 150 columns are nodata."""
    random = np.random.default_rng(seed)
    found = {}
    for name in RGB:
        pixels = random.integers(low, high, (SIZE, SIZE)).astype(np.uint16)
        pixels[:, :150] = 0
        found[name] = pixels
    return found


def shot(number: int, **changes: Any) -> Frame:  # noqa: ANN401 - any field
    """A frame whose codes are its digital numbers."""
    return frame(number, **{"scale": 1.0, "offset": 0.0, **changes})


def file(root: Path, frames: Sequence[tuple[Frame, Numbers]]) -> None:
    """Publish frames with their COGs, file them, and finish as a build does."""
    store = Folder(root)
    by_band: dict[str, list[stac_json.Document]] = {}
    for each, scene in frames:
        for name, pixels in scene.items():
            by_band.setdefault(name, []).append(publish(store, each, name, pixels))
    for name, documents in by_band.items():
        place = CollectionPlace(tile=PLACE.tile, band=bands.find(name))
        filing = Filing(
            place=place, grid=grid_of(name), scale=0.0001, is_sample=False, base_url=None
        )
        commit(documents, filing, store, recount=True)
    touched = {Pass.of(each["id"]) for several in by_band.values() for each in several}
    derive_scenes(SCENES, touched, store)
    root_documents.rebuild(store)


def publish(
    store: Folder, each: Frame, name: str, pixels: NDArray[np.uint16]
) -> stac_json.Document:
    """The COG, quicklook and Item of a frame of a band."""
    band, grid = bands.find(name), grid_of(name)
    codes = Codes(number=each.number, pixels=pixels, bits=12)
    raster = rescale.to_digital_numbers(codes, each, grid)
    reflectance = Reflectance.of(each.baseline)
    place = CollectionPlace(tile=PLACE.tile, band=band)
    moment = each.sensing_time
    item_id = f"T29PKR_{moment:%Y%m%dT%H%M%S}_{each.baseline}_{name}_{band.resolution}m"
    home = place.item(item_id, moment.year)
    assert raster.statistics is not None
    shape = footprint.outline(raster.coverage, grid)
    assert shape is not None
    with store.scratch() as folder:
        made = cog.encode(
            raster,
            grid,
            Labels(band=band, reflectance=reflectance),
            folder / "a.tif",
            profile=CogProfile(),
        )
        quicklook = thumbnail.encode(made.preview)
        facts = replace(
            PIXELS,
            statistics=(raster.statistics,),
            footprint=shape,
            reflectance=reflectance,
            cog=made.file,
            thumbnail=StoredFile(size=len(quicklook), sha256=hashlib.sha256(quicklook).hexdigest()),
            thumbnail_shape=made.preview.shape,
        )
        stream = Stream(
            tile=PLACE.tile,
            band=band,
            year=moment.year,
            playlist_url="https://dunia.test/stream.m3u8",
            frames=(each,),
            timeline=Timeline(origin=0),  # type: ignore[arg-type] # of no interest here
        )
        document = item.build(
            stream,
            each,
            grid,
            facts,
            item_id=item_id,
            software={"stacgen": "0.1.0"},
            now=NOW,
        )
        store.write(home.cog_key, made.path, stac_json.COG)
    store.write(home.thumbnail_key, quicklook, stac_json.PNG)
    store.write(home.key, stac_json.to_bytes(document), stac_json.GEOJSON)
    return document


def digests(root: Path) -> dict[str, str]:
    """Checksum and time of every file."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        + str(path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }
