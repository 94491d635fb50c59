"""Just enough DER to pin an authority: where a certificate keeps its public key.

The agent's long-lived process cannot afford a cryptography library for this. The walk is stricter than OpenSSL's:
what is not the one shortest encoding is refused, so that both read the same certificate in the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

MAX_CERTIFICATE = 8 * 1024
"""Bytes of one certificate."""

_SEQUENCE = 0x30
_INTEGER = 0x02
_VERSION = 0xA0
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----\s+([A-Za-z0-9+/=\s]{1,32768}?)-----END \1-----", re.ASCII)


def pem_blocks(text: str, label: str, limit: int) -> list[bytes]:
    """Return the contents of the blocks with that label. Raises ValueError when there are none, or over `limit`."""
    found = [body for name, body in _BLOCK.findall(text) if name == label]
    if not 1 <= len(found) <= limit:
        raise ValueError(f"{len(found)} blocks of {label}, where 1 to {limit} belong")
    try:
        return [base64.b64decode("".join(body.split()), validate=True) for body in found]
    except binascii.Error as error:
        raise ValueError(f"a block of {label} is not base64") from error


def key_pin(certificate: bytes) -> str:
    """Return the hex SHA-256 over a DER certificate's SubjectPublicKeyInfo. Raises ValueError when it is none."""
    return hashlib.sha256(public_key_info(certificate)).hexdigest()


def public_key_info(certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a DER certificate, as it stands there. Raises ValueError."""
    if len(certificate) > MAX_CERTIFICATE:
        raise ValueError(f"a certificate of {len(certificate)} bytes")
    body, end = _enter(certificate, 0, len(certificate))
    if end != len(certificate):
        raise ValueError("bytes after the certificate")
    position, end = _enter(certificate, body, end)
    if certificate[position : position + 1] == bytes([_VERSION]):
        position = _skip(certificate, position, end, _VERSION)
    position = _skip(certificate, position, end, _INTEGER)
    for _ in ("signature", "issuer", "validity", "subject"):
        position = _skip(certificate, position, end, _SEQUENCE)
    return certificate[position : _skip(certificate, position, end, _SEQUENCE)]


def _enter(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return where the content of the sequence at `position` begins and ends."""
    _, content, after = _element(data, position, end, _SEQUENCE)
    return content, after


def _skip(data: bytes, position: int, end: int, tag: int) -> int:
    return _element(data, position, end, tag)[2]


def _element(data: bytes, position: int, end: int, tag: int) -> tuple[int, int, int]:
    """Return (start, start of content, end) of the element at `position`, which must have the tag."""
    if position + 2 > end or data[position] != tag:
        raise ValueError(f"no element {tag:#x} at byte {position}")
    content, length = position + 2, data[position + 1]
    if length >= 0x80:
        size = length & 0x7F
        octets = data[content : content + size]
        length = int.from_bytes(octets, "big")
        content += size
        if not 1 <= size <= 2 or len(octets) != size or octets[0] == 0 or length < 0x80:
            raise ValueError(f"a length that is not DER at byte {position + 1}")
    if content + length > end:
        raise ValueError(f"an element beyond its parent at byte {position}")
    return position, content, content + length
