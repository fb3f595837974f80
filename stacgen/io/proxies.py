"""Choose the proxy of a URL from the settings of the environment, as curl and requests do.

Loopback never goes through a proxy: `--sample`, a test server and a local object store are on this
machine, and a proxy is not.
"""

import ipaddress
import re
from collections.abc import Mapping, MutableMapping
from urllib.request import getproxies, proxy_bypass

from stacgen.model.urls import DEFAULT_PORTS, literal_address, parts

SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
"""Of proxies that the HTTP client can use."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_WITH_PORT = re.compile(r"(?P<name>\[[^]]*\]|[^:]*)(:(?P<port>\d+))?")


def proxy_for(url: str, settings: Mapping[str, str] | None = None) -> str | None:
    """Return the URL of the proxy for an http(s) URL, or None for a direct connection.

    Args:
        url: The one to fetch.
        settings: Proxies by scheme, exceptions under `no`, as `urllib.request.getproxies` gives
            them, which is the default: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` in
            upper or lower case; without these, the settings of macOS and Windows.

    >>> company = {"https": "http://proxy:3128", "no": ".example.org,10.0.0.0/8"}
    >>> proxy_for("https://dunia.esa.int/x", company)
    'http://proxy:3128'
    >>> proxy_for("https://s3.example.org/x", company), proxy_for("https://10.1.2.3/x", company)
    (None, None)
    """
    settings = getproxies() if settings is None else settings
    split = parts(url)
    if split is None or split.hostname is None:
        return None
    proxy = settings.get(split.scheme) or settings.get("all")
    name = split.hostname.rstrip(".")
    if not proxy or is_loopback(name):
        return None
    if "no" not in settings and proxy_bypass(name):  # exceptions of macOS and Windows
        return None
    port = split.port or DEFAULT_PORTS[split.scheme]
    entries = re.split(r"[,\s]+", settings.get("no", "").strip())
    if any(_covers(entry, name, port) for entry in entries):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_loopback(name: str) -> bool:
    """True if a host name or address is this machine: localhost, 127.0.0.0/8, ::1.

    >>> is_loopback("localhost"), is_loopback("127.1"), is_loopback("::1"), is_loopback("esa.int")
    (True, True, True, False)
    """
    address = literal_address(name)
    if address is None:
        return False
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or found
    return bool(mapped.is_loopback or mapped.is_unspecified)


def except_loopback(environment: MutableMapping[str, str]) -> None:
    """Have libcurl, and so GDAL, connect to this machine directly, too, if there are proxies.

    libcurl reads `no_proxy`, and `NO_PROXY` if that is not set, at each request.
    """
    if getproxies().keys() & {"http", "https", "all"}:
        before = environment.get("no_proxy") or environment.get("NO_PROXY", "")
        names = [name for name in _LOOPBACK if name not in re.split(r"[,\s]+", before)]
        environment["no_proxy"] = ",".join(filter(None, [before, *names]))


def _covers(entry: str, name: str, port: int) -> bool:
    """True if an entry of NO_PROXY names a host: `*`, a domain, an address or a network.

    A domain covers its subdomains, with or without a leading dot. A port limits an entry to it.
    """
    if entry == "*":
        return True
    network = _network(entry)
    if network is None:
        found = _WITH_PORT.fullmatch(entry)
        if found is None or (found["port"] and int(found["port"]) != port):
            return False
        entry = found["name"]
        network = _network(entry.strip("[]"))
    if network is not None:
        address = literal_address(name)
        return address is not None and ipaddress.ip_address(address.partition("%")[0]) in network
    suffix = entry.strip(".").lower()
    return bool(suffix) and f".{name.lower()}".endswith(f".{suffix}")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
