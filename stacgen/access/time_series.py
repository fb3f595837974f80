"""Numbers of a Collection over time, read from its Items and, at a place, from its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from stacgen.errors import OutputError, UsageError
from stacgen.model.protocols import Readable
from stacgen.model.raster import Reflectance
from stacgen.model.stream import Selection
from stacgen.model.time_series import Measured, Point, Polygon, Reading, measure
from stacgen.raster import gdal
from stacgen.raster.gdal import Cells, Lattice
from stacgen.stac.reader import Acquisition, Home, Series, series

Place = Point | Sequence[Polygon]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """A Collection over time."""

    title: str
    """Tile and band, `29PKR B09 (60 m)`."""

    about: str
    """Where it comes from."""

    place: str
    """What was measured; empty where nothing was."""

    readings: tuple[Reading, ...]
    """By time, at least one."""

    notes: tuple[str, ...] = ()
    """Sentences for whoever reads the numbers."""


def read(home: Home, wanted: Selection, at: Place | None, *, reflectance: bool) -> Readings:
    """The wanted acquisitions, with the mean at a point or in polygons if there are any.

    Raises:
        UsageError: The place lies outside the pixels, or Items say nothing that was asked for.
        OutputError: Something of the Collection cannot be read.
    """
    found = series(home, wanted)
    probe = None if at is None else _Probe(found.place, at, reflectance=reflectance)
    readings = tuple(
        Reading(
            item_id=each.id,
            moment=each.moment,
            cloud=each.cloud,
            valid=_valid(each),
            measured=None if probe is None else probe.measure(each),
        )
        for each in found.acquisitions
    )
    return Readings(
        title=found.title,
        about=found.about,
        place="" if at is None else _described(at, readings),
        readings=readings,
        notes=() if at is None or reflectance else _notes(found),
    )


class _Probe:
    """Measures one place in file after file; which pixels it is, is found out once a grid."""

    def __init__(self, place: Readable, at: Place, *, reflectance: bool) -> None:
        self._place = place
        self._at = at
        self._reflectance = reflectance
        self._cells: dict[Lattice, Cells] = {}

    def measure(self, each: Acquisition) -> Measured:
        if each.data is None:
            raise UsageError(
                f"{each.id} has not one asset of data, so nothing can be measured in it. Name the"
                " Collection of a band."
            )
        footprint = each.document.get("geometry")
        if not isinstance(footprint, dict):
            raise OutputError(f"{each.id} has no footprint; mend or remove it.")
        converts = _reflectance(each) if self._reflectance else None
        with gdal.opened(self._place, each.key_of(each.data)) as dataset:
            lattice = gdal.lattice(dataset)
            cells = self._on(lattice)
            covered = gdal.share_in(footprint, cells, lattice)
            return measure(gdal.values(dataset, cells), converts, covered=covered)

    def _on(self, lattice: Lattice) -> Cells:
        if lattice not in self._cells:
            self._cells[lattice] = self._found(lattice)
        return self._cells[lattice]

    def _found(self, lattice: Lattice) -> Cells:
        if isinstance(self._at, Point):
            cells = gdal.cell_at(self._at.longitude, self._at.latitude, lattice)
            reason = f"The point {self._at} lies outside the pixels of {self._place.address}."
        else:
            cells = gdal.cells_in(self._at, lattice)
            reason = (
                f"No pixel of {self._place.address} has its centre in the polygon. It lies outside,"
                " or is smaller than a pixel: take --point."
            )
        if cells is None:
            raise UsageError(reason)
        return cells


def _valid(each: Acquisition) -> float | None:
    """Valid pixels in percent, as counted when the COG was made; else as the API told."""
    bands = (each.data or {}).get("bands") or [{}]
    counted: float | None = bands[0].get("statistics", {}).get("valid_percent")
    if counted is not None:
        return counted
    nodata = each.document["properties"].get("s2:nodata_pixel_percentage")
    return None if nodata is None else 100 - nodata


def _reflectance(each: Acquisition) -> Reflectance:
    data = each.data or {}
    if "raster:scale" not in data or "raster:offset" not in data:
        raise UsageError(
            f"{each.id} gives no scale and offset, so --reflectance cannot be answered."
        )
    return Reflectance(scale=data["raster:scale"], offset=data["raster:offset"])


def _notes(found: Series) -> tuple[str, ...]:
    offsets = {(each.data or {}).get("raster:offset") for each in found.acquisitions}
    if len(offsets) == 1:
        return ()
    note = (
        "Digital numbers of these acquisitions do not mean the same, since offsets differ between"
        " processing baselines. Compare them with --reflectance."
    )
    return (note,)


def _described(at: Place, readings: Sequence[Reading]) -> str:
    if isinstance(at, Point):
        return f"Pixel at {at}"
    pixels = max(each.measured.pixels for each in readings if each.measured is not None)
    return f"Mean of {pixels:,} pixels" if pixels > 1 else "1 pixel"
