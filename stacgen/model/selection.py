"""Which frames of a stream are wanted. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, time
from typing import TypeVar, get_args

from stacgen.errors import EmptySelectionError, UsageError
from stacgen.model.query import check_limits
from stacgen.model.stream import Doubt, Frame, Selection, Stream, Unknown, timestamp

T = TypeVar("T")

_NAMED = 10
"""Frames that a sentence names at most."""

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
        UsageError: The end lies before the start, a percentage is none, a limit is below 1, or
            `unknown` is no treatment.
    """
    percentages = {"cloud": selection.max_cloud, "nodata": selection.max_nodata}
    check_limits(selection.start, selection.end, percentages, selection.limit)
    if selection.unknown not in get_args(Unknown):
        raise UsageError(
            f"The treatment of unknown cloud {selection.unknown!r} is none of"
            f" {', '.join(get_args(Unknown))}."
        )


def choose(stream: Stream, selection: Selection) -> tuple[Frame, ...]:
    """The wanted frames of a stream, in the order of their numbers.

    Raises:
        UsageError: A percentage is to be compared that the API does not give for some frame in the
            interval, and the selection does not say whether to keep or to drop such frames.
        EmptySelectionError: No frame is left; the message says what there is.
    """
    frames = [frame for frame in stream.frames if selection.spans(frame.sensing_time)]
    if not frames:
        raise EmptySelectionError(_nothing_between(stream, selection))
    for name, limit, figure in _limits(selection):
        unknown = [str(frame) for frame in frames if figure(frame) is None]
        if unknown and selection.unknown == "refuse":
            raise UsageError(
                f"The API gives no {name} percentage for {len(unknown)} of {len(frames)} frames of"
                f" {stream}: {named(unknown)}; so {undecided(name)}"
            )
        known = [value for frame in frames if (value := figure(frame)) is not None]
        frames = at_most(limit, frames, figure, unknown=selection.unknown)
        if not frames:
            lowest = f"the lowest is {min(known):g} %" if known else "it is known of none"
            raise EmptySelectionError(
                f"No frame of {stream} has at most {limit:g} % {name}; {lowest}."
            )
    by_time = sorted(frames, key=lambda frame: (frame.sensing_time, frame.number))
    return tuple(sorted(by_time[: selection.limit], key=lambda frame: frame.number))


def doubtful(stream: Stream, selection: Selection) -> list[Doubt]:
    """The frames in the interval that cannot be paired with the stream."""
    return [each for each in stream.doubtful if selection.spans(each.frame.sensing_time)]


def unjudged(stream: Stream, selection: Selection) -> Iterator[str]:
    """A sentence per limit that frames in the interval were kept or dropped without a figure."""
    frames = [frame for frame in stream.frames if selection.spans(frame.sensing_time)]
    for name, limit, figure in _limits(selection):
        unknown = [str(frame) for frame in frames if figure(frame) is None]
        frames = at_most(limit, frames, figure, unknown=selection.unknown)
        if unknown:
            count = "1 frame" if len(unknown) == 1 else f"{len(unknown)} frames"
            done = "kept" if selection.unknown == "keep" else "dropped"
            yield f"--max-{name} cannot judge {count} of {stream}, {done}: {named(unknown)}."


def unknown_figures(stream: Stream) -> str:
    """A sentence that says of which frames cloud or nodata is not known, and why.

    Empty where all is known, or nothing is known of the reason.
    """
    unknown = [frame for frame in stream.frames if frame.unknown_reason]
    if not unknown:
        return ""
    lacking = {
        name: figure
        for name, figure in (("cloud", _cloud), ("nodata", _nodata))
        if any(figure(frame) is None for frame in unknown)
    }
    count = sum(
        all(figure(frame) is not None for figure in lacking.values()) for frame in stream.frames
    )
    reasons: dict[str, list[str]] = {}
    for frame in unknown:
        reasons.setdefault(frame.unknown_reason, []).append(str(frame))
    why = "; ".join(
        reason if len(names) == len(stream.frames) else f"{named(names)}: {reason}"
        for reason, names in reasons.items()
    )
    return (
        f"{' and '.join(lacking)} known for {count} of {len(stream.frames)} frames of {stream}:"
        f" {why}."
    )


def at_most(
    limit: float, found: Iterable[T], figure: Callable[[T], float | None], *, unknown: Unknown
) -> list[T]:
    """Those whose figure is no higher than a limit; of unknown ones all if they are kept."""
    return [
        each
        for each in found
        if (unknown == "keep" if (value := figure(each)) is None else value <= limit)
    ]


def undecided(name: str) -> str:
    """The end of a sentence about frames that a limit cannot judge: the options there are."""
    return (
        f"--max-{name} cannot be answered. Say --unknown-cloud keep or --unknown-cloud drop, or"
        f" leave --max-{name} out."
    )


def named(names: Sequence[str]) -> str:
    """Names for a sentence, the first ten of them.

    >>> named(["a", "b"])
    'a, b'
    """
    return ", ".join(names[:_NAMED]) + (", and so on" if names[_NAMED:] else "")


def _limits(
    selection: Selection,
) -> Iterator[tuple[str, float, Callable[[Frame], float | None]]]:
    if selection.max_cloud is not None:
        yield "cloud", selection.max_cloud, _cloud
    if selection.max_nodata is not None:
        yield "nodata", selection.max_nodata, _nodata


def _cloud(frame: Frame) -> float | None:
    return frame.cloud_cover


def _nodata(frame: Frame) -> float | None:
    return frame.nodata_percentage


def _nothing_between(stream: Stream, selection: Selection) -> str:
    times = [frame.sensing_time for frame in stream.frames]
    start = ".." if selection.start is None else timestamp(selection.start)
    end = ".." if selection.end is None else timestamp(selection.end)
    return (
        f"No frame of {stream} lies between {start} and {end}; the stream has {len(times)} frames"
        f" from {timestamp(min(times))} to {timestamp(max(times))}."
    )
