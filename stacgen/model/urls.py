"""Which URLs are fetched, and from which addresses. Pure.

An answer of the API, a playlist or a redirect may name any URL, and who wrote it may not be whom
the user trusts. So a URL is fetched only from the host that named it, or the API's; never by a
weaker scheme; and never inside the user's own network, unless the API is there.
"""

import ipaddress
import re
import socket
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?|\[[0-9a-f:.]+\]", re.ASCII)
_URL = re.compile(r"[!-\[\]-~]+", re.ASCII)
"""Printable ASCII without a backslash, of which two parsers make two hosts."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_OWN: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # the host of a machine in Azure
            "192.0.0.0/24",  # of protocols; one cloud has its metadata there
            "192.88.99.0/24",  # the way out of 6to4, which is no more
            "::/96",  # an IPv4 address as IPv6 once had it
            "::ffff:0:0:0/96",  # the same, translated
            "64:ff9b:1::/48",  # the same, as a network translates for itself
            "5f00::/16",  # segments of a route
            "fec0::/10",  # a site's own, before fd00::/8
        ),
    )
)
"""Not on the open internet, though some releases of Python hold so (IANA's registries of special
addresses)."""

Host = tuple[str, int | None]
"""Name in lower case, and port unless it is the scheme's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Lets through what the user asked for, and what that may lead to."""

    home: str
    """URL of the API, empty for none. What it names itself may be anywhere in public."""

    hosts: frozenset[str] = frozenset()
    """Further hosts to fetch from, `cdn.example` or `cdn.example:8443`, wherever they are."""

    def refusal(self, url: str, named_by: Collection[str]) -> str | None:
        """Why a URL is not fetched, or None.

        Args:
            url: The one to fetch.
            named_by: Those that led to it, which were fetched: a playlist, what redirected; none
                where the user or the API named it.
        """
        target, sources = parts(url), [parts(each) for each in named_by]
        if target is None:
            return "it is no plain http(s) URL"
        home = parts(self.home)
        if any(each is not None and is_weaker(target.scheme, each.scheme) for each in sources):
            return "it is not encrypted, and what led to it was"
        if self._is_listed(target):
            return None
        if sources:
            known = {host(each) for each in (*sources, home) if each is not None}
            is_fine = host(target) in known
            problem = f"its host {target.hostname} is neither that which named it nor the API's"
        else:  # the API's own word
            is_fine = home is None or not is_weaker(target.scheme, home.scheme)
            problem = "it is not encrypted, and the API that named it is"
        return None if is_fine else f"{problem}; --allow-host {target.hostname} permits it"

    def is_home(self, url: str) -> bool:
        """Whether a URL is the API's own host, by no weaker scheme: credentials may go there."""
        target, home = parts(url), parts(self.home)
        if target is None or home is None or is_weaker(target.scheme, home.scheme):
            return False
        return host(target) == host(home)

    def is_trusted(self, url: str) -> bool:
        """Whether the user named that host, which may then be anywhere."""
        target, home = parts(url), parts(self.home)
        if target is None:
            return False
        return self._is_listed(target) or (home is not None and host(target) == host(home))

    def _is_listed(self, target: SplitResult) -> bool:
        name, port = host(target)
        listed = {each.lower().rstrip(".") for each in self.hosts}
        return name in listed or f"{name}:{port or DEFAULT_PORTS[target.scheme]}" in listed


def public_url(url: str) -> str:
    """A URL without what may be a secret: user, password, query and fragment.

    It may be anything that was meant to be one.

    >>> public_url("https://me:word@host:8443/stream.m3u8?token=1#x")
    'https://host:8443/stream.m3u8'
    """
    bare = re.split("[?#]", url, maxsplit=1)[0]
    return re.sub(r"^([^/]*//)[^/]*@", r"\1", bare)


def parts(url: str) -> SplitResult | None:
    """A URL in its parts, or None where it is no http(s) URL that all parsers read alike."""
    try:
        split = urlsplit(url)
        name, port = split.hostname, split.port
    except ValueError:
        return None
    bare = split.netloc.rpartition("@")[2].lower()
    bare = bare if port is None else bare.removesuffix(f":{port}")
    if split.scheme not in DEFAULT_PORTS or not name or not _URL.fullmatch(split.netloc):
        return None
    return split if _HOST.fullmatch(bare.removesuffix(":")) else None


def host(split: SplitResult) -> Host:
    """Where a URL leads; two that lead to one place are equal."""
    port = None if split.port == DEFAULT_PORTS.get(split.scheme) else split.port
    return (split.hostname or "").lower().rstrip("."), port


def is_weaker(scheme: str, other: str) -> bool:
    """Whether a scheme protects less than another."""
    return (scheme, other) == ("http", "https")


def literal_address(name: str) -> str | None:
    """Return the IP address that a host name spells out, or None for a name to be looked up.

    >>> literal_address("localhost"), literal_address("127.1"), literal_address("dunia.esa.int")
    ('127.0.0.1', '127.0.0.1', None)
    """
    if name.rstrip(".") == "localhost" or name.rstrip(".").endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(name))  # 127.1, 0x7f000001
    except OSError:
        return None


def is_public(address: str) -> bool:
    """Whether an IP address is on the open internet.

    >>> is_public("192.168.1.1"), is_public("::ffff:127.0.0.1"), is_public("64:ff9b::a00:1")
    (False, False, False)
    >>> is_public("8.8.8.8"), is_public("2001:4860:4860::8888")
    (True, True)
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
    if any(found in network for network in _OWN if network.version == found.version):
        return False
    return found.is_global and not found.is_multicast
