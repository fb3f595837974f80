"""URLs to bytes over HTTP, whole or not at all; the only module that knows the HTTP client.

What may pass is tried again, with decorrelated jitter [1]: a connection that fails, a body that is
short, and 408, 425, 429 and 5xx. What will not pass, any other 4xx, is an error at once.

[1] M. Brooker, *Exponential Backoff And Jitter*, AWS Architecture Blog, 2015.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests

from stacgen.errors import MissingError, TransferError
from stacgen.models import ByteRange, Resource
from stacgen.ports import Answer

_PASSING = frozenset({408, 425, 429})
"""Client errors that say "not now" rather than "not so"; every 5xx does, too."""

_CHUNK = 1 << 18
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait and how often to try; all times in seconds."""

    connect: float = 10
    read: float = 60
    """Between two packets, not for the whole body."""

    tries: int = 5
    shortest: float = 0.1
    longest: float = 15
    """Between two tries, unless the server names a time."""

    longest_named: float = 120
    """The most that is waited because a server said so (Retry-After)."""

    total: float = 180
    """Waiting altogether, for one resource."""


@dataclass(frozen=True, slots=True)
class _Trouble(Exception):  # noqa: N818 - never leaves this module
    """A try that failed and may be repeated."""

    reason: str
    wait: float | None = None
    """Seconds the server asked for."""


@dataclass(kw_only=True)
class Http:
    """Fetches over HTTP, each thread on connections of its own that are kept open."""

    patience: Patience = field(default_factory=Patience)
    headers: Mapping[str, str] = field(default_factory=dict)
    largest: int = 512 * _MEGABYTE
    """Bytes of a body beyond which it is refused."""

    sleep: Callable[[float], None] = time.sleep
    _local: threading.local = field(default_factory=threading.local, init=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """All but the connections, which another process cannot use."""
        return {key: value for key, value in self.__dict__.items() if key != "_local"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """As it was, with no connection open."""
        self.__dict__.update(state, _local=threading.local())

    def __call__(self, resource: Resource) -> Answer:
        """The whole resource; see `stacgen.ports.Fetch`."""
        tried, waited, pause = 0, 0.0, self.patience.shortest
        while True:
            tried += 1
            try:
                return self._try(resource)
            except _Trouble as trouble:
                pause = random.uniform(
                    self.patience.shortest, min(self.patience.longest, pause * 3)
                )
                wait = pause if trouble.wait is None else trouble.wait
                waited += wait
                if tried >= self.patience.tries or waited > self.patience.total:
                    tries = "1 try" if tried == 1 else f"{tried} tries"
                    raise TransferError(
                        f"{_named(resource)} could not be fetched in {tries}: {trouble.reason}."
                        " Try again later."
                    ) from trouble.__cause__
                self.sleep(wait)

    def size(self, resource: Resource) -> int | None:
        """The bytes of a whole resource, as the server announces them; None where it does not."""
        try:
            response = self._session().head(
                resource.url,
                headers={"Accept-Encoding": "identity", **self.headers},
                timeout=(self.patience.connect, self.patience.read),
                allow_redirects=True,
            )
        except (requests.RequestException, ValueError):
            return None
        announced = response.headers.get("Content-Length", "")
        return int(announced) if response.ok and announced.isdecimal() else None

    def _try(self, resource: Resource) -> Answer:
        headers = {"Accept-Encoding": "identity", **self.headers}
        if resource.part is not None:
            headers["Range"] = resource.part.header
        try:
            with self._session().get(
                resource.url,
                headers=headers,
                timeout=(self.patience.connect, self.patience.read),
                stream=True,
            ) as response:
                self._check_status(response, resource)
                body = self._read(response, resource)
                return Answer(url=response.url, body=body)
        except requests.TooManyRedirects as error:
            raise TransferError(f"{_named(resource)} redirects without end.") from error
        except ValueError as error:  # InvalidURL and its kin; some that requests lets through
            raise TransferError(
                f"{_named(resource)} could not be fetched: the URL or the answer makes no sense."
            ) from error
        except requests.RequestException as error:
            raise _Trouble(_reason(error)) from error

    def _check_status(self, response: requests.Response, resource: Resource) -> None:
        status = response.status_code
        if status == HTTPStatus.OK or (status == HTTPStatus.PARTIAL_CONTENT and resource.part):
            return
        said = f"the server answered {status} {response.reason or ''}".rstrip()
        if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Trouble(said, self._named_wait(response))
        kind = MissingError if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE) else TransferError
        raise kind(f"{_named(resource)} could not be fetched: {said}.")

    def _named_wait(self, response: requests.Response) -> float | None:
        """Seconds that the server asked to wait, capped; None where it did not, or not clearly."""
        value = response.headers.get("Retry-After", "").strip()
        if value.isdecimal():
            seconds = float(value)
        else:
            try:
                moment = parsedate_to_datetime(value)
            except (TypeError, ValueError, OverflowError):
                return None
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            seconds = (moment - datetime.now(UTC)).total_seconds()
        return min(max(seconds, 0.0), self.patience.longest_named)

    def _read(self, response: requests.Response, resource: Resource) -> bytes:
        """The body, to the end: of the length that was announced, or up to the last chunk."""
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > self.largest:
                raise TransferError(
                    f"{_named(resource)} is larger than {self.largest // _MEGABYTE} MB: refused."
                )
        came = str(response.raw.tell())  # off the wire, before any content encoding is undone
        announced = response.headers.get("Content-Length", "")
        if announced != came and not response.raw.chunked:
            raise _Trouble(f"{came} of {announced or 'an unknown number of'} bytes came")
        if resource.part is None:
            return bytes(body)
        return _cut(body, response, resource.part)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.max_redirects = 5
            self._local.session = session
        return self._local.session  # type: ignore[no-any-return]


def _cut(body: bytearray, response: requests.Response, part: ByteRange) -> bytes:
    """The part that was asked for, whether the server sent that or the whole."""
    if response.status_code == HTTPStatus.OK:
        body = body[part.offset : part.offset + part.length]
    else:
        placed = response.headers.get("Content-Range", "")
        expected = part.header.replace("=", " ")
        if placed.partition("/")[0].strip() != expected:
            raise _Trouble(f"it sent the range {placed!r}, not {expected!r}")
    if len(body) != part.length:
        raise _Trouble(f"{len(body)} of {part.length} bytes came")
    return bytes(body)


def _named(resource: Resource) -> str:
    """The URL without its query, which may hold a secret."""
    return resource.url.partition("?")[0]


def _reason(error: requests.RequestException) -> str:
    """What happened, without the URL and its query that the client puts into its messages."""
    return next(reason for kind, reason in _REASONS if isinstance(error, kind))


_REASONS: tuple[tuple[type[requests.RequestException], str], ...] = (
    (requests.ConnectTimeout, "connecting took too long"),
    (requests.Timeout, "the server fell silent"),
    (requests.exceptions.SSLError, "the secure connection failed"),
    (requests.exceptions.ProxyError, "the proxy failed"),
    (requests.exceptions.ChunkedEncodingError, "the connection broke within the body"),
    (requests.exceptions.ContentDecodingError, "the body could not be decompressed"),
    (requests.RequestException, "the connection failed"),
)
"""The first that fits is the closest."""
