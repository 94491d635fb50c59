"""The API client: one call at a time, bounded in time and size, every failure told as one of our errors."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx2
import orjson

from hub import __version__
from hub.cli.config import Context, is_token
from hub.cli.errors import CliError, HubAway, Interrupted, NotLoggedIn, NotTrusted, Refused

PREFIX = "/api/v1"
_CONNECT_SECONDS = 10.0
_LARGEST = 512 * 1024 * 1024
_TRIES = 3
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
_MOST_PAGES = 10_000
_HOSTNAME_MISMATCH = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and …_IP_ADDRESS_MISMATCH."""


class HubApi:
    """One hub, as one user. Close it after use."""

    def __init__(self, context: Context, *, timeout: float, pause: Callable[[float], None] = time.sleep) -> None:
        self.context = context
        self._pause = pause
        self._client = httpx2.Client(**client_options(context, timeout))

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, /, **params: object) -> Any:
        """Return the reply's JSON. Tried again when the hub is away for a moment. Raises CliError."""
        for attempt in range(1, _TRIES + 1):
            try:
                return self.call("GET", path, params=params)
            except HubAway as error:
                seconds = error.retry_after or _FIRST_PAUSE * 2**attempt
                if attempt == _TRIES or seconds > _LONGEST_PAUSE:
                    raise
                self._pause(seconds)
        raise AssertionError("the last attempt returns or raises")

    def post(self, path: str, body: Mapping[str, Any] | None = None, /, **params: object) -> Any:
        return self.call("POST", path, params=params, body=body)

    def put(self, path: str, body: Mapping[str, Any], /, **params: object) -> Any:
        return self.call("PUT", path, params=params, body=body)

    def patch(self, path: str, body: Mapping[str, Any], /, **params: object) -> Any:
        return self.call("PATCH", path, params=params, body=body)

    def delete(self, path: str, /, **params: object) -> Any:
        return self.call("DELETE", path, params=params)

    def items(self, path: str, /, **params: object) -> list[dict[str, Any]]:
        """Return every item of a list, page by page. Raises CliError."""
        found: list[dict[str, Any]] = []
        after = ""
        for _ in range(_MOST_PAGES):
            reply = self.get(path, **params, **({"continue": after} if after else {}))
            found += reply["items"]
            after = reply.get("continue", "")
            if not after:
                return found
        raise HubAway("the hub's list does not end")

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        body: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        media_type: str = "application/json",
        prefix: str = PREFIX,
    ) -> Any:
        """Send one request and return the reply's JSON, None for none. Raises CliError."""
        if body is not None:
            content = orjson.dumps(body)
        headers = {"Content-Type": media_type} if content is not None else {}
        try:
            with self._client.stream(
                method, prefix + path, params=query(params or {}), content=content, headers=headers
            ) as response:
                return answer(response, _limited(response))
        except httpx2.HTTPError as error:
            raise transport_error(error, self.context) from error
        except KeyboardInterrupt:
            if method == "GET":
                raise
            raise Interrupted("the hub was being asked, and may do it: look before you ask again") from None


def client_options(context: Context, timeout: float) -> dict[str, Any]:
    """Return how both kinds of HTTP client are made. Raises NotTrusted when the context's authority is unreadable,
    NotLoggedIn when its token is."""
    if context.token and not is_token(context.token):
        raise NotLoggedIn(f"the token kept for {context.server} is damaged: log in again")
    headers = {"User-Agent": f"escadre/{__version__}", "Accept": "application/json"}
    if context.token:
        headers["Authorization"] = f"Bearer {context.token}"
    return {
        "base_url": context.server,
        "headers": headers,
        "verify": tls_context(context),
        "timeout": httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
        "follow_redirects": False,
    }


def tls_context(context: Context) -> ssl.SSLContext:
    """Raises NotTrusted."""
    if context.insecure:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
        return tls
    try:
        return ssl.create_default_context(cadata=context.ca) if context.ca else ssl.create_default_context()
    except ssl.SSLError as error:
        raise NotTrusted(
            f"the authority kept for {context.server} cannot be read: log in again, or correct ESCADRE_CA_FILE"
        ) from error


def application_path(id: str, tail: str = "") -> tuple[str, dict[str, str]]:
    """Return the path and the query of an application given as NAME or NAMESPACE/NAME."""
    namespace, slash, name = id.partition("/")
    path = f"/applications/{quote(name if slash else id, safe='')}{tail}"
    return path, {"namespace": namespace} if slash else {}


def named_path(collection: str, name: str, tail: str = "") -> str:
    return f"/{collection}/{quote(name, safe='')}{tail}"


def query(params: Mapping[str, object]) -> dict[str, str | list[str]]:
    """Return a query without what was not given; a list becomes one parameter for each of its items."""
    words = {True: "true", False: "false"}

    def text(value: object) -> str:
        return words[value] if isinstance(value, bool) else str(value)

    return {
        key: [text(item) for item in value] if isinstance(value, list) else text(value)
        for key, value in params.items()
        if value is not None and value != ""
    }


def answer(response: httpx2.Response, content: bytes) -> Any:
    """Return the JSON of a good reply; raise what a bad one means."""
    if response.is_success and not content:
        return None
    try:
        value = orjson.loads(content)
    except ValueError:
        value = None
    if response.is_success:
        if not isinstance(value, dict):
            raise HubAway(_foreign(response))
        return value
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        raise HubAway(_foreign(response))
    raise refusal(response, error)


def refusal(response: httpx2.Response, error: Mapping[str, Any]) -> CliError:
    """Return the error that the hub's error reply means."""
    code, message = str(error.get("code", "")), str(error.get("message", ""))
    status = response.status_code
    if status == 401:
        advice = "" if code == "bad-credentials" or "escadre login" in message else ": log in with `escadre login`"
        return NotLoggedIn(message + advice)
    if status == 403:
        return NotLoggedIn(message)
    if status in (408, 429) or status >= 500:
        retry_after = response.headers.get("Retry-After", "")
        known = error.get("request_id", "")
        told = f" (request {known})" if status >= 500 and known and known not in message else ""
        return HubAway(message + told, retry_after=float(retry_after) if retry_after.isdecimal() else 0.0)
    details = error.get("details") or ()
    return Refused(message, code, [str(detail) for detail in details])


def transport_error(error: Exception, context: Context) -> CliError:
    """Return what a failure below HTTP means to the user."""
    host = context.server.removeprefix("https://")
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, host, context)
        if isinstance(cause, ssl.SSLError):
            return HubAway(f"no TLS with {host}: {cause.reason or cause}. Is this the hub's HTTPS port?")
    if isinstance(error, httpx2.TimeoutException):
        return HubAway(f"the hub at {host} did not answer in time; see --request-timeout")
    reason = next((_words(c) for c in _causes(error) if isinstance(c, OSError) and c.strerror), str(error))
    if isinstance(error, httpx2.ConnectError):
        return HubAway(f"the hub at {host} cannot be reached: {reason}. Check the address, and that the hub runs")
    return HubAway(f"the connection to the hub at {host} broke: {reason}")


def _words(error: OSError) -> str:
    # asyncio has words of its own, with the address as a pair in them. What a name has come to has a negative number.
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error.strerror)


def _untrusted(cause: ssl.SSLCertVerificationError, host: str, context: Context) -> NotTrusted:
    if cause.verify_code in _HOSTNAME_MISMATCH:
        return NotTrusted(
            f"the hub's certificate is not for {host}: use an address it is for, or add this one to the hub's "
            "--server-names"
        )
    whom = "the authority trusted at login" if context.ca else "no authority this system trusts"
    verb = "was not signed by" if context.ca else "was signed by"
    return NotTrusted(
        f"the certificate shown at {host} {verb} {whom} ({cause.verify_message}). If the hub's authority is new, log "
        "in again with its pin; if not, something stands in between"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(20):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _limited(response: httpx2.Response) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > _LARGEST:
            raise HubAway("the hub's answer is larger than is taken here: ask for one cluster at a time")
    return bytes(content)


def _foreign(response: httpx2.Response) -> str:
    kind = response.headers.get("content-type", "no content type").partition(";")[0]
    return (
        f"what answers at {response.request.url.netloc.decode()} is not an Escadre hub's API (HTTP "
        f"{response.status_code}, {kind}): check the address, and any proxy in between"
    )
