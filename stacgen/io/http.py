"""URLs to bytes over HTTP, whole or not at all.

What may pass is tried again, with decorrelated jitter [1]: a connection that fails, a body that is
short or does not match a digest sent with it, and 408, 425, 429 and 5xx. What will not pass, any
other 4xx, is an error at once.

[1] M. Brooker, *Exponential Backoff And Jitter*, AWS Architecture Blog, 2015.
"""

import random
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from stacgen.errors import DeniedError, MissingError, TransferError
from stacgen.io.digests import mismatch
from stacgen.io.pinned_connections import Adapter, hung_up_when
from stacgen.io.proxy_route import Route, route
from stacgen.model.protocols import Answer
from stacgen.model.stream import ByteRange, Resource
from stacgen.model.urls import Gate, parts, public_url

_PASSING = frozenset({408, 425, 429})
"""Client errors that say "not now" rather than "not so"; every 5xx does, too."""

_CHUNK = 1 << 18
_MEGABYTE = 1 << 20
_LARGEST_TEXT = 16 * _MEGABYTE
"""Bytes of JSON or of a playlist; a year of frames takes 50 kB."""

_MEMBERS = 100
"""Pieces of a gzip body, each compressed on its own."""

_HOPS = 5
"""Redirects that are followed."""

_REFUSED = re.compile(r"Tunnel connection failed: (\d{3}[^'\")]*)")
"""Of a proxy's error, the status that it answered when asked to connect to a host."""

_NONSENSE = "could not be fetched: the URL or the answer makes no sense."

_KINDS: dict[int, type[TransferError]] = {
    HTTPStatus.NOT_FOUND: MissingError,
    HTTPStatus.GONE: MissingError,
    HTTPStatus.UNAUTHORIZED: DeniedError,
    HTTPStatus.FORBIDDEN: DeniedError,
}
"""What an error of a status is."""

_FAILURES = (requests.RequestException, HTTPError, HTTPException, OSError)
"""What the client raises when a try fails."""


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

    slowest: float = 2_000
    """Bytes a second of a body, below which it is given up once `read` has passed."""

    longest_body: float = 1_800
    """For one body."""


@dataclass(eq=False)
class _Trouble(Exception):  # noqa: N818 - never leaves this module
    """A try that failed and may be repeated."""

    reason: str
    wait: float | None = None
    """Seconds the server asked for."""


@dataclass(kw_only=True)
class Http:
    """Fetches over HTTP, each thread on connections of its own that are kept open."""

    patience: Patience = field(default_factory=Patience)
    gate: Gate | None = None
    """Which URLs and addresses are fetched from; None for all that are http(s)."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent to the API's host only; where there is no gate, to the host that is asked."""

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
        """The whole resource; see `model.protocols.Fetch`."""
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
            with self._send("HEAD", resource) as response:
                announced = response.headers.get("Content-Length", "")
                return int(announced) if response.ok and announced.isdecimal() else None
        except (TransferError, _Trouble, *_FAILURES, ValueError):
            return None

    def _try(self, resource: Resource) -> Answer:
        try:
            with self._send("GET", resource) as response:
                self._check_status(response, resource)
                pace = _Pace(self.patience)
                # Silence is found by the socket before; this is for one call that reads on and on.
                every = min(2 * self.patience.read, self.patience.longest_body)
                with hung_up_when(pace.is_too_slow, response.raw.connection, every=every):
                    body = self._read(response, resource, pace)
                return Answer(url=response.url, body=body)
        except (*_FAILURES, ValueError) as error:
            if isinstance(error, ValueError) and not isinstance(error, HTTPError):
                # InvalidURL and its kin; some that requests lets through
                raise TransferError(f"{_named(resource)} {_NONSENSE}") from error
            raise _Trouble(_reason(error)) from error

    def _send(self, method: str, resource: Resource) -> requests.Response:
        """The answer, its body yet unread; each redirect is looked at before it is followed."""
        url, led = resource.url, [resource.named_by] if resource.named_by is not None else []
        for _ in range(_HOPS + 1):
            if parts(url) is None:
                raise TransferError(f"{_named(resource)} {_NONSENSE}")
            refusal = self.gate and self.gate.refusal(url, led)
            if refusal:
                raise TransferError(f"{public_url(url)[:200]} is not fetched: {refusal}.")
            response = self._request(method, url, self._headers(url, resource), route(url))
            target = self._session().get_redirect_target(response)
            if target is None:
                return response
            response.close()
            led.append(url)
            url = urljoin(url, target)
        raise TransferError(f"{_named(resource)} redirects without end.")

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], way: Route
    ) -> requests.Response:
        try:
            return self._session().request(
                method,
                url,
                headers=headers,
                timeout=(self.patience.connect, self.patience.read),
                proxies=way.proxies,
                verify=True if way.certificates is None else way.certificates,
                stream=True,
                allow_redirects=False,
            )
        except requests.exceptions.ProxyError as error:
            refused = _REFUSED.search(str(error))
            raise _Trouble(
                f"the proxy {public_url(way.proxy or '')} "
                + (f"answered {refused[1].strip()}" if refused else "failed")
            ) from error

    def _headers(self, url: str, resource: Resource) -> dict[str, str]:
        """What goes with a request; the user's own headers only to the API's host."""
        headers = {"Accept-Encoding": "identity"}
        if Gate(home=resource.url).is_home(url) if self.gate is None else self.gate.is_home(url):
            headers |= self.headers
        if resource.part is not None:
            headers["Range"] = resource.part.header
        return headers

    def _check_status(self, response: requests.Response, resource: Resource) -> None:
        status = response.status_code
        if status == HTTPStatus.OK or (status == HTTPStatus.PARTIAL_CONTENT and resource.part):
            return
        said = f"the server answered {status} {response.reason or ''}".rstrip()
        if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Trouble(said, self._named_wait(response))
        raise _KINDS.get(status, TransferError)(f"{_named(resource)} could not be fetched: {said}.")

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

    def _read(self, response: requests.Response, resource: Resource, pace: "_Pace") -> bytes:
        """The body, to the end: of the length that was announced, or up to the last chunk."""
        largest = min(self.largest, _LARGEST_TEXT) if resource.is_text else self.largest
        body = bytearray()
        for chunk in _unpacked(_chunks(response, pace), response, largest):
            body += chunk
            if len(body) > largest:
                raise TransferError(
                    f"{_named(resource)} is larger than {largest // _MEGABYTE} MB: refused."
                )
        if _coding(response) == "identity":
            is_whole = response.status_code == HTTPStatus.OK
            if wrong := mismatch(response.headers, body, is_whole=is_whole):
                raise _Trouble(f"its bytes do not match the {wrong} that came with them")
        if resource.part is None:
            return bytes(body)
        return _cut(body, response, resource.part)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.trust_env = False  # `route` reads what counts; ~/.netrc is for any host
            session.auth = _as_it_is  # else credentials in a URL, in place of our header
            adapter = Adapter(self.gate, longest=self.patience.connect + 2 * self.patience.read)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            self._local.session = session
        return self._local.session  # type: ignore[no-any-return]


class _Pace:
    """How fast a body comes; it is asked by whoever reads, and by who watches that from aside."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._began = time.monotonic()
        self.came = 0
        """Bytes so far."""

    @property
    def took(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self._began

    def is_too_slow(self) -> bool:
        patience, took = self._patience, self.took
        return took > patience.longest_body or (
            took > patience.read and self.came < took * patience.slowest
        )


def _chunks(response: requests.Response, pace: _Pace) -> Iterator[bytes]:
    """The body as it comes off the wire, at no less than the slowest pace, and to its end."""
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        pace.came += len(chunk)
        if pace.is_too_slow():
            raise _Trouble(f"the server is too slow: {pace.came} bytes came in {pace.took:.0f} s")
        yield chunk
    announced = response.headers.get("Content-Length", "")
    if announced != str(pace.came) and not response.raw.chunked:
        raise _Trouble(f"{pace.came} of {announced or 'an unknown number of'} bytes came")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _unpacked(
    chunks: Iterator[bytes], response: requests.Response, largest: int
) -> Iterator[bytes]:
    """The body as it was meant, piece by piece: nothing was to be compressed, but some do it."""
    coding = _coding(response)
    if coding == "identity":
        yield from chunks
        return
    if coding not in ("gzip", "x-gzip"):
        raise _Trouble(f"it came as {coding[:20]}, which was not asked for")
    unpack = zlib.decompressobj(wbits=31)
    total, members = 0, 1
    for chunk in chunks:
        rest = chunk
        while rest and total <= largest:
            if unpack.eof:  # what follows must be another member
                members += 1
                if members > _MEMBERS:
                    raise _Trouble("the body was compressed in too many pieces")
                unpack = zlib.decompressobj(wbits=31)
            try:
                piece = unpack.decompress(rest, _CHUNK)
            except zlib.error as error:
                raise _Trouble("the body could not be decompressed") from error
            rest = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
            total += len(piece)
            yield piece
    if not unpack.eof:
        raise _Trouble("the compressed body is short")


def _coding(response: requests.Response) -> str:
    """The content coding of a body, in lower case."""
    return response.headers.get("Content-Encoding", "").strip().lower() or "identity"


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
    """The URL as messages have it."""
    return public_url(resource.url)


def _reason(error: Exception) -> str:
    """What happened, without the URL and its query that the client puts into its messages."""
    return next(reason for kind, reason in _REASONS if isinstance(error, kind))


_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (requests.ConnectTimeout, "connecting took too long"),
    ((requests.Timeout, ReadTimeoutError, TimeoutError), "the server fell silent"),
    (requests.exceptions.SSLError, "the secure connection failed"),
    (ProtocolError, "the connection broke within the body"),
    (Exception, "the connection failed"),
)
"""The first that fits is the closest."""
