"""When the satellite passes: the acquisitions of a tile and year, each with its sun and orbit."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from stacgen.dunia.sample.noise import generator
from stacgen.model import mgrs
from stacgen.model.mgrs import TileId

REPEAT = timedelta(days=10)
"""After how long a Sentinel-2 satellite sees a place from the same orbit again."""

_BASELINES = (
    (date(2018, 11, 1), "02.11"),
    (date(2019, 5, 6), "02.12"),
    (date(2019, 7, 8), "02.13"),
    (date(2020, 2, 4), "02.14"),
    (date(2021, 3, 30), "03.00"),
    (date(2021, 6, 30), "03.01"),
    (date(2022, 1, 25), "04.00"),
    (date(2022, 12, 6), "05.09"),
    (date(2023, 12, 13), "05.10"),
    (date(2024, 7, 23), "05.11"),
)
_ORBITS = ("full", "full", "west", "full", "full", "east")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One acquisition of a tile; a frame of each of its streams."""

    tile: TileId
    number: int
    """Frame number in the year's stream, from 0."""
    time: datetime
    """When the first line was sensed, in UTC."""
    baseline: str
    """ESA's processing baseline of that day."""
    orbit: str
    """`full`, or the side of the tile, `west` or `east`, that the swath leaves out."""

    @property
    def day(self) -> float:
        """Day of the year, from 0."""
        return (self.time - datetime(self.time.year, 1, 1, tzinfo=UTC)) / timedelta(days=1)

    @property
    def offset(self) -> int:
        """What the baseline adds to every digital number: 1000 from 04.00 on."""
        return 1000 if self.baseline >= "04.00" else 0

    def random(self, subject: str) -> np.random.Generator:
        """Random numbers of this acquisition and subject."""
        return generator(self.tile, self.time.year, self.number, subject)


def of_year(tile: TileId, year: int) -> list[Pass]:
    """The acquisitions of a tile in a year, one in ten days, in the order of time.

    >>> len(of_year(mgrs.parse("29PKR"), 2025))
    36
    """
    at = generator("orbit", tile)
    local = timedelta(hours=10.62 + float(at.uniform(-0.15, 0.15)))
    noon = local - timedelta(hours=mgrs.longitude(tile) / 15)
    first = date(2019, 1, 1) + timedelta(days=int(at.integers(10)))
    skip = math.ceil((date(year, 1, 1) - first) / REPEAT)
    out: list[Pass] = []
    while (day := first + (skip + len(out)) * REPEAT) <= date(year, 12, 31):
        out.append(_pass(tile, len(out), day, noon, turn=skip + len(out)))
    return out


def _pass(tile: TileId, number: int, day: date, clock: timedelta, *, turn: int) -> Pass:
    orbit = _ORBITS[turn % len(_ORBITS)]
    late = {"full": 0, "west": -9.5, "east": 9.5}[orbit]
    jitter = float(generator("clock", tile, turn).uniform(-2, 2))
    seconds = (clock.total_seconds() + 60 * late + jitter) % 86_400
    time = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)
    return Pass(
        tile=tile,
        number=number,
        time=time.replace(microsecond=time.microsecond // 1000 * 1000),
        baseline=[name for since, name in _BASELINES if since <= day][-1],
        orbit=orbit,
    )


def sun(of: Pass) -> tuple[float, float]:
    """Elevation and azimuth (from north over east) of the sun, in degrees; never below 8 up.

    >>> up, azimuth = sun(of_year(mgrs.parse("32TLS"), 2025)[17])
    >>> 60 < up < 70, 130 < azimuth < 160
    (True, True)
    """
    latitude = math.radians(mgrs.latitude(of.tile))
    tilt = math.radians(-23.44 * math.cos(2 * math.pi * (of.day + 10) / 365.25))
    hour = math.radians(-15 * 1.35)
    up = math.asin(
        math.sin(latitude) * math.sin(tilt) + math.cos(latitude) * math.cos(tilt) * math.cos(hour)
    )
    east = -math.cos(tilt) * math.sin(hour)
    north = math.cos(latitude) * math.sin(tilt) - math.sin(latitude) * math.cos(tilt) * math.cos(
        hour
    )
    return max(math.degrees(up), 8.0), math.degrees(math.atan2(east, north)) % 360
