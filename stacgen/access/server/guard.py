"""Who may ask, and how: other hosts, upward paths and large bodies are turned away at the door."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LARGEST = 1 << 20
"""Bytes of the body of a search."""

_METHODS = ("GET", "HEAD", "POST", "OPTIONS")


class Guard:
    """Passes on what may be answered, and marks every answer as being what it says it is."""

    def __init__(self, app: ASGIApp, names: Collection[str], *, any_address: bool) -> None:
        """Guard an application.

        Args:
            app: What is guarded.
            names: Of this server, in lower case; other Host headers are refused, so that no foreign
                name can be made to point here (DNS rebinding).
            any_address: Whether any numeric address is a name of this server, too.
        """
        self._app = app
        self._names = frozenset(names)
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, marked)
            return
        await self._app(scope, _bounded(receive), marked)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if scope["method"] not in _METHODS:
            allowed = {"Allow": ", ".join(_METHODS)}
            return PlainTextResponse("Only GET, HEAD and POST.\n", 405, headers=allowed)
        if not self._is_ours(headers.getlist("host")):
            return PlainTextResponse("This server has another name.\n", 421)
        if _is_hostile(scope):
            return PlainTextResponse("There is no such file.\n", 404)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > len(str(_LARGEST)) or int(length) > _LARGEST:
            return PlainTextResponse("The body is too large.\n", 413)
        return None

    def _is_ours(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        try:
            parts = urlsplit(f"//{hosts[0]}")
            name = (parts.hostname or "").lower()
            _ = parts.port
        except ValueError:
            return False
        if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            return False
        return name in self._names or (self._any_address and _is_address(name))


def _is_hostile(scope: Scope) -> bool:
    """Whether a path tries to lead elsewhere, in whatever writing; once decoded and as it came."""
    path: str = scope["path"]
    raw = (scope.get("raw_path") or b"").lower()
    odd = any(ord(letter) < 0x20 or letter in "\\\x7f" for letter in path)  # noqa: PLR2004
    upward = any(part.startswith(".") for part in path.split("/"))
    return odd or upward or "//" in path or not path.startswith("/") or b"%2f" in raw


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _bounded(receive: Receive) -> Receive:
    """A receiver of no more than the largest body; of more, it says that the client has gone."""
    came = 0

    async def bounded() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        return message if came <= _LARGEST else {"type": "http.disconnect"}

    return bounded
