"""What is asked for: nouns only."""

from dataclasses import dataclass, field

from stacgen.dunia.endpoints import DUNIA, Endpoint
from stacgen.errors import UsageError
from stacgen.model import selection
from stacgen.model.bands import FIRST_YEAR, Band
from stacgen.model.mgrs import TileId
from stacgen.model.stream import Selection
from stacgen.pipeline.task import Recipe


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to build, from where and how."""

    requests: tuple[Request, ...]
    selection: Selection = field(default_factory=Selection)
    endpoint: Endpoint = DUNIA
    recipe: Recipe = Recipe()  # noqa: RUF009 - frozen
    base_url: str | None = None
    """Public URL of the output root, where it is known."""

    force: bool = False
    """Build anew what is there."""

    verify: bool = False
    """Read what is there and compare checksums, rather than sizes and times."""

    newest: bool = False
    """Build no frame of which the API or the catalog has a higher baseline."""

    shard: Shard | None = None
    """Build this part of the segments only, and commit nothing; None for all, and commit."""

    def __post_init__(self) -> None:
        """Refuse what nothing could ever answer to.

        Raises:
            UsageError: The selection contradicts itself, a year lies before the first stream, or
                the compression is none for bands.
        """
        selection.check(self.selection)
        profile = self.recipe.profile
        gray = next((each for each in self.requests if not each.band.is_color), None)
        if profile.is_lossy and gray is not None:
            raise UsageError(
                f"Compression {profile.compress} is for true colour (TCI); {gray.band.name} holds"
                " numbers of 16 bits. Build it by itself, or take another --compress."
            )
        for request in self.requests:
            if not request.years:
                raise UsageError("Say which years: --year 2025, or a start and an end.")
            if request.years[0] < FIRST_YEAR:
                raise UsageError(
                    f"There is no stream for {request.tile} {request.band.name}"
                    f" {request.years[0]}: streams begin with {FIRST_YEAR}."
                )
