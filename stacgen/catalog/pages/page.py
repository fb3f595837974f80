"""Pages for people, as documents are for programs; Jinja2 is used here and nowhere else. Pure."""

import json
import math
import posixpath
import shlex
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from stacgen.catalog.pages import item_summary
from stacgen.catalog.pages.item_summary import Card
from stacgen.catalog.pages.svg import SPAN, WIDTH, Bbox, Map, dots
from stacgen.model.stream import timestamp
from stacgen.stac import layout, stac_json, visual

if TYPE_CHECKING:
    from jinja2 import Environment

    from stacgen.stac.geoparquet import Listed

_BROWSER = "https://radiantearth.github.io/stac-browser/#/external/"

_COLORS = [f"{visual.KEY}.{number}" for number in (1, 2, 3)]
"""Names of red, green and blue to odc-stac; by the asset alone it reads red only."""

_WORLD: Bbox = (-180, -60, 180, 75)
"""Shown where there is no Collection."""

_CLEAR = 20
"""Percent of cloud up to which a snippet takes frames, if there are any."""

_WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "python": json.dumps,
    "vsi-python": lambda place: json.dumps(_vsi(place)),
    "vsi-bash": lambda place: shlex.quote(_vsi(place)),
}
"""How an address stands in a snippet; `page.js` writes them anew where only it knows them."""


def collection(
    document: stac_json.Document,
    items: Iterable[stac_json.Document],
    *,
    key: str,
    outline: Mapping[str, Any],
    base_url: str | None,
) -> bytes:
    """The page of a Collection; the same documents in any order give the same bytes.

    Args:
        document: The Collection.
        items: All of it, at least one.
        key: Of the Collection.
        outline: The tile as a GeoJSON geometry in degrees.
        base_url: Where the catalog is public, if that is known; else the page finds out where it
            is read.
    """
    items = list(items)
    shown = sorted(map(item_summary.of_item, items), key=lambda card: (card.moment, card.id))
    pick = min(shown, key=_murk)
    unknown = sum(card.cloud is None for card in shown)
    around = Map.around(document["extent"]["spatial"]["bbox"][0], margin=0.35)
    ground: dict[str, int] = {}
    numbers = [ground.setdefault(around.path(card.geometry), len(ground)) for card in shown]
    patterns: dict[tuple[tuple[str, str], ...], int] = {}
    forms = [patterns.setdefault(card.patterns, len(patterns)) for card in shown]
    lines, labels = around.graticule()
    first, last = shown[0].moment, shown[-1].moment
    return _render(
        "collection.html.j2",
        base=_folder_url(base_url, key),
        browser=_browser(base_url, key),
        document=document,
        root=layout.href(key, layout.PAGE),
        years=[
            (year, list(rows))
            for year, rows in groupby(
                item_summary.rows(shown, numbers, forms), lambda row: row.stamp[:4]
            )
        ],
        count=len(shown),
        unknown=unknown,
        pick=pick,
        patterns=json.dumps([dict(each) for each in patterns]),
        bands=pick.bands,
        loaded=_COLORS if pick.bands == [visual.KEY] else pick.bands,
        grid=_grid(next(item for item in items if item["id"] == pick.id), pick),
        clear=max(_CLEAR, math.ceil(pick.cloud or 0)),
        reflectance=_common({card.reflectance for card in shown}),
        around=around,
        outline=around.path(outline),
        ground=list(ground),
        graticule=lines,
        labels=labels,
        points=dots([(c.moment, c.cloud) for c in shown if c.cloud is not None], first, last),
        first=first,
        last=last,
    )


def root(
    document: stac_json.Document, collections: "Iterable[Listed]", *, base_url: str | None
) -> bytes:
    """The page of the root, from its document and what its table says of the Collections.

    `base_url` is that of `collection`.
    """
    listed = sorted(collections, key=lambda each: each.key)
    groups = [(name, list(group)) for name, group in groupby(listed, lambda each: each.group)]
    boxes = {name: group[0].bbox for name, group in groups}
    around = Map.around(_hull(boxes.values() or [_WORLD]), margin=0.2, least=6)
    lines, labels = around.graticule()
    return _render(
        "root.html.j2",
        base=_folder_url(base_url, layout.ROOT),
        browser=_browser(base_url, layout.ROOT),
        document=document,
        groups=groups,
        count=sum(each.count for each in listed),
        collections=len(listed),
        around=around,
        tiles=[around.box(box) for box in boxes.values()],
        graticule=lines,
        labels=labels,
    )


def load() -> None:
    """Load Jinja2 and the templates, so that drawing need not."""
    for name in ("collection.html.j2", "root.html.j2"):
        _environment().get_template(name)


def _render(name: str, *, base: str, **values: object) -> bytes:
    text: str = (
        _environment()
        .get_template(name)
        .render(
            style=_source("page.css"),
            script=_source("page.js"),
            policy=_policy(),
            base=base,
            here=lambda href, how: _WRITTEN[how](f"{base}{href}"),
            **values,
        )
    )
    return text.encode()


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    """Everything that is put in is escaped, and a name that is not given is an error."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415 - few need it

    made = Environment(
        autoescape=True,
        loader=FunctionLoader(_source),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "bash": shlex.quote,
        "day": item_summary.day,
        "page": lambda key: quote(layout.page_key(key)),
        "path": quote,
        "number": _number,
        "python": json.dumps,
        "timestamp": timestamp,
        "web": _web,
    }
    made.globals |= {"SPAN": SPAN, "WIDTH": WIDTH, "links": stac_json.links}
    return made


@lru_cache(maxsize=8)
def _source(name: str) -> str:
    return files("stacgen.catalog.pages").joinpath("templates", name).read_text("utf-8")


@lru_cache(maxsize=1)
def _policy() -> str:
    """A content security policy: this style, this script, pictures beside the page, no more."""
    style, script = (
        b64encode(sha256(_source(name).encode()).digest()).decode()
        for name in ("page.css", "page.js")
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}';"
        " img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )


def _murk(card: Card) -> tuple[int, bool, bool, float]:
    """How little an Item shows of bands and ground, to find the one that shows most.

    One whose cloud is not known comes after those of which it is.
    """
    hidden = (card.cloud or 0) + 2 * (card.nodata or 0)
    return -len(card.assets), card.thumbnail is None, card.cloud is None, hidden


def _grid(item: stac_json.Document, card: Card) -> str:
    """Arguments for odc-stac that ask for the finest pixels of an Item on their own grid."""
    found = {item["assets"][name].get("gsd") for name in card.bands} - {None}
    anchor = ', anchor="edge"' if len(found) > 1 else ""
    return f", resolution={min(found):g}{anchor}" if found else ""


def _common(values: set[tuple[float, float] | None]) -> tuple[float, float] | None:
    """Scale and offset, if all Items have the same."""
    return next(iter(values)) if len(values) == 1 else None


def _hull(boxes: Iterable[Bbox]) -> Bbox:
    """The box around boxes; one across the antimeridian goes on beyond 180."""
    wests, souths, easts, norths = zip(
        *((w, s, e + 360 * (w > e), n) for w, s, e, n in boxes), strict=True
    )
    return min(wests), min(souths), max(easts), max(norths)


def _folder_url(base_url: str | None, key: str) -> str:
    """Where the page of a document is public; empty where that is not known, or no web address."""
    if base_url is None or urlsplit(base_url).scheme not in ("http", "https"):
        return ""
    return posixpath.join(base_url.rstrip("/"), quote(posixpath.dirname(key)), "")


def _browser(base_url: str | None, key: str) -> str:
    """The document in the public STAC Browser, which leaves `https://` out of its own addresses."""
    folder = _folder_url(base_url, key)
    if not folder:
        return ""
    scheme, _, rest = folder.partition("://")
    prefix = "" if scheme == "https" else f"{scheme}:/"
    return f"{_BROWSER}{prefix}{rest}{posixpath.basename(key)}"


def _vsi(place: str) -> str:
    """As GDAL opens it."""
    return f"/vsicurl/{place}" if place.startswith("http") else place


def _web(href: str) -> str:
    """A link that leads to the web, or nowhere: no `javascript:` comes out of a document."""
    return href if urlsplit(href).scheme in ("http", "https") else ""


def _number(value: float) -> str:
    return f"{value:,}"
