"""What people see while scenes are made in true colour; on stderr, and quiet when told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.text import Text

from stacgen.cli import output
from stacgen.model.outcomes import Pictured, Told


@contextmanager
def painting(tile: str, *, quiet: bool, verbose: bool) -> Iterator[Told]:
    """Progress over the scenes of a tile on a terminal; failures in any case."""
    bar = output.progress(quiet=quiet)
    task = bar.add_task(f"{tile} in true colour", total=None)

    def told(outcome: Pictured, count: int) -> None:
        bar.update(task, total=count, advance=1)
        if outcome.has_failed:
            bar.console.print(Text(f"FAILED  {outcome.id}: {outcome.reason}", style="red"))
        elif outcome.reason and not quiet:
            bar.console.print(
                Text(f"Note: {outcome.id} is left out: {outcome.reason}", style="yellow")
            )
        elif verbose and not quiet:
            done = "skipped" if outcome.size is None else "made   "
            size = "" if outcome.size is None else f"  {output.megabytes(outcome.size)}"
            bar.console.print(Text(f"{done} {outcome.id}{size}"))

    with bar:
        yield told


def summarize(outcomes: Sequence[Pictured], *, quiet: bool) -> None:
    """The last lines: how many pictures were made, and how to look at them."""
    if quiet:
        return
    made = [each for each in outcomes if each.size is not None]
    failed = sum(each.has_failed for each in outcomes)
    without = sum(bool(each.reason) for each in outcomes) - failed
    there = len(outcomes) - len(made) - failed - without
    volume = output.megabytes(sum(each.size or 0 for each in made))
    pictures = "1 picture" if len(made) == 1 else f"{len(made)} pictures"
    output.say(
        f"Made {pictures} ({volume}), {there} there already, {without} without the bands,"
        f" {failed} failed."
    )
    if made:
        output.say(f"Look: rio info {made[0].href.removesuffix('.json')}_visual.tif")
