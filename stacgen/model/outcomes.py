"""What becomes of each frame, and what a watcher of a build is told.

A skip and a failure are values like a success: the pipeline goes on, and who called it decides
what is fatal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stacgen.model.stream import Frame

if TYPE_CHECKING:
    import pystac


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRef:
    """A frame, named so that one can find it."""

    stream: str
    """Tile, band and year, `29PKR B09 2025`."""

    frame: Frame
    item_id: str
    href: str
    """Where its Item is, or would be: the output's address and the key."""

    def __str__(self) -> str:
        """The Item id."""
        return self.item_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The frame's COG, thumbnail and Item were written."""

    ref: FrameRef
    size: int
    """Bytes of the COG."""

    saturated: int
    """Pixels whose digital number did not fit and was set to the nearer end."""

    cleaned: int
    """Pixels set to nodata that video coding had blurred; 0 with `--clean-nodata none`."""

    warnings: tuple[str, ...] = ()
    """What is odd about the frame, a sentence each."""

    changed_source: str | None = None
    """Its segment, where Items were made of other bytes of it before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """The frame's Item and COG were there and sound."""

    ref: FrameRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The frame could not be trusted, or not be had; nothing of it was published."""

    ref: FrameRef
    reason: str
    """A sentence."""


Outcome = Built | Skipped | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A build is about to begin on a stream, or would be, in a dry run."""

    stream: str
    frames: tuple[FrameRef, ...]
    """Those that will be built; the others were skipped."""

    segments: int
    """How many will be fetched."""

    size: int | None = None
    """Bytes to fetch, where they were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A whole stream of several could not be had; the others go on."""

    stream: str
    reason: str
    """A sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Bytes of a segment arrived."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something that people should know, and that stops nothing."""

    text: str
    """A sentence."""


Event = Outcome | Planned | Lost | Received | Noted
Watch = Callable[[Event], None]
"""Is told of each event as it happens, in one thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a build did."""

    address: str
    """Where the catalog is."""

    outcomes: tuple[Outcome, ...]
    """One a frame, in the order of streams and frame numbers."""

    notes: tuple[str, ...] = field(default=())
    planned: tuple[Planned, ...] = ()
    """One a stream."""

    lost: tuple[Lost, ...] = ()
    """Streams that could not be had."""

    items: "Sequence[pystac.Item]" = field(default=(), compare=False, repr=False)
    """Of the frames that were built or skipped, in the order of `outcomes`. Each is read from the
    catalog whenever it is asked for; its hrefs are absolute."""

    @property
    def built(self) -> tuple[Built, ...]:
        """The frames that were built."""
        return tuple(each for each in self.outcomes if isinstance(each, Built))

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The frames that were there."""
        return tuple(each for each in self.outcomes if isinstance(each, Skipped))

    @property
    def failed(self) -> tuple[Failed, ...]:
        """The frames that were refused."""
        return tuple(each for each in self.outcomes if isinstance(each, Failed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an update did to a Collection, where it did anything."""

    collection: str
    """Tile and band, `29PKR B09`."""

    built: tuple[Built, ...] = ()
    """Frames that are new, or were damaged."""

    deprecated: tuple[str, ...] = ()
    """Ids of Items that were marked, since there is a higher baseline."""

    dropped: tuple[str, ...] = ()
    """Ids of Items that were taken out for the same reason."""

    changed_sources: tuple[str, ...] = ()
    """Segments of which Items were made, and that are not what they were."""

    failed: tuple[Failed, ...] = ()
    lost: tuple[Lost, ...] = ()
    """Streams that could not be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """What an update did."""

    report: Report
    """Of all frames that were looked at."""

    changes: tuple[Change, ...]
    """A Collection that changed, or should have, each; in the order of tiles and bands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictured:
    """What became of a scene that was to be shown in true colour."""

    id: str
    href: str
    """Of its Item."""

    size: int | None = None
    """Bytes of the COG that was made; None where none was."""

    reason: str = ""
    """Why there is no picture."""

    has_failed: bool = False
    """Whether it has the bands and yet no picture could be made."""


Told = Callable[[Pictured, int], None]
"""Is told of each scene as it is done, and of how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A copy is about to begin, of so many files at most."""

    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A file was put, or would be in a dry run."""

    key: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file was there already, as it should be."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A file was there, is no part of the catalog any more, and was removed, or would be."""

    key: str


CopyEvent = Counted | Copied | Kept | Removed
CopyWatch = Callable[[CopyEvent], None]
"""Is told of each event of a copy as it happens, in one thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a copy did."""

    address: str
    """Where the catalog is now."""

    copied: tuple[Copied, ...]
    kept: int
    removed: tuple[Removed, ...]
    left: int
    """Files at the source that are no part of the catalog and were not copied."""
