"""Compare a body with the digests that its server sent. Pure.

| Header | Of what | Source |
| --- | --- | --- |
| `Content-Digest` | the bytes of this answer, whole or a part | RFC 9530 |
| `Repr-Digest`, `Digest` | the whole file | RFC 9530, RFC 3230 |
| `Content-MD5` | the whole file; of a part servers differ | RFC 1864 |
| `x-amz-checksum-*` | the whole object, unless it is composed of parts | S3 |
| `ETag` of Amazon S3 | an object put at once, not encrypted with KMS or a customer's key | S3 |
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Mapping

_Compute = Callable[[bytes | bytearray], bytes]


def _hash(name: str) -> _Compute:
    return lambda body: hashlib.new(name, body, usedforsecurity=False).digest()


_ALGORITHMS: dict[str, tuple[_Compute, int]] = {
    "md5": (_hash("md5"), 16),
    "sha": (_hash("sha1"), 20),
    "sha-256": (_hash("sha256"), 32),
    "sha-512": (_hash("sha512"), 64),
    "crc32": (lambda body: zlib.crc32(body).to_bytes(4, "big"), 4),
}
"""By the name that RFC 9530 registers: the digest, and its length in bytes."""

_AMAZON = {"sha1": "sha", "sha256": "sha-256", "crc32": "crc32"}
"""Checksums of S3 that Python computes; CRC-32C and CRC-64 are not among them."""

_PLAIN_MD5 = re.compile(r'"([0-9a-f]{32})"')


def mismatch(headers: Mapping[str, str], body: bytes | bytearray, *, is_whole: bool) -> str | None:
    """Return the name of a header whose digest is not that of the body, or None.

    A digest that cannot be read, or of an unknown algorithm, is none.

    Args:
        headers: Of the answer, found in upper or lower case alike.
        body: As it came; its content coding must be identity.
        is_whole: Whether this is the whole file, and not a part of it.
    """
    for header, algorithm, digest in _sent(headers, is_whole=is_whole):
        compute, length = _ALGORITHMS[algorithm]
        if len(digest) == length and compute(body) != digest:
            return header
    return None


def _sent(headers: Mapping[str, str], *, is_whole: bool) -> Iterator[tuple[str, str, bytes]]:
    """The digests that apply: header, algorithm, bytes."""
    yield from _listed(headers, "Content-Digest")
    if not is_whole:
        return
    yield from _listed(headers, "Repr-Digest")
    yield from _listed(headers, "Digest")
    yield "Content-MD5", "md5", _decoded(headers.get("Content-MD5", ""))
    if headers.get("x-amz-checksum-type", "").upper() != "COMPOSITE":
        for name, algorithm in _AMAZON.items():
            header = f"x-amz-checksum-{name}"
            yield header, algorithm, _decoded(headers.get(header, ""))
    yield "ETag", "md5", _etag(headers)


def _listed(headers: Mapping[str, str], header: str) -> Iterator[tuple[str, str, bytes]]:
    """`sha-256=:BASE64:, md5=:BASE64:`, or the same without colons, as RFC 3230 has it."""
    for each in headers.get(header, "").split(","):
        name, _, value = each.strip().partition("=")
        if name.lower() in _ALGORITHMS and name.lower() != "crc32":
            yield header, name.lower(), _decoded(value.strip(":"))


def _decoded(text: str) -> bytes:
    """The bytes of base64, or none; a checksum of parts, `...-3`, is no base64."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _etag(headers: Mapping[str, str]) -> bytes:
    """The MD5 in an ETag where S3 promises that it is one, or none."""
    found = _PLAIN_MD5.fullmatch(headers.get("ETag", ""))
    is_plain = (
        headers.get("Server") == "AmazonS3"
        and headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
        and "x-amz-server-side-encryption-customer-algorithm" not in headers
    )
    return bytes.fromhex(found[1]) if found and is_plain else b""
