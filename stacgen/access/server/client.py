"""The STAC API over tables: landing page, Collections, Items and search.

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
from stac_fastapi.api.models import GeoJSONResponse, JSONSchemaResponse
from stac_fastapi.extensions.filter.client import BaseFiltersClient
from stac_fastapi.types.core import BaseCoreClient
from stac_fastapi.types.errors import NotFoundError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stacgen.access.server import collections, fields, filters, openapi
from stacgen.access.server.holdings import Holdings, Snapshot
from stacgen.errors import UsageError
from stacgen.model import query, selection
from stacgen.model.query import BY_TIME, Query, SortKey
from stacgen.model.queryables import QUERYABLES
from stacgen.stac import layout, stac_json
from stacgen.stac.geoparquet import Answer

_PAGE = 10
_OF_ROOT = ("id", "title", "description", "stac_version")
_SEARCH = frozenset(
    (
        *("bbox", "collections", "datetime", "fields", "filter", "filter-crs", "filter-lang"),
        *("ids", "intersects", "limit", "query", "sortby", "token"),
    )
)
_ITEMS = _SEARCH - {"ids", "intersects"}
_COLLECTIONS = frozenset(("bbox", "datetime", "fields", "limit", "q", "sortby", "token"))

_QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"

_STAC = "https://api.stacspec.org"
_OGC = "http://www.opengis.net/spec"
_CONFORMS = (
    *(f"{_STAC}/v1.0.0/{name}" for name in ("core", "collections", "ogcapi-features")),
    f"{_STAC}/v1.0.0/item-search",
    *(
        f"{_STAC}/v1.0.0/{base}#{name}"
        for base in ("item-search", "ogcapi-features")
        for name in ("fields", "query", "sort")
    ),
    *(f"{_STAC}/v1.1.0/{base}#sort" for base in ("item-search", "ogcapi-features")),
    *(f"{_STAC}/{version}/item-search#filter" for version in ("v1.0.0-rc.2", "v1.0.0")),
    *(f"{_STAC}/v1.0.0-rc.1/collection-search{name}" for name in ("", "#fields", "#free-text")),
    f"{_STAC}/v1.1.0/collection-search#sort",
    f"{_OGC}/ogcapi-common-2/1.0/conf/simple-query",
    *(f"{_OGC}/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "geojson")),
    *(
        f"{_OGC}/ogcapi-features-3/1.0/conf/{name}"
        for name in ("features-filter", "filter", "queryables")
    ),
    *(
        f"{_OGC}/cql2/1.0/conf/{name}"
        for name in (
            *("advanced-comparison-operators", "basic-cql2", "basic-spatial-functions"),
            *("basic-spatial-functions-plus", "cql2-json", "cql2-text", "property-property"),
            *("spatial-functions", "temporal-functions"),
        )
    ),
)
"""What the server conforms to. Not `conf/oas30`: its OpenAPI document is of version 3.1."""


@attr.s
class Client(BaseCoreClient, BaseFiltersClient):
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
            _link("service-desc", f"{base}/api", openapi.MEDIA_TYPE),
            _link("service-doc", f"{base}/api.html", "text/html"),
            _link(_QUERYABLES, f"{base}/queryables", stac_json.SCHEMA, title="Queryables"),
            *(
                _link("child", f"{base}/collections/{name}", title=document.get("title"))
                for name, (_, document) in now.collections.items()
            ),
        ]
        return JSONResponse(page)

    def conformance_classes(self) -> list[str]:
        """See `_CONFORMS`."""
        return sorted(_CONFORMS)

    def conformance(self, **rest: Any) -> Any:  # noqa: ANN401
        """What the server conforms to."""
        _refuse_unknown(rest["request"], frozenset())
        return super().conformance(**rest)

    def get_queryables(self, collection_id: str | None = None, **rest: Any) -> Any:  # noqa: ANN401
        """The properties that filters may compare, as a JSON Schema; those of all are the same."""
        request: Request = rest["request"]
        _refuse_unknown(request, frozenset())
        if collection_id is not None:
            _check_known(self.holdings.now(), collection_id)
        return JSONSchemaResponse(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$id": f"{self._base(request)}{request.url.path}",
                "type": "object",
                "title": f"Queryables of {collection_id or 'all Collections'}",
                "properties": {name: each.schema for name, each in QUERYABLES.items()},
                "additionalProperties": False,
            }
        )

    def all_collections(self, **rest: Any) -> Any:  # noqa: ANN401
        """The Collections that answer, all of them unless there is a limit."""
        request: Request = rest.pop("request")
        _refuse_unknown(request, _COLLECTIONS)
        now, base = self.holdings.now(), self._base(request)
        asked = _from_url(request, rest)
        found = collections.select(
            [document for _, document in now.collections.values()],
            query=_query({name: asked.get(name) for name in ("bbox", "datetime")}),
            terms=asked.get("q") or (),
            order=asked["sortby"],
        )
        names = [document["id"] for document in found]
        start, limit = collections.begin(asked.get("token"), names), asked.get("limit")
        part = slice(start, None if limit is None else start + limit)
        links = [_link("self", _own(request, base)), _link("root", f"{base}/")]
        if part.stop is not None and part.stop < len(names):
            links.append(_turn("next", names[part.stop - 1], request, base, None, stac_json.JSON))
        if start > 0 and limit is not None:
            before = max(0, start - limit)
            token = names[before - 1] if before else ""
            links.append(_turn("prev", token, request, base, None, stac_json.JSON))
        served = [_collection(*now.collections[name], base) for name in names[part]]
        chosen: fields.Chosen | None = asked["fields"]
        return _json(
            {
                "collections": served if chosen is None else list(map(chosen.of_document, served)),
                "links": links,
                "numberMatched": len(names),
                "numberReturned": len(served),
            }
        )

    def get_collection(self, collection_id: str, **rest: Any) -> Any:  # noqa: ANN401
        """One Collection."""
        request: Request = rest["request"]
        _refuse_unknown(request, frozenset())
        now = self.holdings.now()
        _check_known(now, collection_id)
        return _json(_collection(*now.collections[collection_id], self._base(request)))

    def get_item(self, item_id: str, collection_id: str, **rest: Any) -> Any:  # noqa: ANN401
        """One Item."""
        request: Request = rest["request"]
        _refuse_unknown(request, frozenset())
        now, base = self.holdings.now(), self._base(request)
        _check_known(now, collection_id)
        asked = Query(ids=(item_id,), collections=(collection_id,))
        for document in now.answer(asked).documents(slice(0, 1), base):
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
            raise UsageError(f"These are the Items of {collection_id} and of no other.")
        _check_known(self.holdings.now(), collection_id)
        asked = _from_url(request, rest)
        return self._search(request, {**asked, "collections": [collection_id]}, None)

    def get_search(  # type: ignore[override]
        self,
        **rest: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """A search by the query of a URL."""
        request: Request = rest.pop("request")
        _refuse_unknown(request, _SEARCH)
        return self._search(request, _from_url(request, rest), None)

    def post_search(self, search_request: Any, **rest: Any) -> Any:  # noqa: ANN401
        """A search by a JSON body."""
        request: Request = rest["request"]
        _refuse_unknown(request, frozenset())
        try:
            asked = search_request.model_dump(mode="json", exclude_unset=True, by_alias=True)
        except (ValueError, RecursionError) as error:
            raise UsageError("The body of the search is nested too deeply.") from error
        body = dict(asked)
        asked["sortby"] = [
            (each["field"], each["direction"] == "desc") for each in asked.get("sortby") or ()
        ]
        asked["fields"] = fields.Chosen.of(asked["fields"]) if "fields" in asked else None
        return self._search(request, asked, body)

    def _base(self, request: Request) -> str:
        return (self.base_url or str(request.base_url)).rstrip("/")

    def _search(
        self, request: Request, asked: Mapping[str, Any], body: dict[str, Any] | None
    ) -> Response:
        """A page of the Items that answer, with links to the next and the one before."""
        now, base = self.holdings.now(), self._base(request)
        try:
            answer = now.answer(_query(asked))
        except (RecursionError, OverflowError) as error:
            raise UsageError("The geometry to intersect or the filter is too deep.") from error
        limit = asked.get("limit") or _PAGE
        start = _begin(asked.get("token"), answer)
        documents = answer.documents(slice(start, start + limit), base)
        links = [_link("root", f"{base}/"), _link("self", _own(request, base), stac_json.GEOJSON)]
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
        raise UsageError(f"This server does not know the query {', '.join(unknown)}.")
    if len(names) > len(set(names)):
        raise UsageError("A query comes twice.")


def _check_known(now: Snapshot, collection_id: str) -> None:
    if collection_id not in now.keys:
        raise NotFoundError(f"There is no Collection {collection_id}.")


def _from_url(request: Request, rest: Mapping[str, Any]) -> dict[str, Any]:
    """The query of a URL as the body of a search has it, but for keys to sort by and fields."""
    asked = {**rest, "filter": rest.get("filter_expr"), "filter-lang": rest.get("filter_lang")}
    for name in ("intersects", "query"):
        if asked.get(name):
            asked[name] = _parsed(asked[name], name)
    # A plus that was not written as %2B came as a space.
    keys = [each.strip() for each in rest.get("sortby") or ()]
    asked["sortby"] = [(each.lstrip("+-"), each.startswith("-")) for each in keys]
    is_chosen = "fields" in request.query_params
    asked["fields"] = fields.parse(rest.get("fields") or ()) if is_chosen else None
    return asked


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
        filter=filters.of_request(asked),
    )


def _tuple(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _parsed(text: str, name: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # brackets, thousands deep
        raise UsageError(f"The value of {name} is no JSON.") from error


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
        raise UsageError("This server gave no such token.") from error
    return place if found is None else found + 1


def _turn(
    rel: str,
    token: str,
    request: Request,
    base: str,
    body: dict[str, Any] | None,
    kind: str = stac_json.GEOJSON,
) -> dict[str, Any]:
    """The link to another page, which asks the same in the same way."""
    if body is not None:
        link = _link(rel, f"{base}{request.url.path}", kind)
        return {**link, "method": "POST", "body": {**body, "token": token}}
    asked = {**request.query_params, "token": token}
    link = _link(rel, f"{base}{request.url.path}?{urlencode(asked)}", kind)
    return {**link, "method": "GET"}


def _own(request: Request, base: str) -> str:
    asked = f"?{request.url.query}" if request.url.query else ""
    return f"{base}{request.url.path}{asked}"


def _link(
    rel: str, href: str, kind: str = stac_json.JSON, *, title: str | None = None
) -> dict[str, Any]:
    link = {"rel": rel, "type": kind, "href": href}
    return link if title is None else {**link, "title": title}


def _served(document: stac_json.Document, base: str) -> stac_json.Document:
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
        _link("self", own, stac_json.GEOJSON),
        _link("root", f"{base}/"),
        _link("parent", home),
        _link("collection", home),
        _link("alternate", static, stac_json.GEOJSON, title="The Item's file"),
        *others,
    ]
    return document


def _collection(key: str, document: stac_json.Document, base: str) -> stac_json.Document:
    """A Collection whose links lead through the API."""
    document = deepcopy(document)
    home = f"{base}/collections/{document['id']}"
    document["links"] = [
        _link("self", home),
        _link("root", f"{base}/"),
        _link("parent", f"{base}/"),
        _link("items", f"{home}/items", stac_json.GEOJSON),
        _link(_QUERYABLES, f"{home}/queryables", stac_json.SCHEMA, title="Queryables"),
        _link("alternate", f"{base}/{key}", title="The Collection's file"),
        *(link for link in document["links"] if "://" in link["href"] and link["rel"] != "self"),
    ]
    for asset in document.get("assets", {}).values():
        if "://" not in asset["href"]:
            asset["href"] = f"{base}/{layout.target(key, asset['href'])}"
    return document


def _json(document: dict[str, Any]) -> Response:
    return JSONResponse(document)
