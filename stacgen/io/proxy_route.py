"""Choose how a URL is reached, from the environment: which proxy, and which CA certificates."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from stacgen.errors import TransferError
from stacgen.io.proxies import SCHEMES, proxy_for
from stacgen.model.urls import public_url

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name CA certificates, a file or a folder of them; the first that is set counts."""

_ADVICE = "Correct or unset HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, or add the host to NO_PROXY."


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a URL is reached."""

    proxy: str | None
    """URL of the proxy, credentials included; None for a direct connection."""

    certificates: str | None
    """Path of the CA certificates; None for those of the package certifi."""

    @property
    def proxies(self) -> dict[str, str]:
        """The proxy as requests takes it."""
        return {} if self.proxy is None else {"all": self.proxy}


def route(url: str) -> Route:
    """Choose the route to an http(s) URL.

    Raises:
        TransferError: The proxy cannot be used, or the CA certificates cannot be read.
    """
    proxy = proxy_for(url)
    if proxy is not None:
        _check_proxy(url, proxy)
    is_encrypted = url.startswith("https:") or (proxy or "").startswith("https:")
    return Route(proxy=proxy, certificates=_certificates(os.environ) if is_encrypted else None)


def _check_proxy(url: str, proxy: str) -> None:
    scheme = proxy.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise TransferError(
            f"{public_url(url)} cannot be fetched through {public_url(proxy)}: {scheme} is no"
            f" scheme of a proxy. {_ADVICE}"
        )
    if scheme.startswith("socks") and find_spec("socks") is None:
        raise TransferError(
            f"{public_url(url)} cannot be fetched through {public_url(proxy)}: a SOCKS proxy needs"
            " the package PySocks, which is not installed: pip install PySocks."
        )


def _certificates(environment: Mapping[str, str]) -> str | None:
    named = next((name for name in _BUNDLES if environment.get(name)), None)
    if named is None:
        return None
    path = environment[named]
    reason = _unusable(path)
    if reason is not None:
        raise TransferError(
            f"The CA certificates {path} that {named} names cannot be read: {reason}."
            f" Correct or unset {named}."
        )
    return path


@lru_cache
def _unusable(path: str) -> str | None:
    """Return why CA certificates cannot be read, or None where they can."""
    try:
        if Path(path).is_dir():
            return None
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return "the file holds no certificates"
    except OSError as error:
        return error.strerror or "it cannot be opened"
    return None
