"""The streams that are asked for, and shares of the work on them."""

from dataclasses import dataclass

from stacgen.errors import UsageError
from stacgen.model.bands import Band
from stacgen.model.mgrs import TileId


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The streams of one Collection."""

    tile: TileId
    band: Band
    years: tuple[int, ...]
    """In the order of time, each once."""

    is_open: bool = False
    """Whether the years follow from an interval, so that one without a stream is no loss."""

    def __str__(self) -> str:
        """Tile, band and years, as a user types them."""
        return f"{self.tile} {self.band.name} {', '.join(map(str, self.years))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of several equal parts of the segments, for builds that share the work."""

    index: int = 1
    """From 1 to `count`."""

    count: int = 1

    def __post_init__(self) -> None:
        """Refuse a part that is none."""
        if not 1 <= self.index <= self.count:
            raise UsageError(f"Shard {self.index}/{self.count} is none: say 1/4, 2/4, 3/4 or 4/4.")
