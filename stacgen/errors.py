"""Every way stacgen fails, as one tree; each class owns its exit code.

```
StacgenError                   1
├── UsageError                 2  what was asked cannot be meant
│   └── EmptySelectionError    2  nothing in the stream answers to it
├── UpstreamError              3  the API or a stream answered badly
│   ├── TransferError          3  no answer, or only a part of one
│   │   ├── MissingError       3  the server has no such thing (404, 410)
│   │   └── DeniedError        3  the server wants to know who asks (401, 403)
│   ├── NotStreamedError       3  the API has no such stream
│   ├── AnswerError            3  an answer that does not hold together
│   ├── PlaylistError          3  a playlist that cannot be followed
│   └── SegmentError           3  a segment whose frames cannot be trusted
│       └── WrongStreamError   3  colour where one band is due, or the reverse
├── OutputError                4  the catalog cannot be written
│   └── ForeignCatalogError    4  a catalog stands there that is not ours
├── BusyError                  5  another update has the catalog
└── ClusterError               1  the cluster that did the work is lost
```

Exit code 1 is also what a build returns when some frames failed and the others were built.
"""

from typing import ClassVar


class StacgenError(Exception):
    """Something stacgen cannot do, in one sentence: the thing, the cause and what to do."""

    exit_code: ClassVar[int] = 1
    """What the process returns when this reaches the command line."""


class UsageError(StacgenError):
    """What was asked cannot be meant: a tile, band, year or option out of range."""

    exit_code = 2


class EmptySelectionError(UsageError):
    """No frame of the stream answers to the selection."""


class UpstreamError(StacgenError):
    """The API or a stream answered badly; what stood before still stands."""

    exit_code = 3


class TransferError(UpstreamError):
    """No answer came, or only a part of one."""


class MissingError(TransferError):
    """The server has no such thing (404, 410)."""


class DeniedError(TransferError):
    """The server does not give it to whoever asked so (401, 403)."""


class NotStreamedError(UpstreamError):
    """The API has no stream of that tile, band and year."""


class AnswerError(UpstreamError):
    """An answer of the API does not hold together; the message names the URL and the field."""


class PlaylistError(UpstreamError):
    """A playlist cannot be followed to whole, plain segments."""


class SegmentError(UpstreamError):
    """A segment's frames cannot be trusted, so none of them is used."""


class WrongStreamError(SegmentError):
    """A segment is of another kind of stream: colour where one band is due, or the reverse."""


class OutputError(StacgenError):
    """The catalog cannot be written; what stood before still stands."""

    exit_code = 4


class ForeignCatalogError(OutputError):
    """The output root holds a catalog that stacgen did not make, and is left alone."""


class BusyError(StacgenError):
    """Another update has the catalog; nothing was done."""

    exit_code = 5


class ClusterError(StacgenError):
    """The cluster that did the work is lost; what was finished still stands."""
