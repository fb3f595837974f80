"""What people see: progress, tables, and the last line; on stderr, and quiet when told.

stdout is for data alone: a JSON line a frame, or a table where one was asked for.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby
from typing import Any, assert_never

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from stacgen.cli import update_report
from stacgen.model import time_series
from stacgen.model.findings import Validation
from stacgen.model.outcomes import (
    Built,
    Copied,
    CopyEvent,
    CopyWatch,
    Counted,
    Event,
    Failed,
    Kept,
    Lost,
    Noted,
    Outcome,
    Planned,
    Published,
    Received,
    Removed,
    Report,
    Skipped,
    Updated,
    Watch,
)
from stacgen.model.stream import Frame, timestamp
from stacgen.model.time_series import Reading

_MEGABYTE = 1_000_000


def say(text: str) -> None:
    """A line to stderr, as it is: what upstream wrote into it is not taken for markup."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text(text))


def megabytes(size: int) -> str:
    """A number of bytes, for people."""
    return f"{size / _MEGABYTE:.1f} MB"


def progress(*columns: ProgressColumn, quiet: bool) -> Progress:
    """A bar on stderr with more columns, where that is a terminal; gone when it is done."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        *columns,
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        expand=True,
        disable=quiet or not console.is_terminal,
    )


@contextmanager
def watching(*, as_json: bool, quiet: bool, verbose: bool) -> Iterator[Watch]:
    """A watcher that shows progress on a terminal and writes JSON lines where asked.

    Args:
        as_json: Write a line a frame to stdout.
        quiet: Show nothing but failures.
        verbose: Show a line a frame.
    """
    shown = _Shown(quiet=quiet, verbose=verbose)

    def watch(event: Event) -> None:
        if as_json and isinstance(event, Built | Skipped | Failed):
            sys.stdout.write(json.dumps(as_record(event)) + "\n")
            sys.stdout.flush()
        shown.show(event)

    with shown.bar:
        yield watch


class _Shown:
    """One bar for all streams, and lines above it."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self.bar = progress(_Volume(), _Pace(), quiet=quiet)
        self._quiet = quiet
        self._verbose = verbose
        self._task = self.bar.add_task("", total=0, size=0, visible=False)
        self._streams = 0
        self._frames = 0
        self._received = 0

    def show(self, event: Event) -> None:
        match event:
            case Planned():
                self._planned(event)
            case Received():
                self._received += event.size
                self.bar.update(self._task, size=self._received)
            case Lost():
                self._line(f"LOST    {event.stream}: {event.reason}", style="red")
            case Noted():
                self._line(f"Note: {event.text}", style="yellow", shown=not self._quiet)
            case Built() | Skipped() | Failed():
                self._show_outcome(event)
            case _:
                assert_never(event)

    def _planned(self, event: Planned) -> None:
        """The bar grows as streams are planned, which is when their turn comes."""
        self._streams += 1
        self._frames += len(event.frames)
        name = event.stream if self._streams == 1 else f"{self._streams} streams"
        self.bar.update(self._task, description=name, total=self._frames, visible=True)

    def _show_outcome(self, outcome: Outcome) -> None:
        ref = outcome.ref
        match outcome:
            case Built():
                self.bar.advance(self._task)
                self._line(f"built   {ref}  {megabytes(outcome.size)}", shown=self._verbose)
            case Skipped():
                self._line(f"skipped {ref}", shown=self._verbose)
            case Failed():
                self.bar.advance(self._task)
                self._line(f"FAILED  {ref}: {outcome.reason}", style="red")
            case _:
                assert_never(outcome)

    def _line(self, text: str, *, style: str = "", shown: bool = True) -> None:
        if shown:
            self.bar.console.print(Text(text, style=style))


def as_record(outcome: Outcome) -> dict[str, Any]:
    """What became of a frame, as a JSON object."""
    ref = outcome.ref
    record: dict[str, Any] = {
        "id": ref.item_id,
        "status": type(outcome).__name__.lower(),
        "datetime": timestamp(ref.frame.sensing_time),
        "href": ref.href,
    }
    match outcome:
        case Built():
            record["size"] = outcome.size
            record["saturated"] = outcome.saturated
            record["cleaned"] = outcome.cleaned
        case Failed():
            record["reason"] = outcome.reason
            del record["href"]
        case Skipped():
            pass
        case _:
            assert_never(outcome)
    return record


def summarize(report: Report, *, dry_run: bool, quiet: bool) -> None:
    """The last lines: what was done, or would be, and how to look at it."""
    if quiet:
        return
    counts = f"{len(report.skipped)} there already, {len(report.failed)} failed"
    if report.lost:
        counts += f", {len(report.lost)} streams lost"
    if dry_run:
        for planned in report.planned:
            size = "size not known" if planned.size is None else megabytes(planned.size)
            if not planned.frames:
                say(f"{planned.stream}: nothing to build; {counts}.")
                continue
            say(
                f"{planned.stream}: would build {_frames(len(planned.frames))} from"
                f" {planned.segments} segments ({size}); {counts}."
            )
        return
    volume = sum(built.size for built in report.built)
    say(f"Built {_frames(len(report.built))} ({megabytes(volume)}), {counts}: {report.address}")
    saturated = [built for built in report.built if built.saturated]
    if saturated:
        pixels = sum(built.saturated for built in saturated)
        say(f"{_frames(len(saturated))} had {pixels} pixels outside 0..65535, set to the nearest.")
    if report.built:
        say(f"Look: rio info {report.built[0].ref.href.removesuffix('.json')}.tif")


def tell_changes(updated: Updated, *, as_json: bool, quiet: bool) -> None:
    """A line a Collection that changed; and one of all, unless it shall be quiet.

    Args:
        updated: What an update did.
        as_json: Have a JSON line a Collection on stdout in place of the lines for people.
        quiet: Say nothing where nothing changed.
    """
    for change in updated.changes:
        if as_json:
            sys.stdout.write(json.dumps(update_report.record(change)) + "\n")
        else:
            say(update_report.line(change))
    if not quiet:
        there = _frames(len(updated.report.skipped))
        count = len(updated.changes)
        changed = f"{count or 'No'} Collection{'s' if count > 1 else ''} changed"
        say(f"{changed}, {there} there already: {updated.report.address}")


def note(text: str, *, quiet: bool) -> None:
    """Something that people should know, and that stops nothing."""
    if not quiet:
        say(f"Note: {text}")


def tell_drawn(address: str, frames: int, size: int, *, quiet: bool) -> None:
    """What was drawn, and where it is."""
    if not quiet:
        volume = megabytes(size) if size >= _MEGABYTE else f"{size / 1000:.0f} kB"
        say(f"Drew {_frames(frames)} ({volume}): {address}")


def list_readings(readings: Iterable[Reading]) -> None:
    """Acquisitions as JSON lines, to stdout."""
    for each in readings:
        sys.stdout.write(json.dumps(time_series.as_record(each)) + "\n")


@contextmanager
def publishing(*, as_json: bool, quiet: bool, verbose: bool) -> Iterator[CopyWatch]:
    """A watcher of a copy: a bar of files, and a line or JSON line a file where asked."""
    bar = progress(_Volume(), quiet=quiet)
    task = bar.add_task("files", total=None, size=0)
    copied = 0

    def watch(event: CopyEvent) -> None:
        nonlocal copied
        match event:
            case Counted():
                bar.update(task, total=event.files)
                return
            case Copied():
                copied += event.size
                word, record = "copied ", {"size": event.size}
            case Kept():
                word, record = "kept   ", {}
            case Removed():
                word, record = "removed", {}
            case _:
                assert_never(event)
        if not isinstance(event, Removed):
            bar.update(task, advance=1, size=copied)
        if verbose:
            bar.console.print(Text(f"{word} {event.key}"))
        if as_json:
            line = {"status": word.strip(), "key": event.key, **record}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    with bar:
        yield watch


def summarize_copy(published: Published, *, dry_run: bool, quiet: bool) -> None:
    """The last line of a copy."""
    if quiet:
        return
    volume = megabytes(sum(each.size for each in published.copied))
    would = "Would copy" if dry_run else "Copied"
    line = f"{would} {_files(len(published.copied))} ({volume}), {published.kept} there already"
    if published.removed:
        line += f", {len(published.removed)} {'to remove' if dry_run else 'removed'}"
    say(f"{line}: {published.address}")
    if published.left:
        say(f"{_files(published.left)} beside the catalog stayed where they are.")


def list_findings(validation: Validation, *, as_json: bool) -> None:
    """What is wrong with a catalog, to stdout: by file, or as JSON lines."""
    console = Console(soft_wrap=True, highlight=False)
    width = max((len(each.rule) for each in validation.findings), default=0)
    by_file = sorted(validation.findings, key=lambda each: each.key)
    for key, findings in groupby(by_file, key=lambda each: each.key):
        if not as_json:
            console.print(Text(key, style="bold"))
        for each in findings:
            if as_json:
                sys.stdout.write(json.dumps(asdict(each)) + "\n")
            else:
                console.print(Text(f"  {each.rule:{width}}  {each.text}"))
    seen = f"{validation.documents} documents"
    if validation.cogs:
        seen += f" and {validation.cogs} COGs"
    for sentence in validation.unchecked:
        say(sentence)
    count = len(validation.findings)
    say(f"Looked at {seen}: {count or 'no'} finding{'' if count == 1 else 's'}.")


def list_frames(frames: Iterable[Frame], *, as_json: bool) -> None:
    """The frames that there are, to stdout: a table, or JSON lines."""
    if as_json:
        for frame in frames:
            sys.stdout.write(json.dumps(_frame_record(frame)) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("frame", justify="right")
    table.add_column("sensing time (UTC)", no_wrap=True)
    table.add_column("baseline")
    table.add_column("cloud %", justify="right")
    table.add_column("nodata %", justify="right")
    for frame in frames:
        table.add_row(
            str(frame.number),
            frame.sensing_time.strftime("%Y-%m-%d %H:%M:%S"),
            frame.baseline,
            _percent(frame.cloud_cover),
            _percent(frame.nodata_percentage),
        )
    Console(highlight=False).print(table)


def list_items(items: Iterable[Mapping[str, Any]]) -> None:
    """Items that were found, to stdout, as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", overflow="fold")
    table.add_column("sensing time (UTC)", no_wrap=True)
    table.add_column("cloud %", justify="right", no_wrap=True)
    for each in items:
        properties = each["properties"]
        table.add_row(
            Text(each["id"]),
            properties["datetime"][:19].replace("T", " "),
            _percent(properties.get("eo:cloud_cover")),
        )
    Console(highlight=False).print(table)


def _frame_record(frame: Frame) -> dict[str, Any]:
    return {
        "frame": frame.number,
        "datetime": timestamp(frame.sensing_time),
        "baseline": frame.baseline,
        "cloud_cover": frame.cloud_cover,
        "nodata_percentage": frame.nodata_percentage,
        "scale": frame.scale,
        "offset": frame.offset,
    }


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}"


def _frames(count: int) -> str:
    return f"{count} frame" if count == 1 else f"{count} frames"


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"


class _Volume(ProgressColumn):
    """Bytes that came in."""

    def render(self, task: Task) -> Text:
        return Text(megabytes(task.fields["size"]), style="progress.download")


class _Pace(ProgressColumn):
    """Frames a second."""

    def render(self, task: Task) -> Text:
        pace = f"{task.speed:.1f}" if task.speed else "-"
        return Text(f"{pace} frames/s", style="progress.data.speed")
