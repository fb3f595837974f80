"""The application: guard, CORS, the STAC API, and under it all the catalog's files."""

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from stac_fastapi.api.app import StacApi
from stac_fastapi.api.models import (
    ItemCollectionUri,
    create_get_request_model,
    create_post_request_model,
)
from stac_fastapi.extensions.pagination import TokenPaginationExtension
from stac_fastapi.types.config import ApiSettings
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from stacgen import __version__
from stacgen.errors import OutputError
from stacgen.ports import Store
from stacgen.server import bodies
from stacgen.server.client import Client
from stacgen.server.files import Files
from stacgen.server.guard import Guard
from stacgen.server.holdings import Holdings
from stacgen.server.people import People
from stacgen.store.folder import Folder

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


def _unreadable(_request: Request, _error: Exception) -> JSONResponse:
    """A STAC API's error; what went wrong names places of this machine, so it is not told."""
    told = {"code": "OutputError", "description": "The catalog cannot be read now."}
    return JSONResponse(told, 503)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    """What is wrong with a request, without the request: JSON may be unable to hold that."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)
    description = said.encode("ascii", "backslashreplace").decode()
    return JSONResponse({"code": "RequestValidationError", "description": description}, 400)


def make(store: Store, settings: Settings) -> FastAPI:
    """The application that serves the catalog in a store.

    Raises:
        OutputError: The root has no mirror, or one that cannot be read.
    """
    holdings, files = (
        Holdings(store),
        Files(store, store.holds if isinstance(store, Folder) else _all),
    )
    extensions = [
        bodies.Sort(),
        bodies.Fields(),
        TokenPaginationExtension(),
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
        client=Client(holdings=holdings, base_url=settings.base_url),
        extensions=extensions,
        search_get_request_model=create_get_request_model(extensions),
        search_post_request_model=create_post_request_model(extensions, base_model=bodies.Search),
        items_get_request_model=create_get_request_model(
            [TokenPaginationExtension()], base_model=ItemCollectionUri
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
    made.app.add_exception_handler(OutputError, _unreadable)
    made.app.add_exception_handler(RequestValidationError, _refused)
    made.app.add_route(
        "/{path:path}", files.serve, methods=["GET", "HEAD"], include_in_schema=False
    )
    return made.app
