"""Where a catalog is kept: a folder or a bucket behind one protocol, `model.protocols.Store`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from stacgen.errors import UsageError
from stacgen.io.folder import Folder
from stacgen.io.http import Http
from stacgen.io.website import Website
from stacgen.model.protocols import Readable

if TYPE_CHECKING:
    from stacgen.io.bucket import Bucket


def open_store(
    address: str | Path, options: Mapping[str, str] | None = None, *, retries: int = 10
) -> "Folder | Bucket":
    """The store at a path, a `file:` URL, or the URL of a bucket (`s3://`, `gs://`, `az://`).

    Args:
        address: Where the root of the catalog is or shall be.
        options: Settings of the bucket beside those in the environment, `{"region": "eu-1"}`.
        retries: Of a bucket, for what may pass.

    Raises:
        UsageError: It is none of these.
    """
    text = str(address)
    scheme = urlsplit(text).scheme if "://" in text or text.startswith("file:") else ""
    if scheme == "file":
        return Folder(Path(unquote(urlsplit(text).path)))
    if not scheme:
        return Folder(Path(text))
    from stacgen.io.bucket import SCHEMES, Bucket  # noqa: PLC0415 - obstore is needed by few

    if scheme not in SCHEMES:
        raise UsageError(
            f"Output {text!r} is neither a folder nor a bucket ({', '.join(SCHEMES)})."
        )
    return Bucket.at(text, options or {}, retries=retries)


def open_readable(address: str, options: Mapping[str, str] | None) -> Readable:
    """A folder, a bucket or a website to read from."""
    if address.startswith(("http://", "https://")):
        http = Http()
        return Website(address, http, http.size)
    return open_store(address or "/", options)
