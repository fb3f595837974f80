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

from stacgen.model.time_series import Reading

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


def has_points(readings: Sequence[Reading], *, at_place: bool) -> bool:
    """True if `of_place`, or else `of_sky`, has anything to draw of these acquisitions."""
    if at_place:
        return any(_value(each) is not None for each in readings)
    return any(each.cloud is not None or each.valid is not None for each in readings)


def of_sky(readings: Sequence[Reading], *, title: str, about: str, kind: str) -> bytes:
    """Cloud cover and share of valid pixels over time, one above the other.

    A panel is left out where no acquisition says anything; the subtitle then says so.

    Args:
        readings: By time; `has_points` holds.
        title: Of what.
        about: Where it comes from; may be empty.
        kind: `png` or `svg`.
    """
    with mpl.rc_context(_STYLE):
        figure = _figure()
        panels = [
            ("Cloud cover", [(each, each.cloud) for each in readings], _BLUE, "o"),
            ("Valid pixels", [(each, each.valid) for each in readings], _GREEN, "s"),
        ]
        drawn = [panel for panel in panels if any(value is not None for _, value in panel[1])]
        subtitle = "; ".join(
            [
                _acquisitions(readings),
                *(f"{panel[0].lower()} unknown" for panel in panels if panel not in drawn),
            ]
        )
        axes = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
        for each, (label, pairs, color, marker) in zip(axes, drawn, strict=True):
            _stems(each, pairs, f"{label} (%)", color, marker)
        _dress(axes[0], axes[-1], title=title, subtitle=subtitle, about=about)
        return _rendered(figure, kind)


def of_place(
    readings: Sequence[Reading], *, title: str, place: str, about: str, kind: str
) -> bytes:
    """The mean at a place over time: reflectance where it was asked for, else digital numbers.

    Markers of cloudy acquisitions are faint; a line joins the clear ones. Those whose footprint
    holds less than half of the place are left out.

    Args:
        readings: By time, all measured; `has_points` holds.
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
        _explain_markers(axes, [each.cloud for each, _ in known], has_line=len(clear) > 1)
        return _rendered(figure, kind)


def _explain_markers(axes: Axes, clouds: Sequence[float | None], *, has_line: bool) -> None:
    """A legend of the markers that acquisitions of such cloud cover have."""
    shown: list[float | None] = []
    if any(cloud is not None for cloud in clouds):
        shown += [0.0, 50.0, 100.0]
    if None in clouds:
        shown.append(None)
    axes.legend(
        [Line2D([], [], linestyle="", **_marker(cloud)) for cloud in shown],
        ["unknown" if cloud is None else f"{cloud:.0f} %" for cloud in shown],
        title="Cloud cover of the tile" + (f" (line: up to {_CLEAR:.0f} %)" if has_line else ""),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
        ncols=len(shown),
        frameon=False,
        fontsize=12,
        title_fontsize=12,
    )


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
            f"unknown of {len(pairs) - len(known)}", loc="right", fontsize=11, color=_FAINT
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
