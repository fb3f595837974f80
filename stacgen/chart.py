"""Charts of a Collection over time, as PNG or SVG; the only door to matplotlib.

On a light ground, in colours that everyone can tell apart, in letters that a phone can show. The
same numbers give the same bytes.
"""

import io
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from stacgen.series import Reading

_BLUE, _GREEN = "#0072b2", "#007a5a"
_INK, _FAINT, _GRID = "#1a1f26", "#5c6873", "#dde2e7"
_STYLE: Any = {
    "font.size": 13,
    "font.family": "DejaVu Sans",  # which comes with matplotlib
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "svg.hashsalt": "stacgen",  # names of parts, which would be random
}
_SIZE = (8.0, 6.0)
_DOTS = 160
"""An inch; so a PNG is 1280 pixels wide."""

_CLEAR = 20.0
"""Percent of cloud up to which acquisitions are joined by a line."""

_COVERED = 50.0
"""Percent of the place that an acquisition must show to be drawn."""

_FAINTEST = 0.15
"""Opacity of a marker where the tile is all cloud."""


def of_sky(readings: Sequence[Reading], *, title: str, about: str, kind: str) -> bytes:
    """Cloud cover and share of valid pixels over time, one above the other.

    Args:
        readings: By time.
        title: Of what.
        about: Where it comes from; may be empty.
        kind: `png` or `svg`.
    """
    with mpl.rc_context(_STYLE):
        figure = _figure()
        above, below = figure.subplots(2, 1, sharex=True)
        _stems(above, [(each, each.cloud) for each in readings], "Cloud cover (%)", _BLUE, "o")
        _stems(below, [(each, each.valid) for each in readings], "Valid pixels (%)", _GREEN, "s")
        _dress(above, below, title=title, subtitle=_acquisitions(readings), about=about)
        return _rendered(figure, kind)


def of_place(
    readings: Sequence[Reading], *, title: str, place: str, about: str, kind: str
) -> bytes:
    """The mean at a place over time: reflectance where it was asked for, else digital numbers.

    Markers of cloudy acquisitions are faint; a line joins the clear ones. Those whose footprint
    holds less than half of the place are left out.

    Args:
        readings: By time, all measured.
        title: Of what.
        place: What was measured, `13.9° N 10.5° W`.
        about: Where it comes from; may be empty.
        kind: `png` or `svg`.
    """
    known = [(each, value) for each in readings if (value := _value(each)) is not None]
    with mpl.rc_context(_STYLE):
        figure = _figure()
        axes = figure.subplots()
        clear = [pair for pair in known if pair[0].cloud is not None and pair[0].cloud <= _CLEAR]
        axes.plot(*_points(clear), color=_BLUE, linewidth=1.2, alpha=0.5, zorder=2)
        for each, value in known:
            axes.plot([_moment(each)], [value], linestyle="", zorder=3, **_marker(each.cloud))
        is_reflectance = any(
            each.measured is not None and each.measured.reflectance is not None for each in readings
        )
        axes.set_ylabel(
            "Surface reflectance (no unit)" if is_reflectance else "Digital number (DN)"
        )
        axes.margins(y=0.08)
        missing = len(readings) - len(known)
        note = f", {missing} of them show too little of it" if missing else ""
        subtitle = f"{place}; {_acquisitions(readings)}{note}"
        _dress(axes, axes, title=title, subtitle=subtitle, about=about)
        clouds = [
            0.0,
            50.0,
            100.0,
            *([None] if any(each.cloud is None for each, _ in known) else []),
        ]
        axes.legend(
            [Line2D([], [], linestyle="", **_marker(cloud)) for cloud in clouds],
            ["unknown" if cloud is None else f"{cloud:.0f} %" for cloud in clouds],
            title=f"Cloud cover of the tile (line: up to {_CLEAR:.0f} %)",
            loc="upper center",
            bbox_to_anchor=(0.5, -0.13),
            ncols=len(clouds),
            frameon=False,
            fontsize=12,
            title_fontsize=12,
        )
        return _rendered(figure, kind)


def _figure() -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.06)
    return Figure(_SIZE, layout=layout)


def _value(reading: Reading) -> float | None:
    measured = reading.measured
    if measured is None or measured.covered < _COVERED:
        return None
    return measured.mean if measured.reflectance is None else measured.reflectance


def _moment(reading: Reading) -> Any:  # noqa: ANN401 - matplotlib's dates have no type of their own
    """In UTC without a zone, which is what the axis then shows."""
    return reading.moment.astimezone(UTC).replace(tzinfo=None)


def _points(pairs: Sequence[tuple[Reading, float]]) -> tuple[list[Any], list[float]]:
    return [_moment(each) for each, _ in pairs], [value for _, value in pairs]


def _marker(cloud: float | None) -> dict[str, Any]:
    """Filled, the fainter the cloudier; a hollow diamond where the cloud is not known."""
    if cloud is None:
        return {"marker": "D", "markersize": 7, "color": _BLUE, "fillstyle": "none"}
    opacity = 1 - (1 - _FAINTEST) * cloud / 100
    return {
        "marker": "o",
        "markersize": 9,
        "markerfacecolor": (_BLUE, opacity),
        "markeredgecolor": (_BLUE, max(opacity, 0.35)),
    }


def _stems(
    axes: Axes,
    pairs: Sequence[tuple[Reading, float | None]],
    label: str,
    color: str,
    marker: str,
) -> None:
    known = [(each, value) for each, value in pairs if value is not None]
    moments, values = _points(known)
    axes.vlines(moments, 0, values, color=color, linewidth=1.5, alpha=0.45)
    axes.plot(
        moments, values, linestyle="", marker=marker, markersize=6, color=color, clip_on=False
    )
    axes.set_ylim(0, 100)
    axes.set_yticks(range(0, 101, 25))
    axes.set_ylabel(label)
    if len(known) < len(pairs):
        axes.set_title(
            f"not known of {len(pairs) - len(known)}", loc="right", fontsize=11, color=_FAINT
        )


def _dress(top: Axes, bottom: Axes, *, title: str, subtitle: str, about: str) -> None:
    """Title, axis of time, and origin."""
    figure = top.figure
    figure.suptitle(title, x=0.02, ha="left", fontsize=17, fontweight="bold")
    top.set_title(subtitle, loc="left", fontsize=12, color=_FAINT, pad=8)
    locator = AutoDateLocator(minticks=4, maxticks=9)
    bottom.xaxis.set_major_locator(locator)
    bottom.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    bottom.set_xlabel("Sensing time (UTC)")
    if about:
        figure.supxlabel(about, x=0.98, ha="right", fontsize=10, color=_FAINT)


def _acquisitions(readings: Sequence[Reading]) -> str:
    return "1 acquisition" if len(readings) == 1 else f"{len(readings)} acquisitions"


def _rendered(figure: Figure, kind: str) -> bytes:
    out = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(out, format=kind, dpi=_DOTS, facecolor="white", metadata=metadata)
    return out.getvalue()
