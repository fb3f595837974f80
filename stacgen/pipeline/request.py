"""All that a build is asked for: streams, selection, service, and how to make files."""

from dataclasses import dataclass, field

from stacgen.dunia.endpoints import DUNIA, Endpoint
from stacgen.errors import UsageError
from stacgen.model import selection
from stacgen.model.bands import FIRST_YEAR
from stacgen.model.request import Request, Shard
from stacgen.model.stream import Selection
from stacgen.pipeline.task import Recipe


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
