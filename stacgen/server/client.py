"""The STAC API over a mirror: landing page, Collections, Items and search.

A query that the server does not know is refused (400), never passed over: an answer that ignores a
part of the question is wrong.
"""

import base64
import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any
from urllib.parse import urlencode

import attr
from fastapi import HTTPException
from stac_fastapi.api.models import GeoJSONResponse
from stac_fastapi.types.core import BaseCoreClient
from stac_fastapi.types.errors import NotFoundError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stacgen import layout, mirror, query, selection, stac
from stacgen.errors import UsageError
from stacgen.mirror import Answer
from stacgen.query import BY_TIME, Query, SortKey
from stacgen.server import fields
from stacgen.server.holdings import Holdings, Snapshot

_PAGE = 10
_OF_ROOT = ("id", "title", "description", "stac_version")
_SEARCH = frozenset(
    ("bbox", "collections", "datetime", "fields", "ids", "intersects", "limit", "sortby", "token")
)
_ITEMS = frozenset(("bbox", "collections", "datetime", "limit", "token"))


@attr.s
class Client(BaseCoreClient):
    """Answers what stac-fastapi has understood."""

    holdings: Holdings = attr.ib(kw_only=True)
    base_url: str | None = attr.ib(kw_only=True, default=None)
    """Where the server is public; None for the address that it was asked at."""

    def landing_page(self, **rest: Any) -> Any:  # noqa: ANN401 - stac-fastapi's
        """The root, with links to what else there is."""
        request: Request = rest["request"]
        _refuse_unknown(request, frozenset())
        now, base = self.holdings.now(), self._base(request)
        page: dict[str, Any] = {**self._landing_page(f"{base}/", self.conformance_classes(), [])}
        page |= {name: now.root[name] for name in _OF_ROOT if name in now.root}
        page["links"] += [
            _link("service-desc", f"{base}/api", "application/vnd.oai.openapi+json;version=3.0"),
            _link("service-doc", f"{base}/api.html", "text/html"),
            *(
                _link("child", f"{base}/collections/{name}", title=document.get("title"))
                for name, (_, document) in now.collections.items()
            ),
        ]
        return JSONResponse(page)

    def conformance(self, **rest: Any) -> Any:  # noqa: ANN401
        """What the server conforms to."""
        _refuse_unknown(rest["request"], frozenset())
        return super().conformance(**rest)

    def all_collections(self, **rest: Any) -> Any:  # noqa: ANN401
        """Every Collection."""
        request: Request = rest["request"]
        _refuse_unknown(request, frozenset())
        now, base = self.holdings.now(), self._base(request)
        found = [_collection(*each, base) for each in now.collections.values()]
        links = [_link("self", f"{base}/collections"), _link("root", f"{base}/")]
        return _json({"collections": found, "links": links})

    def get_collection(self, collection_id: str, **rest: Any) -> Any:  # noqa: ANN401
        """One Collection."""
        request: Request = rest["request"]
        _refuse_unknown(request, frozenset())
        place = _place(self.holdings.now(), collection_id)
        return _json(_collection(*place, self._base(request)))

    def get_item(self, item_id: str, collection_id: str, **rest: Any) -> Any:  # noqa: ANN401
        """One Item."""
        request: Request = rest["request"]
        _refuse_unknown(request, frozenset())
        now, base = self.holdings.now(), self._base(request)
        _place(now, collection_id)
        asked = Query(ids=(item_id,), collections=(collection_id,))
        for document in mirror.answer(now.mirror, asked).documents(slice(0, 1), base):
            return GeoJSONResponse(_served(document, base))
        raise NotFoundError(f"There is no Item {item_id} in {collection_id}.")

    def item_collection(  # type: ignore[override]
        self,
        collection_id: str,
        **rest: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """The Items of a Collection, a page of them."""
        request: Request = rest.pop("request")
        _refuse_unknown(request, _ITEMS)
        if request.query_params.get("collections", collection_id) != collection_id:
            raise HTTPException(400, f"These are the Items of {collection_id} and of no other.")
        _place(self.holdings.now(), collection_id)
        return self._search(request, {**rest, "collections": [collection_id]}, None)

    def get_search(  # type: ignore[override]
        self,
        **rest: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """A search by the query of a URL."""
        request: Request = rest.pop("request")
        _refuse_unknown(request, _SEARCH)
        if rest.get("intersects"):
            rest["intersects"] = _parsed(rest["intersects"])
        # A plus that was not written as %2B came as a space.
        keys = [each.strip() for each in rest.get("sortby") or ()]
        rest["sortby"] = [(each.lstrip("+-"), each.startswith("-")) for each in keys]
        rest["fields"] = fields.parse(rest["fields"]) if rest.get("fields") else None
        return self._search(request, rest, None)

    def post_search(self, search_request: Any, **rest: Any) -> Any:  # noqa: ANN401
        """A search by a JSON body."""
        request: Request = rest["request"]
        _refuse_unknown(request, frozenset())
        asked = search_request.model_dump(mode="json", exclude_unset=True)
        body = dict(asked)
        asked["sortby"] = [
            (each["field"], each["direction"] == "desc") for each in asked.get("sortby") or ()
        ]
        chosen = asked.get("fields")
        asked["fields"] = fields.Chosen.of(chosen) if chosen else None
        return self._search(request, asked, body)

    def _base(self, request: Request) -> str:
        return (self.base_url or str(request.base_url)).rstrip("/")

    def _search(
        self, request: Request, asked: Mapping[str, Any], body: dict[str, Any] | None
    ) -> Response:
        """A page of the Items that answer, with links to the next and the one before."""
        now, base = self.holdings.now(), self._base(request)
        try:
            answer = mirror.answer(now.mirror, _query(asked))
        except UsageError as error:
            raise HTTPException(400, str(error)) from error
        except (RecursionError, OverflowError) as error:
            raise HTTPException(400, "The geometry to intersect is no GeoJSON.") from error
        limit = asked.get("limit") or _PAGE
        start = _begin(asked.get("token"), answer)
        documents = answer.documents(slice(start, start + limit), base)
        links = [_link("root", f"{base}/"), _link("self", _own(request, base), stac.GEOJSON)]
        if start + limit < len(answer):
            links.append(_turn("next", _token(documents[-1], start + limit), request, base, body))
        if start > 0:
            before = max(0, start - limit)
            ahead = answer.documents(slice(before - 1, before), base) if before else []
            token = _token(ahead[0], before) if ahead else _token(None, 0)
            links.append(_turn("prev", token, request, base, body))
        features: Iterable[dict[str, Any]] = (_served(each, base) for each in documents)
        chosen: fields.Chosen | None = asked.get("fields")
        if chosen is not None:
            features = map(chosen.of_document, features)
        return GeoJSONResponse(
            {
                "type": "FeatureCollection",
                "features": list(features),
                "links": links,
                "numberMatched": len(answer),
                "numberReturned": len(documents),
            }
        )


def _refuse_unknown(request: Request, known: frozenset[str]) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    unknown = sorted(set(names) - known)
    if unknown:
        raise HTTPException(400, f"This server does not know the query {', '.join(unknown)}.")
    if len(names) > len(set(names)):
        raise HTTPException(400, "A query comes twice.")


def _place(now: Snapshot, collection_id: str) -> tuple[str, stac.Document]:
    if collection_id not in now.collections:
        raise NotFoundError(f"There is no Collection {collection_id}.")
    return now.collections[collection_id]


def _query(asked: Mapping[str, Any]) -> Query:
    """The question that a request puts; what stac-fastapi has not checked is checked here."""
    interval = asked.get("datetime")
    start, end = selection.parse_interval(interval) if interval else (None, None)
    bbox: Sequence[float] | None = asked.get("bbox")
    order = tuple(
        SortKey(field=name.removeprefix("properties."), descending=descending)
        for name, descending in asked.get("sortby") or ()
    )
    return Query(
        bbox=None if bbox is None else query.parse_bbox(bbox),
        intersects=asked.get("intersects"),
        start=start,
        end=end,
        collections=_tuple(asked.get("collections")),
        ids=_tuple(asked.get("ids")),
        order=order or BY_TIME,
    )


def _tuple(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _parsed(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # brackets, thousands deep
        raise HTTPException(400, "The geometry to intersect is no JSON.") from error


def _token(last: Mapping[str, Any] | None, place: int) -> str:
    """Where a page begins: after an Item, and at that place if the Item should be gone."""
    named = [place] if last is None else [place, last["collection"], last["id"]]
    return base64.urlsafe_b64encode(json.dumps(named).encode()).decode().rstrip("=")


def _begin(token: str | None, answer: Answer) -> int:
    """The place that a token means; Items that came in between shift no page."""
    if token is None:
        return 0
    try:
        padded = token + "=" * (-len(token) % 4)
        place, *named = json.loads(base64.urlsafe_b64decode(padded))
        place = range(1 << 40).index(operator.index(place))  # of a float it would try them all
        if not named:
            return place
        collection, item_id = named
        found = answer.place_of(str(collection), str(item_id))
    except (ValueError, TypeError, RecursionError) as error:
        raise HTTPException(400, "This server gave no such token.") from error
    return place if found is None else found + 1


def _turn(
    rel: str, token: str, request: Request, base: str, body: dict[str, Any] | None
) -> dict[str, Any]:
    """The link to another page, which asks the same in the same way."""
    if body is not None:
        link = _link(rel, f"{base}{request.url.path}", stac.GEOJSON)
        return {**link, "method": "POST", "body": {**body, "token": token}}
    asked = {**request.query_params, "token": token}
    link = _link(rel, f"{base}{request.url.path}?{urlencode(asked)}", stac.GEOJSON)
    return {**link, "method": "GET"}


def _own(request: Request, base: str) -> str:
    asked = f"?{request.url.query}" if request.url.query else ""
    return f"{base}{request.url.path}{asked}"


def _link(
    rel: str, href: str, kind: str = stac.JSON, *, title: str | None = None
) -> dict[str, Any]:
    link = {"rel": rel, "type": kind, "href": href}
    return link if title is None else {**link, "title": title}


def _served(document: stac.Document, base: str) -> stac.Document:
    """An Item whose links lead through the API; its assets are the catalog's files."""
    home = f"{base}/collections/{document['collection']}"
    own = f"{home}/items/{document['id']}"
    others = [
        link
        for link in document["links"]
        if link["rel"] not in ("self", "root", "parent", "collection")
    ]
    static = next(link["href"] for link in document["links"] if link["rel"] == "self")
    document["links"] = [
        _link("self", own, stac.GEOJSON),
        _link("root", f"{base}/"),
        _link("parent", home),
        _link("collection", home),
        _link("alternate", static, stac.GEOJSON, title="The Item's file"),
        *others,
    ]
    return document


def _collection(key: str, document: stac.Document, base: str) -> stac.Document:
    """A Collection whose links lead through the API."""
    document = deepcopy(document)
    home = f"{base}/collections/{document['id']}"
    document["links"] = [
        _link("self", home),
        _link("root", f"{base}/"),
        _link("parent", f"{base}/"),
        _link("items", f"{home}/items", stac.GEOJSON),
        _link("alternate", f"{base}/{key}", title="The Collection's file"),
        *(link for link in document["links"] if "://" in link["href"] and link["rel"] != "self"),
    ]
    for asset in document.get("assets", {}).values():
        if "://" not in asset["href"]:
            asset["href"] = f"{base}/{layout.target(key, asset['href'])}"
    return document


def _json(document: dict[str, Any]) -> Response:
    return JSONResponse(document)
