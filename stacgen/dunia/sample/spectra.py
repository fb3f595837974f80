"""What the ground reflects: surface reflectances by band, and how they follow the seasons.

The numbers are rounded from published spectra of common surfaces, as Level-2A shows them.
"""

from typing import Final

import numpy as np

BANDS: Final = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
"""The bands, in the order of the columns below."""

_TABLE = """
water     .030 .034 .030 .018 .015 .012 .011 .010 .009 .008 .005 .004
river     .050 .062 .080 .068 .062 .040 .036 .032 .028 .024 .012 .008
silt      .062 .080 .105 .112 .108 .075 .068 .060 .052 .044 .018 .010
conifer   .017 .020 .030 .020 .042 .120 .155 .170 .180 .190 .085 .038
broadleaf .017 .021 .042 .022 .068 .235 .300 .320 .340 .350 .165 .072
bare wood .030 .040 .055 .060 .085 .130 .150 .165 .180 .190 .180 .110
crop      .024 .034 .084 .038 .104 .340 .430 .460 .480 .470 .200 .095
grass     .034 .048 .098 .066 .126 .260 .320 .345 .365 .370 .235 .135
dry grass .060 .086 .126 .168 .205 .225 .250 .275 .295 .305 .345 .240
stubble   .065 .095 .140 .185 .220 .250 .270 .295 .315 .320 .390 .300
brown     .042 .058 .080 .105 .130 .150 .165 .185 .205 .215 .275 .230
dark      .030 .042 .056 .070 .085 .098 .108 .122 .135 .145 .190 .165
red       .040 .060 .100 .182 .218 .220 .238 .262 .285 .295 .375 .330
sand      .130 .175 .240 .315 .345 .362 .380 .402 .422 .430 .520 .480
rock      .080 .100 .118 .136 .146 .154 .160 .170 .180 .185 .215 .195
town      .090 .120 .138 .150 .162 .172 .180 .192 .200 .202 .215 .195
roof      .210 .265 .290 .320 .330 .335 .340 .350 .355 .355 .370 .350
snow      .880 .900 .890 .870 .850 .840 .820 .800 .760 .620 .095 .070
cloud     .690 .680 .670 .680 .680 .690 .695 .700 .700 .560 .520 .400
haze      .120 .095 .070 .050 .044 .040 .037 .033 .031 .040 .012 .006
"""

_ROWS = [line.rsplit(maxsplit=len(BANDS)) for line in _TABLE.strip().splitlines()]
_NAMES = [row[0] for row in _ROWS]
_REFLECTANCE = np.array([[float(cell) for cell in row[1:]] for row in _ROWS], dtype=np.float32)


def reflectance(surface: str, band: str) -> float:
    """The reflectance of a surface in a band, 0 to 1.

    >>> round(reflectance("crop", "B08"), 2), round(reflectance("crop", "B04"), 2)
    (0.46, 0.04)
    """
    return float(_REFLECTANCE[_NAMES.index(surface), BANDS.index(band)])
