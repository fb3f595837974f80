"""Connections that go only where they may, which is looked at when they are made.

A name may lead to one address when it is checked and to another when it is connected to. So it is
looked up once, and what was found is both checked and connected to.
"""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from stacgen.errors import TransferError
from stacgen.gate import Gate, is_public, parts


class Adapter(HTTPAdapter):
    """Connects to where the gate lets it, and hangs up on who takes too long to begin."""

    def __init__(self, gate: Gate | None, *, longest: float) -> None:
        """Give an answer `longest` seconds until its headers are there."""
        self._guard = _Guard(gate, longest)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own
        """Pools whose connections ask the guard; a proxy has others, and chooses for itself."""
        super().init_poolmanager(*args, **kwargs)
        guard = {"guard": self._guard}
        plain = type("Plain", (_Guarded, HTTPConnection), guard)
        secure = type("Secure", (_Guarded, HTTPSConnection), guard)
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }


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
            at_home = _resolved(home.hostname, home.port or port)
            public = [each for each in found if each in at_home]
        if not public:
            raise TransferError(
                f"{url} is not fetched: {found[0]} is an address of a private network or of this"
                f" machine; --allow-host {name} permits it."
            )
        return public


class _Guarded:
    """Of a connection: where it goes, and how long it waits for an answer to begin."""

    guard: _Guard

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

    def getresponse(self: Any) -> Any:  # noqa: ANN401 - same
        """The answer, once its headers are whole, which each byte of them could put off."""
        timer = threading.Timer(self.guard.longest, _hang_up, [self.sock])
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            timer.cancel()


def _resolved(name: str, port: int) -> list[str]:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
