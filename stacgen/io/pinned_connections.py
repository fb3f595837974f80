"""Connections that go only where they may, which is looked at when they are made.

A name may lead to one address when it is checked and to another when it is connected to. So it is
looked up once, and what was found is both checked and connected to.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.poolmanager import ProxyManager
from urllib3.util.connection import create_connection

from stacgen.errors import TransferError
from stacgen.model.urls import Gate, is_public, literal_address, parts, public_url


@contextmanager
def hung_up_when(
    is_due: Callable[[], bool],
    connection: Any,  # noqa: ANN401 - urllib3's, of which some are ours
    *,
    every: float,
) -> Iterator[None]:
    """Hangs up on whoever is still talking when that is due, within calls that read on and on.

    Args:
        is_due: Whether it is.
        connection: Where an answer comes from; one that is not ours is left alone.
        every: Seconds between two looks.
    """
    talking: socket.socket | None = getattr(connection, "talking", None)
    over = threading.Event()

    def watch(talking: socket.socket) -> None:
        while not over.wait(every):
            if is_due():
                _hang_up(talking)
                return

    if talking is not None:
        threading.Thread(target=watch, args=(talking,), daemon=True).start()
    try:
        yield
    finally:
        over.set()


class Adapter(HTTPAdapter):
    """Connects to where the gate lets it, and hangs up on who takes too long to begin."""

    def __init__(self, gate: Gate | None, *, longest: float) -> None:
        """Give an answer `longest` seconds until its headers are there."""
        self._guard = _Guard(gate, longest)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own
        """Pools whose connections ask the guard; a proxy has others, and chooses for itself."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(_Guarded, self._guard)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - requests' own
        """Pools whose connections wait no longer than others."""
        manager = super().proxy_manager_for(*args, **kwargs)
        if type(manager) is ProxyManager:  # those of SOCKS have connections of their own
            manager.pool_classes_by_scheme = _pools(_Timed, self._guard)
        return manager

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: Any,  # noqa: ANN401 - requests' own
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,  # noqa: ANN401 - same
    ) -> Any:  # noqa: ANN401 - same
        """A proxy looks names up itself, but is not asked for what is no name."""
        if select_proxy(request.url or "", proxies):
            self._guard.check(request.url or "")
        return super().get_connection_with_tls_context(request, verify, proxies, cert)


@dataclass(frozen=True, slots=True)
class _Guard:
    gate: Gate | None
    longest: float
    """Seconds until the headers of an answer are there."""

    def addresses(self, url: str, name: str, port: int) -> list[str]:
        """Where a name may be connected to; the same that are then connected to.

        Raises:
            TransferError: Nowhere: its addresses are in the user's own network.
        """
        found = _resolved(name, port)
        if self.gate is None or self.gate.is_trusted(url):
            return found
        home = parts(self.gate.home)
        public = [each for each in found if is_public(each)]
        if not public and home is not None and home.hostname:
            with suppress(OSError, UnicodeError):  # behind a proxy its name may not be known here
                at_home = _resolved(home.hostname, home.port or port)
                public = [each for each in found if each in at_home]
        if not public:
            raise _private(url, name, found[0])
        return public

    def check(self, url: str) -> None:
        """Raise where an URL has an address in place of a name, within the user's own network.

        Raises:
            TransferError: It has.
        """
        split = parts(url)
        name = "" if split is None else split.hostname or ""
        address = literal_address(name)
        if self.gate is None or self.gate.is_trusted(url) or address is None or is_public(address):
            return
        raise _private(public_url(url), name, address)


class _Timed:
    """Of a connection: how long it waits for an answer to begin."""

    guard: _Guard
    talking: socket.socket | None = None
    """What the last answer comes from; the connection itself may have let go of it."""

    def getresponse(self: Any) -> Any:  # noqa: ANN401 - as in _Guarded
        """The answer, once its headers are whole, which each byte of them could put off."""
        self.talking = self.sock
        began, longest = time.monotonic(), self.guard.longest
        with hung_up_when(lambda: time.monotonic() > began + longest, self, every=longest):
            return super().getresponse()  # type: ignore[misc]


class _Guarded(_Timed):
    """Of a connection: where it goes, too."""

    def _new_conn(self: Any) -> socket.socket:
        scheme = "https" if isinstance(self, HTTPSConnection) else "http"
        name = f"[{self.host}]" if ":" in self.host else self.host
        try:
            found = self.guard.addresses(f"{scheme}://{name}:{self.port}", self.host, self.port)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        for last, address in zip([*[False] * (len(found) - 1), True], found, strict=True):
            try:
                return create_connection(
                    (address, self.port),
                    self.timeout,
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except TimeoutError as error:
                if last:
                    raise ConnectTimeoutError(self, "connecting took too long") from error
            except OSError as error:
                if last:
                    raise NewConnectionError(self, str(error)) from error
        raise AssertionError(found)


def _resolved(name: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        literal = literal_address(name)  # a.localhost, which few resolvers know (RFC 6761)
        if literal is None:
            raise
        return [literal]
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _private(url: str, name: str, address: str) -> TransferError:
    return TransferError(
        f"{url} is not fetched: {address} is an address of a private network or of this machine;"
        f" --allow-host {name} permits it."
    )


def _pools(kind: type[_Timed], guard: _Guard) -> dict[str, type[HTTPConnectionPool]]:
    plain = type("Plain", (kind, HTTPConnection), {"guard": guard})
    secure = type("Secure", (kind, HTTPSConnection), {"guard": guard})
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
