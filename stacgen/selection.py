"""Which frames of a stream are wanted. Pure."""

import re
from datetime import UTC, datetime, time

from stacgen.errors import EmptySelectionError, UsageError
from stacgen.models import Doubt, Frame, Selection, Stream, timestamp

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?P<clock>[Tt ].+)?")
"""A date, or a date and a time; Python would read weeks and bare digits, too."""


def parse_interval(text: str) -> tuple[datetime | None, datetime | None]:
    """Start and end of `A/B`, both included; `..` or nothing leaves an end open.

    A date alone means the whole day; one moment or date without a slash is both start and end.

    Raises:
        UsageError: An end is no date or time, or both ends are open.

    >>> start, end = parse_interval("2025-03-01/..")
    >>> start.isoformat(), end
    ('2025-03-01T00:00:00+00:00', None)
    """
    first, slash, second = text.partition("/")
    start = parse_moment(first)
    end = parse_moment(second if slash else first, is_end=True)
    if start is None and end is None:
        raise UsageError(f"The interval {text!r} is open at both ends; leave it out instead.")
    return start, end


def parse_moment(text: str, *, is_end: bool = False) -> datetime | None:
    """The moment that a text means in UTC, or None for `..` and nothing.

    Args:
        text: `2025-03-01` or `2025-03-01T11:20:00Z`; without a zone it is UTC.
        is_end: Whether a date alone means the last instant of its day rather than the first.

    Raises:
        UsageError: It is neither date nor time.
    """
    text = text.strip()
    if text in ("", ".."):
        return None
    form = _MOMENT.fullmatch(text)
    if form is None:
        raise _unreadable(text)
    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 has t and z, too
        if is_end and form["clock"] is None:
            moment = datetime.combine(moment, time.max)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _unreadable(text) from error


def _unreadable(text: str) -> UsageError:
    return UsageError(f"{text!r} is no date or time. Write 2025-03-01 or 2025-03-01T11:20:00Z.")


def check(selection: Selection) -> None:
    """Refuse a selection that nothing could ever answer to.

    Raises:
        UsageError: The end lies before the start, a percentage is none, a limit is below 1.
    """
    start, end = selection.start, selection.end
    if start is not None and end is not None and end < start:
        raise UsageError(
            f"The end {timestamp(end)} lies before the start {timestamp(start)}; swap them."
        )
    for name, value in (("cloud", selection.max_cloud), ("nodata", selection.max_nodata)):
        if value is not None and not 0 <= value <= 100:  # noqa: PLR2004 - per cent
            raise UsageError(f"The {name} limit {value} is no percentage from 0 to 100.")
    if selection.limit is not None and selection.limit < 1:
        raise UsageError(f"The limit {selection.limit} asks for no frame; it starts at 1.")


def choose(stream: Stream, selection: Selection) -> tuple[Frame, ...]:
    """The wanted frames of a stream, in the order of their numbers.

    Raises:
        UsageError: A percentage is to be compared that the API gives for some frame in the
            interval not at all: neither passing nor failing it would be true.
        EmptySelectionError: No frame is left; the message says what there is.
    """
    frames = [frame for frame in stream.frames if _is_between(frame, selection)]
    if not frames:
        raise EmptySelectionError(_nothing_between(stream, selection))
    for name, limit, attribute in (
        ("cloud", selection.max_cloud, "cloud_cover"),
        ("nodata", selection.max_nodata, "nodata_percentage"),
    ):
        if limit is None:
            continue
        unknown = [frame for frame in frames if getattr(frame, attribute) is None]
        if unknown:
            raise UsageError(
                f"The API gives no {name} percentage for {len(unknown)} of {len(frames)} frames of"
                f" {stream}, the first being {unknown[0]}, so --max-{name} cannot be answered."
                " Leave it out, or name the path of the TCI metadata with --tci-path."
            )
        lowest = min(getattr(frame, attribute) for frame in frames)
        frames = [frame for frame in frames if getattr(frame, attribute) <= limit]
        if not frames:
            raise EmptySelectionError(
                f"No frame of {stream} has at most {limit:g} % {name}; the lowest is {lowest:g} %."
            )
    by_time = sorted(frames, key=lambda frame: (frame.sensing_time, frame.number))
    return tuple(sorted(by_time[: selection.limit], key=lambda frame: frame.number))


def doubtful(stream: Stream, selection: Selection) -> list[Doubt]:
    """The frames in the interval that cannot be paired with the stream."""
    return [each for each in stream.doubtful if _is_between(each.frame, selection)]


def _is_between(frame: Frame, selection: Selection) -> bool:
    start, end = selection.start, selection.end
    return (start is None or start <= frame.sensing_time) and (
        end is None or frame.sensing_time <= end
    )


def _nothing_between(stream: Stream, selection: Selection) -> str:
    times = [frame.sensing_time for frame in stream.frames]
    start = ".." if selection.start is None else timestamp(selection.start)
    end = ".." if selection.end is None else timestamp(selection.end)
    return (
        f"No frame of {stream} lies between {start} and {end}; the stream has {len(times)} frames"
        f" from {timestamp(min(times))} to {timestamp(max(times))}."
    )
