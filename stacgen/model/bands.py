"""The Sentinel-2 bands that DUNIA streams, as data.

Centre wavelengths and widths are those of Sentinel-2A in the *Sentinel-2 Products Specification
Document* and the *S2 MSI handbook* (ESA); common names are those of the STAC eo extension 2.0.
"""

import re
from dataclasses import dataclass

from stacgen.errors import UsageError
from stacgen.model import mgrs

FIRST_YEAR = 2019
"""The first year of which DUNIA streams bands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One spectral band, or the true-colour image, and the grid spacing of its pixels."""

    name: str
    """As in the product, `B8A` or `TCI`."""

    title: str
    """What it is mostly used for, as ESA puts it."""

    common_name: str | None
    """The eo extension's name, `nir08`; None for true colour."""

    center_wavelength: float | None
    """In micrometres; None for true colour."""

    full_width_half_max: float | None
    """In micrometres; None for true colour."""

    resolution: int
    """Ground size of one pixel, in metres."""

    @property
    def is_color(self) -> bool:
        """True for true colour: bytes of red, green and blue rather than digital numbers."""
        return self.common_name is None

    @property
    def asset(self) -> str:
        """Key of the asset that holds its pixels, `B8A` or `visual`."""
        return "visual" if self.is_color else self.name

    @property
    def size(self) -> int:
        """Rows, and columns, of a frame.

        >>> find("B09").size
        1830
        """
        return mgrs.EXTENT // self.resolution

    @property
    def description(self) -> str:
        """The title with the band number, `Water vapour (band 9)`; `True colour` has none."""
        if self.is_color:
            return self.title
        return f"{self.title} (band {self.name.removeprefix('B').lstrip('0')})"


def _band(line: str) -> Band:
    name, common, center, width, resolution, title = (cell.strip() for cell in line.split("|"))
    return Band(
        name=name,
        title=title,
        common_name=common,
        center_wavelength=float(center),
        full_width_half_max=float(width),
        resolution=int(resolution),
    )


BANDS: dict[str, Band] = {
    band.name: band
    for band in map(
        _band,
        (
            "B01 | coastal   | 0.443 | 0.021 | 60 | Coastal aerosol",
            "B02 | blue      | 0.493 | 0.066 | 10 | Blue",
            "B03 | green     | 0.560 | 0.036 | 10 | Green",
            "B04 | red       | 0.665 | 0.031 | 10 | Red",
            "B05 | rededge071 | 0.704 | 0.015 | 20 | Red edge 1",
            "B06 | rededge075 | 0.741 | 0.015 | 20 | Red edge 2",
            "B07 | rededge078 | 0.783 | 0.020 | 20 | Red edge 3",
            "B08 | nir       | 0.833 | 0.106 | 10 | Near infrared",
            "B8A | nir08     | 0.865 | 0.021 | 20 | Narrow near infrared",
            "B09 | nir09     | 0.945 | 0.020 | 60 | Water vapour",
            "B11 | swir16    | 1.614 | 0.091 | 20 | Short-wave infrared 1",
            "B12 | swir22    | 2.202 | 0.175 | 20 | Short-wave infrared 2",
        ),
    )
}
"""Every spectral band that is streamed by its name, in the order of wavelength."""

RESOLUTIONS = (10, 20, 60)
"""Those of the true-colour streams, in metres."""

TRUE_COLOR = {
    resolution: Band(
        name="TCI",
        title="True colour",
        common_name=None,
        center_wavelength=None,
        full_width_half_max=None,
        resolution=resolution,
    )
    for resolution in RESOLUTIONS
}
"""The true-colour image (TCI) at each resolution."""

TCI = TRUE_COLOR[10].name

NAMES = (*BANDS, TCI)
"""Names of all streams of a tile and year."""


def find(name: str, *, resolution: int | None = None) -> Band:
    """The band of that name; `b8a`, `B1` and `B01` are all understood.

    Args:
        name: Of a spectral band, or TCI for true colour.
        resolution: Of true colour, in metres: 10, 20 or 60; None for 10. Ignored for bands.

    Raises:
        UsageError: There is no stream of such a band, or of true colour at that resolution; for B10
            the message says why.

    >>> find("b9").description
    'Water vapour (band 9)'
    """
    wanted = name.strip().upper()
    if re.fullmatch(r"B\d", wanted, re.ASCII):
        wanted = f"B0{wanted[1]}"
    if wanted in BANDS:
        return BANDS[wanted]
    if wanted == TCI:
        if resolution not in (None, *RESOLUTIONS):
            raise UsageError(f"TCI is streamed at 10, 20 and 60 m, not at {resolution} m.")
        return TRUE_COLOR[resolution or RESOLUTIONS[0]]
    if wanted == "B10":
        raise UsageError(
            "Band B10 is not streamed: it sees cirrus, not the ground, and Level-2A leaves it out."
            f" Take one of {', '.join(NAMES)}."
        )
    raise UsageError(f"There is no band {name!r}. Take one of {', '.join(NAMES)}.")


COLORS = ("red", "green", "blue")
"""Common names of these, and names of the bands of a picture."""
