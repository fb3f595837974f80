"""The page for people where programs get JSON: the root's `index.html`, if it has one."""

from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stacgen.access.server.files import Files
from stacgen.stac import layout

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 44rem; }}
body {{ padding: 0 1rem; }}
</style>
<h1>{title}</h1>
<p>A STAC API, and the files of the catalog that it searches.</p>
<ul>
<li><a href="/collections">Collections</a>
<li><a href="/search">Items</a>
<li><a href="/api.html">The API</a>
<li><a href="/{root}">The catalog's files</a>, for programs that walk them
<li><a href="/{table}">All Collections as Parquet</a>
</ul>
</html>
"""


class People:
    """Answers a browser's question for the root with a page, and passes on all else."""

    def __init__(self, app: ASGIApp, files: Files, title: str) -> None:
        self._app = app
        self._files = files
        self._page = _PAGE.format(title=escape(title), root=layout.ROOT, table=layout.COLLECTIONS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["path"] != "/":
            await self._app(scope, receive, send)
            return

        async def varied(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).add_vary_header("Accept")
            await send(message)

        request = Request(scope)
        wants_page = "text/html" in request.headers.get("Accept", "")
        if wants_page and scope["method"] in ("GET", "HEAD"):
            response = await run_in_threadpool(self._answer, request)
            await response(scope, receive, varied)
            return
        await self._app(scope, receive, varied)

    def _answer(self, request: Request) -> Response:
        found = self._files.answer(request, "index.html")
        if found.status_code != 404:  # noqa: PLR2004 - a page stands there
            return found
        return HTMLResponse(self._page)
