"""The scenes of a tile in true colour: a picture beside each, and the Items that show it.

Files of a scene are written in this order: COG, quicklook, Item; then the year and the Collection.
So what is linked is always there, and a run that was stopped is taken up by the next.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stacgen import __version__
from stacgen.catalog import root
from stacgen.catalog.commit import check_root
from stacgen.catalog.compare_and_swap import update
from stacgen.catalog.index import recover
from stacgen.catalog.journal import Journal
from stacgen.catalog.scenes import derive_scenes
from stacgen.errors import OutputError, StacgenError, UsageError
from stacgen.model import bands
from stacgen.model.cog_profile import CogProfile
from stacgen.model.outcomes import Pictured, Told
from stacgen.model.protocols import Store
from stacgen.model.raster import Facts, Reflectance, StoredFile
from stacgen.model.stream import Selection
from stacgen.raster import cog_writer, gdal, png
from stacgen.stac import catalogs, layout, scene, stac_json, visual
from stacgen.stac.layout import ItemPlace, Pass, ScenesPlace
from stacgen.stac.reader import Acquisition, Home, choose, series
from stacgen.stac.visual import BANDS_SHOWN, Extremes, Files, Palette, Stretch

_PROFILE = CogProfile()
_CLEAR = 20
"""Percent of cloud up to which a scene takes part in the stretch of its year."""

_MOST = 8
"""Scenes that take part, the least cloudy first."""

SOFTWARE = {"stacgen": __version__, **gdal.SOFTWARE, **cog_writer.SOFTWARE}


def rgb(
    place: ScenesPlace,
    store: Store,
    *,
    years: Sequence[int],
    wanted: Selection,
    force: bool,
    told: Told,
) -> list[Pictured]:
    """Make the pictures of the wanted scenes that have none, or `force` all of them.

    Args:
        place: Of the scenes.
        store: Holds them.
        years: Of which to make them; all, if there are none.
        wanted: Which scenes of these.
        force: Whether to make those anew that are there.
        told: See `Told`.

    Raises:
        UsageError: There are no scenes.
        EmptySelectionError: None of them is wanted.
        OutputError: Something of the catalog cannot be read or written.
    """
    if store.read(place.key) is None:
        raise UsageError(
            f"There are no scenes of {place.tile} at {store.address}. Build their bands first:"
            f" stacgen build {place.tile} B02,B03,B04 --year 2025."
        )
    recover(store, [place.tile])
    found = series(Home(place=store, key=place.key), Selection())
    check_root(store, is_sample=catalogs.is_sample(found.collection))
    scenes = [each for each in found.acquisitions if not years or each.moment.year in years]
    chosen = {each.id for each in choose(scenes, wanted, f"{store.address}/{place.tile}/scenes")}
    outcomes: list[Pictured] = []
    made: set[Pass] = set()
    with Journal(store) as journal:
        try:
            for number in sorted({each.moment.year for each in scenes}):
                year = [each for each in scenes if each.moment.year == number]
                for outcome in _year(place, year, chosen, store, journal, force=force):
                    outcomes.append(outcome)
                    if outcome.size is not None:
                        made.add(Pass.of(outcome.id))
                    told(outcome, len(chosen))
        finally:
            if made:
                derive_scenes(place, made, store)
                root.keep(store, [place.key])
        journal.finish()
    return outcomes


def _year(
    place: ScenesPlace,
    scenes: Sequence[Acquisition],
    chosen: set[str],
    store: Store,
    journal: Journal,
    *,
    force: bool,
) -> Iterator[Pictured]:
    """The pictures of a year, in the stretch that those which stay were made with."""
    sound = {each.id for each in scenes if _is_sound(each, store)}
    due = {each.id for each in scenes if each.id in chosen and (force or each.id not in sound)}
    staying = (
        visual.stretch_of(each.document["assets"][visual.KEY])
        for each in scenes
        if each.id in sound - due
    )
    stretch = next((each for each in staying if each is not None), None)
    for each in scenes:
        if each.id not in chosen:
            continue
        home = place.item(each.id, each.moment.year)
        left = Pictured(id=each.id, href=f"{store.address}/{home.key}")
        missing = [name for name in BANDS_SHOWN if name not in each.document["assets"]]
        if scene.is_streamed(each.document):
            yield replace(left, reason="it shows the image of the true-colour stream")
        elif missing:
            yield replace(left, reason=f"it has no {' and no '.join(missing)}")
        elif each.id not in due:
            yield left
        else:
            try:
                stretch = stretch or _stretch(scenes, store)
                journal.note(place.tile)
                with store.scratch() as folder:
                    picture = _make(each, store, folder, stretch)
                    size = _publish(each, home, store, picture)
            except _UnreadableError as error:
                yield replace(left, reason=str(error), has_failed=True)
            else:
                yield replace(left, size=size)


class _UnreadableError(StacgenError):
    """The bands of a scene cannot be made into a picture; others may."""


def _is_sound(each: Acquisition, store: Store) -> bool:
    """Whether a scene has its picture and quicklook, made of the bands that it has now."""
    assets = each.document["assets"]
    mine = [assets.get(visual.KEY), assets.get("thumbnail")]
    for asset in mine:
        if asset is None or asset not in scene.kept_assets(each.document).values():
            return False
        entry = store.stat(each.key_of(asset))
        if entry is None or entry.size != asset.get("file:size"):
            return False
    return all(visual.is_current(asset, assets) for asset in mine if asset is not None)


def _stretch(scenes: Sequence[Acquisition], store: Store) -> Stretch:
    """That of a year: from the smallest overviews of its least cloudy scenes."""
    complete = [
        each for each in scenes if all(name in each.document["assets"] for name in BANDS_SHOWN)
    ]
    values: list[NDArray[np.float64]] = []
    for each in _clearest(complete):
        with suppress(_UnreadableError):  # it is named when its own turn comes
            values += visual.reflectances(_smallest(each, store), _reflectances(each))
    stretch = Stretch.of(values)
    if stretch is None:
        raise _UnreadableError("no scene of the year that is clear enough has a valid pixel")
    return stretch


def _clearest(scenes: Sequence[Acquisition]) -> Sequence[Acquisition]:
    """Scenes to take a stretch from: the clear ones, or the least cloudy one.

    Where cloud is known of none, any one scene may be all cloud, in whose stretch ground is black.
    Then they are spread over the year.
    """
    known = [(each.cloud, each.moment, each) for each in scenes if each.cloud is not None]
    if not known:
        return scenes[:: -(-len(scenes) // _MOST) or 1]
    by_cloud = sorted(known, key=lambda each: each[:2])
    clear = [scene for cloud, _, scene in by_cloud if cloud <= _CLEAR]
    return clear[:_MOST] or [by_cloud[0][2]]


def _smallest(each: Acquisition, store: Store) -> list[NDArray[np.uint16]]:
    with _reading(), ExitStack() as stack:
        files = [stack.enter_context(gdal.opened(store, key)) for key in _keys(each)]
        return [gdal.overview(file, at_least=1) for file in files]


def _keys(each: Acquisition) -> list[str]:
    return [each.key_of(each.document["assets"][name]) for name in BANDS_SHOWN]


def _reflectances(each: Acquisition) -> tuple[Reflectance, ...]:
    assets = [each.document["assets"][name] for name in BANDS_SHOWN]
    with _reading():
        return tuple(
            Reflectance(scale=float(one["raster:scale"]), offset=float(one["raster:offset"]))
            for one in assets
        )


@contextmanager
def _reading() -> Iterator[None]:
    """Within this, what is amiss with the bands of one scene is told apart from all else."""
    try:
        yield
    except OutputError as error:
        raise _UnreadableError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise _UnreadableError(f"its bands do not say what they are ({error!r})") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """What was made of a scene, in a scratch folder."""

    cog: Path
    thumbnail: bytes
    thumbnail_shape: tuple[int, int]
    palette: Palette
    extremes: Extremes


def _make(each: Acquisition, store: Store, folder: Path, stretch: Stretch) -> _Picture:
    """A row of tiles is in memory at a time, and each overview is made of those of the bands."""
    palette = Palette(stretch=stretch, reflectances=_reflectances(each))
    path, extremes = folder / "visual.tif", Extremes()
    with _reading():
        shapes = _shapes(each, store)
        levels = [
            cog_writer.Sheet(
                shape=(*shape, len(BANDS_SHOWN)),
                dtype="uint8",
                bands=_rows(each, store, palette, extremes, level),
            )
            for level, shape in enumerate(shapes)
        ]
        cog_writer.write_sheets(path, levels, _facts(each), blocksize=_PROFILE.blocksize)
    small = palette.colors(_smallest(each, store))
    alpha = np.where(small.any(axis=2), 255, 0).astype(np.uint8)
    return _Picture(
        cog=path,
        thumbnail=png.encode(small, alpha),
        thumbnail_shape=alpha.shape,
        palette=palette,
        extremes=extremes,
    )


def _shapes(each: Acquisition, store: Store) -> list[tuple[int, int]]:
    """Those of all levels, the largest first, in which the bands must be alike."""
    found = []
    for key in _keys(each):
        with gdal.opened(store, key) as dataset:
            found.append((gdal.lattice(dataset), gdal.shapes(dataset)))
    if any(one != found[0] for one in found):
        raise OutputError(f"the COGs of {', '.join(BANDS_SHOWN)} have not the same pixels")
    return found[0][1]


def _rows(
    each: Acquisition, store: Store, palette: Palette, extremes: Extremes, level: int
) -> Iterator[NDArray[np.uint8]]:
    """A level, 0 being the full resolution, of which the extremes are taken."""
    overview = level - 1 if level else None
    with ExitStack() as stack:
        files = [
            stack.enter_context(gdal.opened(store, key, level=overview)) for key in _keys(each)
        ]
        bands = [gdal.rows(file, _PROFILE.blocksize) for file in files]
        for numbers in zip(*bands, strict=True):
            colors = palette.colors(numbers)
            if overview is None:
                extremes.take(colors)
            yield colors


def _facts(each: Acquisition) -> Facts:
    asset = each.document["assets"][BANDS_SHOWN[0]]
    across, skew, left, also, down, top = asset["proj:transform"][:6]
    red, *others = bands.COLORS
    return Facts(
        epsg=int(each.document["properties"]["proj:code"].removeprefix("EPSG:")),
        transform=(across, skew, left, also, down, top),
        nodata=0,
        description=red,
        scale=1.0,
        offset=0.0,
        tags={},
        more=tuple(others),
    )


def _publish(each: Acquisition, home: ItemPlace, store: Store, picture: _Picture) -> int:
    """Put the files in place, and then the Item that says so; the size of the COG in bytes."""
    cog = StoredFile.of(picture.cog)
    files = Files(
        cog=cog,
        cog_href=layout.href(home.key, home.visual_key),
        thumbnail=StoredFile.of(picture.thumbnail),
        thumbnail_shape=picture.thumbnail_shape,
        extremes=picture.extremes,
        software=SOFTWARE,
        created=datetime.now(UTC),
    )
    assets = visual.assets(each.document["assets"], picture.palette, files, year=each.moment.year)
    store.write(home.visual_key, picture.cog, stac_json.COG)
    store.write(home.thumbnail_key, picture.thumbnail, stac_json.PNG)

    def pictured(raw: bytes | None) -> bytes:
        """The scene as it is now, whose bands another builder may have replaced meanwhile."""
        document = each.document if raw is None else stac_json.from_bytes(raw, name=home.key)
        fitting = {
            key: asset
            for key, asset in assets.items()
            if visual.is_current(asset, document["assets"])
        }
        return stac_json.to_bytes(scene.keeping(document, fitting))

    update(store, home.key, stac_json.GEOJSON, pictured)
    return cog.size
