"""The agent's private key, made and used for requests in a process that lives for a moment.

The library that makes keys and reads certificates costs the agent more memory than everything else about the link, and
is needed once a day. So the work is done by a child, `python -m agent.hubclient.keys`, which writes the key to the data
directory itself: the key is never in an argument, a variable or a pipe. Standard output carries the request.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.errors import EnrolmentError, StorageError
from agent.hubclient.files import KEY, LINK, PENDING_KEY, read, write_private

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_REFUSED = 3
_UNUSABLE = 4
_MAX_INPUT = 256 * 1024
_CLUSTER_URI = "escadre://cluster/"
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "PYTHONHOME")


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says, after it was found to be of our key and an authority's."""

    cluster: str
    """The cluster's uid."""
    not_before: datetime
    not_after: datetime
    pending: bool
    """It is of the pending key, which is to become the key."""


class KeyTool(Protocol):
    """Raises StorageError for the data directory, EnrolmentError for everything else."""

    async def create(self, directory: Path) -> bytes:
        """Return a request (PEM) for an enrolment, of a key made for it. Until a certificate is installed it is the
        same key every time: the hub knows an agent that asks again by it."""
        ...

    async def request(self, directory: Path) -> bytes:
        """Return a request (PEM) signed by the key in use."""
        ...

    async def inspect(self, directory: Path, certificate: bytes, authorities: Sequence[bytes]) -> CertificateFacts:
        """Check a certificate (DER) against the keys here and the authorities (DER) that may have signed it."""
        ...


class ChildKeys:
    """Each call is one child process."""

    def __init__(self, timeout: float = 60.0) -> None:
        self._timeout = timeout

    async def create(self, directory: Path) -> bytes:
        return await self._call("create", directory)

    async def request(self, directory: Path) -> bytes:
        return await self._call("request", directory)

    async def inspect(self, directory: Path, certificate: bytes, authorities: Sequence[bytes]) -> CertificateFacts:
        return _facts(await self._call("inspect", directory, _document(certificate, authorities)))

    async def _call(self, mode: str, directory: Path, given: bytes = b"") -> bytes:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *_command(mode, directory), stdin=pipe, stdout=pipe, stderr=pipe, env=_environment()
            )
        except OSError as error:
            raise EnrolmentError(f"cannot start the key helper: {error.strerror}", retryable=True) from error
        try:
            async with asyncio.timeout(self._timeout):
                output, complaint = await process.communicate(given)
        except TimeoutError as error:
            raise EnrolmentError(f"the key helper took over {self._timeout:.0f} s", retryable=True) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        _check(process.returncode or 0, complaint)
        return output


class LocalKeys:
    """The same in this process: for tests and for many agents in one process."""

    async def create(self, directory: Path) -> bytes:
        return await asyncio.to_thread(create, directory)

    async def request(self, directory: Path) -> bytes:
        return await asyncio.to_thread(request, directory)

    async def inspect(self, directory: Path, certificate: bytes, authorities: Sequence[bytes]) -> CertificateFacts:
        return _facts(await asyncio.to_thread(inspect, directory, _document(certificate, authorities)))


def create(directory: Path) -> bytes:
    """See `KeyTool.create`."""
    # With a link the key is in use, and the enrolment is to replace it. Without, one was cut short.
    candidates = [PENDING_KEY] if (directory / LINK).exists() else [PENDING_KEY, KEY]
    for name in candidates:
        key = _load(directory / name)
        if key is not None:
            return _request(key)
    return _request(_make(directory / PENDING_KEY))


def request(directory: Path) -> bytes:
    """See `KeyTool.request`."""
    key = _load(directory / KEY)
    if key is None:
        raise EnrolmentError(f"there is no usable private key in {directory}: join again with a new token")
    return _request(key)


def inspect(directory: Path, document: bytes) -> bytes:
    """See `KeyTool.inspect`; takes and gives JSON."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    given = json.loads(document)
    try:
        certificate = x509.load_der_x509_certificate(bytes.fromhex(given["certificate"]))
        authorities = [x509.load_der_x509_certificate(bytes.fromhex(der)) for der in given["authorities"]]
        signed = any(_signed(certificate, authority) for authority in authorities)
        cluster = _cluster_of(certificate)
        pending = _whose(directory, certificate)
    except (
        ValueError,
        TypeError,
        UserWarning,
        UnsupportedAlgorithm,
        x509.ExtensionNotFound,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise EnrolmentError(f"the hub's certificate cannot be read ({type(error).__name__})") from error
    if not signed:
        raise EnrolmentError("the certificate is signed by none of the hub's authorities; it was not installed")
    answer = {
        "cluster": cluster,
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "pending": pending,
    }
    return json.dumps(answer).encode()


def main(arguments: Sequence[str]) -> int:
    """The child: mode and directory as arguments, JSON on standard input for inspect. Returns the exit status."""
    mode, directory = arguments[0], Path(arguments[1])
    modes: dict[str, Callable[[], bytes]] = {
        "create": lambda: create(directory),
        "request": lambda: request(directory),
        "inspect": lambda: inspect(directory, sys.stdin.buffer.read(_MAX_INPUT)),
    }
    try:
        sys.stdout.buffer.write(modes[mode]())
    except EnrolmentError as error:
        sys.stderr.write(str(error))
        return _REFUSED
    except StorageError as error:
        sys.stderr.write(str(error))
        return _UNUSABLE
    return 0


def _check(status: int, complaint: bytes) -> None:
    text = complaint.decode(errors="replace").strip()
    if status == _REFUSED:
        raise EnrolmentError(text)
    if status == _UNUSABLE:
        raise StorageError(text)
    if status:
        last = text.splitlines()[-1][:300] if text else "it said nothing"
        raise EnrolmentError(f"the key helper failed with status {status}: {last}", retryable=True)


def _command(mode: str, directory: Path) -> tuple[str, ...]:
    return sys.executable, "-P", "-s", "-m", "agent.hubclient.keys", mode, str(directory.absolute())


def _environment() -> dict[str, str]:
    """Enough to find the same packages as this process, and none of its secrets."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return passed_on | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if Path(p or ".").exists() and p)}


def _document(certificate: bytes, authorities: Sequence[bytes]) -> bytes:
    return json.dumps({"certificate": certificate.hex(), "authorities": [der.hex() for der in authorities]}).encode()


def _facts(answer: bytes) -> CertificateFacts:
    value: dict[str, Any] = json.loads(answer)
    return CertificateFacts(
        cluster=value["cluster"],
        not_before=datetime.fromisoformat(value["not_before"]),
        not_after=datetime.fromisoformat(value["not_after"]),
        pending=value["pending"],
    )


def _make(path: Path) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    write_private(path, key.private_bytes(encoding, form, serialization.NoEncryption()))
    return key


def _load(path: Path) -> ec.EllipticCurvePrivateKey | None:
    """Return the key; None when there is none, or what is there is no key of ours."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    content = read(path)
    if content is None:
        return None
    try:
        key = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _request(key: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    # The hub takes the key and nothing else; the name is for people who look at the request.
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "escadre-agent")])
    built = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return built.public_bytes(serialization.Encoding.PEM)


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _cluster_of(certificate: x509.Certificate) -> str:
    from cryptography import x509

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or not uris[0].startswith(_CLUSTER_URI):
        raise EnrolmentError("the hub's certificate names no cluster; it was not installed")
    return uris[0].removeprefix(_CLUSTER_URI)


def _whose(directory: Path, certificate: x509.Certificate) -> bool:
    """Tell whether the certificate is of the pending key. Raises EnrolmentError when it is of no key here."""
    for name in (PENDING_KEY, KEY):
        key = _load(directory / name)
        if key is not None and key.public_key() == certificate.public_key():
            return name == PENDING_KEY
    raise EnrolmentError("the hub's certificate is of another key than this agent's; it was not installed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
