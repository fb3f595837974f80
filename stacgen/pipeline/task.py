"""What a segment is done with, and what comes of it: nouns only, and light."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Event

from stacgen.model.cog_profile import CogProfile
from stacgen.model.outcomes import Built, Failed
from stacgen.model.protocols import Store
from stacgen.model.raster import AUTO, Cleaning, Reflectance
from stacgen.model.stream import Grid, Stream
from stacgen.pipeline.signed_urls import Renewal
from stacgen.stac import stac_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How pixels become files, the same for every frame of a build."""

    profile: CogProfile = CogProfile()  # noqa: RUF009 - frozen
    clean_nodata: Cleaning = AUTO
    """Which pixels become nodata beside those that are."""

    reflectance: Reflectance | None = None
    """None for ESA's scale and offset of the frame's baseline."""

    strict: bool = False
    """Refuse a frame that is odd, and decode segments without picture hashes in two ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all segments of a stream have in common."""

    stream: Stream
    grid: Grid
    renewal: Renewal
    """New URLs where those of the playlist have run out."""

    recipe: Recipe
    store: Store
    now: Callable[[], datetime]
    """The clock, in UTC."""

    stopped: Event | None = None
    """Set when the build is given up; a segment then stops before its next frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A frame that was published, with its Item."""

    built: Built
    document: stac_json.Document
    replaced: bool
    """Whether an Item of that id stood there before."""


Result = Done | Failed
