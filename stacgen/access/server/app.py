"""The application: guard, CORS, the STAC API, and under it all the catalog's files."""

import json
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from stac_fastapi.api.app import StacApi
from stac_fastapi.api.models import (
    ItemCollectionUri,
    create_get_request_model,
    create_post_request_model,
)
from stac_fastapi.extensions.free_text import FreeTextExtension
from stac_fastapi.extensions.pagination import TokenPaginationExtension
from stac_fastapi.extensions.query import QueryExtension
from stac_fastapi.types.config import ApiSettings
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stacgen import __version__
from stacgen.access.server import bodies, openapi
from stacgen.access.server.answers import Answers
from stacgen.access.server.client import Client
from stacgen.access.server.files import Files
from stacgen.access.server.guard import Guard
from stacgen.access.server.holdings import Holdings
from stacgen.access.server.people import People
from stacgen.errors import OutputError, UsageError
from stacgen.io.folder import Folder
from stacgen.model.protocols import Store

_EXPOSED = ("Content-Range", "Content-Length", "ETag", "Accept-Ranges", "Last-Modified")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Under which names a server answers."""

    names: frozenset[str] = frozenset()
    """Host names beside those of this machine's loopback."""

    any_address: bool = False
    """Whether any numeric address is one, since the server listens beyond the loopback."""

    base_url: str | None = None
    """Where it is public, if that is not where it is asked."""


def _all(_key: str) -> bool:
    """A bucket has no links."""
    return True


def _told(code: str, description: str, status: int) -> JSONResponse:
    """An error as the STAC API has it, of letters that JSON can hold."""
    text = description.encode("ascii", "backslashreplace").decode()
    return JSONResponse({"code": code, "description": text}, status)


def _unreadable(_request: Request, _error: Exception) -> JSONResponse:
    """The answer while the catalog fails; the error names places of this machine."""
    return _told("OutputError", "The catalog cannot be read now.", 503)


def _unknown(_request: Request, error: Exception) -> JSONResponse:
    return _told("UsageError", str(error), 400)


def _of_http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    answer = _told(HTTPStatus(status).name, str(getattr(error, "detail", "")), status)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = "GET, HEAD" + (", POST" if request.url.path == "/search" else "")
    return answer


def _refused(_request: Request, error: Exception) -> JSONResponse:
    """An error that tells what is wrong with a request, without the request itself."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)
    return _told("RequestValidationError", said, 400)


def _description(app: FastAPI) -> Route:
    """The route of the OpenAPI document; stac-fastapi's has another media type."""

    @cache
    def content() -> bytes:
        return json.dumps(openapi.document(app)).encode()

    def send(_request: Request) -> Response:
        return Response(content(), media_type=openapi.MEDIA_TYPE)

    return Route(str(app.openapi_url), send)


def make(store: Store, settings: Settings) -> FastAPI:
    """The application that serves the catalog in a store.

    Raises:
        OutputError: The root has no table of Collections, or one that cannot be read.
    """
    holdings, files = (
        Holdings(store),
        Files(store, store.holds if isinstance(store, Folder) else _all),
    )
    client = Client(holdings=holdings, base_url=settings.base_url)
    page = TokenPaginationExtension()
    extensions = [
        bodies.Sort(),
        bodies.Fields(),
        QueryExtension(),
        bodies.Filter(client=client),
        page,
    ]
    root = holdings.now().root
    title = str(root.get("title", root.get("id", "stacgen")))
    api = ApiSettings(
        stac_fastapi_title=title,
        stac_fastapi_description=str(root.get("description", title)),
        stac_fastapi_landing_id=str(root.get("id", "stacgen")),
        stac_fastapi_version=__version__,
    )
    made = StacApi(
        settings=api,
        client=client,
        extensions=extensions,
        search_get_request_model=create_get_request_model(extensions),
        search_post_request_model=create_post_request_model(extensions, base_model=bodies.Search),
        items_get_request_model=create_get_request_model(extensions, base_model=ItemCollectionUri),
        collections_get_request_model=create_get_request_model(
            [bodies.Sort(), bodies.Fields(), FreeTextExtension(), page],
            base_model=bodies.Collections,
        ),
        middlewares=[
            Middleware(People, files=files, title=title),
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["GET", "HEAD", "POST", "OPTIONS"],
                allow_headers=["*"],
                expose_headers=_EXPOSED,
                max_age=600,
            ),
            Middleware(
                Guard,
                names={"127.0.0.1", "localhost", "::1", *settings.names},
                any_address=settings.any_address,
            ),
        ],
    )
    made.app.router.routes.insert(0, _description(made.app))
    # The innermost, around the routes of the API and those that follow them.
    routes = tuple(made.app.router.routes)
    made.app.user_middleware.append(Middleware(Answers, routes=routes))
    made.app.add_exception_handler(OutputError, _unreadable)
    made.app.add_exception_handler(UsageError, _unknown)
    made.app.add_exception_handler(HTTPException, _of_http)
    made.app.add_exception_handler(RequestValidationError, _refused)
    made.app.add_route(
        "/{path:path}", files.serve, methods=["GET", "HEAD"], include_in_schema=False
    )
    return made.app
