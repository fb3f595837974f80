"""How readers are to draw an Item or a Collection: `renders` of the render extension. Pure.

All bands share one fixed range of reflectance, so that dates and bands compare, and bands that are
drawn together keep their colours. titiler answers `/stac/renders` with them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stacgen.model.bands import BANDS
from stacgen.model.raster import Reflectance
from stacgen.stac import visual

Renders = dict[str, dict[str, Any]]
"""By name; `rescale` is `[[lowest, highest]]` in digital numbers, one pair per asset."""

BRIGHTEST = 0.4
"""Reflectance that is drawn as white: above bare soil, which clouds and snow exceed."""


def of_item(assets: Mapping[str, Mapping[str, Any]]) -> Renders:
    """Renders of an Item that has some assets; the range is that of its own scale and offset.

    >>> of_item({"B09": {"raster:scale": 0.0001, "raster:offset": -0.1}})["grey"]["rescale"]
    [[1000, 5000]]
    """

    def span(name: str) -> tuple[int, int]:
        asset = assets[name]
        return _span(Reflectance(scale=asset["raster:scale"], offset=asset["raster:offset"]))

    return _renders(assets, span)


def of_collection(assets: Iterable[str], baselines: Iterable[str]) -> Renders:
    """Renders of a Collection whose Items have assets of these names and are of these baselines.

    Where baselines mix, the range holds those of all.

    >>> of_collection(["B09"], ["02.14", "05.11"])["grey"]["rescale"]
    [[0, 5000]]
    """
    spans = [_span(Reflectance.of(each)) for each in baselines]
    return _renders(
        assets, lambda _: (min(low for low, _ in spans), max(high for _, high in spans))
    )


def _renders(assets: Iterable[str], span: Callable[[str], tuple[int, int]]) -> Renders:
    names = set(assets)

    def of_bands(title: str, *bands: str) -> dict[str, Any]:
        return {
            "title": f"{title}, reflectance 0 to {BRIGHTEST:g}",
            "assets": list(bands),
            "rescale": [list(span(name)) for name in bands],
        }

    found = {}
    if visual.KEY in names:
        found["visual"] = {"title": "True colour", "assets": [visual.KEY]}
    if names.issuperset(visual.BANDS_SHOWN):
        found["true-colour"] = of_bands("Red, green, blue", *visual.BANDS_SHOWN)
    if not found:
        name = next(name for name in (*visual.BANDS_SHOWN, *BANDS) if name in names)
        found["grey"] = of_bands(BANDS[name].description, name)
    return found


def _span(reflectance: Reflectance) -> tuple[int, int]:
    """Digital numbers that are drawn as black and as white."""
    low, high = (
        round((each - reflectance.offset) / reflectance.scale) for each in (0.0, BRIGHTEST)
    )
    return low, high
