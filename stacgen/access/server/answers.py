"""How answers of the API are sent: HEAD like GET, and compressed for who asks for that."""

from collections.abc import Sequence

from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


class Answers:
    """Answers HEAD wherever the API answers GET, and sends JSON of the API as gzip.

    Files are passed on as they are: their lengths and parts are those of their bytes.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        """Wrap an application.

        Args:
            app: Answers requests.
            routes: Those of the API.
        """
        self._app = app
        self._compressed = GZipMiddleware(app, compresslevel=6)
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI. The server leaves out the body of an answer to HEAD."""
        if scope["type"] == "http":
            asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
            if any(route.matches(asked)[0] is Match.FULL for route in self._routes):
                await self._compressed(asked, receive, send)
                return
        await self._app(scope, receive, send)
