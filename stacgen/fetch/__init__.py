"""URLs to bytes over HTTP; the only package that knows the HTTP client."""

from stacgen.fetch.http import Http, Patience

__all__ = ["Http", "Patience"]
