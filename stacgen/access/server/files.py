"""The files of a catalog over HTTP: whole or a part, and only what a catalog may hold."""

import re
from collections.abc import Callable
from datetime import UTC
from email.utils import format_datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from stacgen.errors import OutputError
from stacgen.model import byte_ranges
from stacgen.model.protocols import Entry, Store
from stacgen.stac.files import media_type

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
"""No empty, hidden or upward part, no backslash, no percent sign, nothing but plain letters."""


class Files:
    """Answers GET and HEAD with what lies in a store."""

    def __init__(self, store: Store, holds: Callable[[str], bool]) -> None:
        """Serve what a store has.

        Args:
            store: Holds the files.
            holds: Whether a key that is there lies within, and is no link to elsewhere.
        """
        self._store = store
        self._holds = holds

    async def serve(self, request: Request) -> Response:
        """The file at the path of a request; an error tells nothing of what else there is."""
        return await run_in_threadpool(self.answer, request, request.url.path.removeprefix("/"))

    def answer(self, request: Request, key: str) -> Response:
        """The file of a key: 200, 206, 304, 404, 416, or 503 where the store fails."""
        if key == "" or key.endswith("/"):
            key += "index.html"
        try:
            known = _KEY.fullmatch(key) is not None and self._holds(key)
            entry = self._store.stat(key) if known else None
            if entry is None:
                return PlainTextResponse("There is no such file.\n", 404)
            return self._send(request, entry)
        except OutputError:
            return PlainTextResponse("The file cannot be read now.\n", 503)

    def _send(self, request: Request, entry: Entry) -> Response:
        tag = f'"{entry.size:x}-{int(entry.modified.timestamp() * 1_000_000):x}"'
        headers = {
            "ETag": tag,
            "Last-Modified": format_datetime(entry.modified.astimezone(UTC), usegmt=True),
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-cache",
        }
        if _names(request.headers.get("If-None-Match"), tag):
            return Response(status_code=304, headers=headers)
        wanted = request.headers.get("Range") if request.method == "GET" else None
        if request.headers.get("If-Range", tag) != tag:
            wanted = None
        try:
            part = byte_ranges.parse(wanted, entry.size)
        except byte_ranges.UnsatisfiableError:
            headers["Content-Range"] = f"bytes */{entry.size}"
            return PlainTextResponse("There are no such bytes.\n", 416, headers=headers)
        start, stop = (0, entry.size) if part is None else (part.start, part.stop)
        headers["Content-Length"] = str(stop - start)
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{entry.size}"
        status = 200 if part is None else 206
        kind = media_type(entry.key)
        if request.method == "HEAD" or start == stop:
            return Response(None, status, headers=headers, media_type=kind)
        chunks = self._store.stream(entry, start, stop)
        return StreamingResponse(chunks, status, headers=headers, media_type=kind)


def _names(header: str | None, tag: str) -> bool:
    """Whether an If-None-Match names a tag, weakly or not."""
    named = [each.strip().removeprefix("W/") for each in (header or "").split(",")]
    return tag in named or named == ["*"]
