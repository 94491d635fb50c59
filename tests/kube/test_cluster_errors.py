"""Which type each refusal becomes. The messages are a Kubernetes 1.36 API server's own."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st

from agent.kube.client import Kind
from agent.kube.cluster import errors
from agent.kube.cluster.errors import Target, from_exception, from_reply, from_status, redact
from agent.kube.errors import (
    Conflict,
    FieldConflict,
    Forbidden,
    Gone,
    KindUnknown,
    KubeError,
    NamespaceMissing,
    NamespaceTerminating,
    NotFound,
    Permanent,
    Rejected,
    Retryable,
    Throttled,
    Unreachable,
    WebhookUnreachable,
)
from tests.kube.serving import status

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", True)
TARGET = Target("apply", CONFIG_MAP, "team", "c")


def decide(code: int, reason: str = "", message: str = "", **details: Any) -> KubeError:
    return from_reply(TARGET, code, {}, orjson.dumps(status(code, reason, message, **details)))


def cause(reason: str, message: str = "", field: str = "") -> dict[str, str]:
    return {"reason": reason, "message": message, "field": field}


CASES: dict[str, tuple[type[KubeError], int, str, str, dict[str, Any]]] = {
    "no credentials": (Forbidden, 401, "Unauthorized", "Unauthorized", {}),
    "rbac": (
        Forbidden,
        403,
        "Forbidden",
        'configmaps "c" is forbidden: User "a" cannot patch resource "configmaps" in API group "" in the namespace "t"',
        {"name": "c", "kind": "configmaps"},
    ),
    "rbac, list": (
        Forbidden,
        403,
        "Forbidden",
        'configmaps is forbidden: User "agent" cannot list resource "configmaps" in API group "" at the cluster scope',
        {"kind": "configmaps"},
    ),
    "rbac, path": (Forbidden, 403, "Forbidden", 'forbidden: User "system:anonymous" cannot get path "/apis"', {}),
    "rbac, escalation": (
        Forbidden,
        403,
        "Forbidden",
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "agent" (groups=["a"]) is attempting to grant RBAC '
        'permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
        {},
    ),
    "quota": (
        Rejected,
        403,
        "Forbidden",
        'configmaps "c" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, '
        "limited: count/configmaps=1",
        {},
    ),
    "pod security": (
        Rejected,
        403,
        "Forbidden",
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
        {},
    ),
    "quota not counted yet": (
        Throttled,
        403,
        "Forbidden",
        'configmaps "c" is forbidden: status unknown for quota: q, resources: configmaps',
        {},
    ),
    "service account not made yet": (
        Throttled,
        403,
        "Forbidden",
        'pods "p" is forbidden: error looking up service account team/default: serviceaccount "default" not found',
        {},
    ),
    "namespace going": (
        NamespaceTerminating,
        403,
        "Forbidden",
        'configmaps "c" is forbidden: unable to create new content in namespace team because it is being terminated',
        {"causes": [cause("NamespaceTerminating", "namespace team is being terminated", "metadata.namespace")]},
    ),
    "webhook says no": (
        Rejected,
        403,
        "Forbidden",
        'admission webhook "policy.example.org" denied the request: no',
        {},
    ),
    "webhook says no with 500": (
        Rejected,
        500,
        "InternalError",
        'admission webhook "policy.example.org" denied the request without explanation',
        {},
    ),
    "policy says no": (
        Rejected,
        422,
        "Invalid",
        "configmaps \"c\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        {},
    ),
    "policy forbids": (
        Rejected,
        403,
        "Forbidden",
        "configmaps \"c\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        {},
    ),
    "webhook down": (
        WebhookUnreachable,
        500,
        "InternalError",
        'Internal error occurred: failed calling webhook "w": failed to call webhook: Post "https://w": refused',
        {"causes": [cause("", 'failed calling webhook "w"')]},
    ),
    "object": (NotFound, 404, "NotFound", 'configmaps "c" not found', {"name": "c", "kind": "configmaps"}),
    "namespace": (
        NamespaceMissing,
        404,
        "NotFound",
        'namespaces "team" not found',
        {"name": "team", "kind": "namespaces"},
    ),
    "kind": (KindUnknown, 404, "NotFound", "the server could not find the requested resource", {}),
    "verb": (Rejected, 405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}),
    "lost race": (
        Conflict,
        409,
        "Conflict",
        'Operation cannot be fulfilled on configmaps "c": the object has been modified; please apply your changes to '
        "the latest version and try again",
        {"name": "c", "kind": "configmaps"},
    ),
    "exists": (Conflict, 409, "AlreadyExists", 'configmaps "c" already exists', {"name": "c", "kind": "configmaps"}),
    "field manager": (
        FieldConflict,
        409,
        "Conflict",
        'Apply failed with 1 conflict: conflict with "kubectl" using v1: .data.a',
        {"causes": [cause("FieldManagerConflict", 'conflict with "kubectl" using v1', ".data.a")]},
    ),
    "expired": (Gone, 410, "Expired", "too old resource version: 1 (2)", {}),
    "continue expired": (Gone, 410, "Expired", "The provided continue parameter is too old", {}),
    "ahead of the server": (
        Gone,
        504,
        "Timeout",
        "Timeout: Too large resource version: 9, current: 1",
        {"causes": [cause("ResourceVersionTooLarge", "Too large resource version")], "retryAfterSeconds": 1},
    ),
    "invalid": (
        Rejected,
        422,
        "Invalid",
        'Deployment.apps "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
        {"causes": [cause("FieldValueInvalid", "must be greater", "spec.replicas")]},
    ),
    "malformed": (Rejected, 400, "BadRequest", "the object provided is unrecognized", {}),
    "not in the schema": (
        Rejected,
        500,
        "",
        "failed to create typed patch object (team/c; /v1, Kind=ConfigMap): .dta: field not declared in schema",
        {},
    ),
    "too large for etcd": (Rejected, 500, "", "etcdserver: request is too large", {}),
    "too large": (Rejected, 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728", {}),
    "throttled": (Throttled, 429, "TooManyRequests", "the server has received too many requests", {}),
    "overloaded": (Throttled, 503, "ServiceUnavailable", "wait", {"retryAfterSeconds": 3}),
    "down": (Unreachable, 503, "ServiceUnavailable", "the server is currently unable to handle the request", {}),
    "timed out": (Unreachable, 504, "Timeout", "request did not complete within the allotted timeout", {}),
    "etcd": (Unreachable, 500, "InternalError", "etcdserver: leader changed", {}),
}


@pytest.mark.parametrize("name", CASES)
def test_decides_by_what_the_server_says(name: str) -> None:
    expected, code, reason, message, details = CASES[name]
    error = decide(code, reason, message, **details)
    assert type(error) is expected, error
    assert str(error).startswith("apply ConfigMap/team/c: ")


def test_every_status_is_decided_with_and_without_a_body() -> None:
    permanent = {400, 401, 402, 403, 404, 405, 406, 412, 413, 414, 415, 422}
    for code in range(100, 600):
        if 200 <= code < 300:
            continue
        for body in (b"", b"<html>no</html>", orjson.dumps(status(code, "", "")), b"[1]", b"{}"):
            error = from_reply(TARGET, code, {}, body)
            assert type(error) not in (KubeError, Retryable, Permanent)
            if code >= 500 or code < 400:
                assert type(error) is Unreachable
            elif code in permanent:
                assert isinstance(error, Permanent), code
            assert str(error) != "apply ConfigMap/team/c: "


def test_every_type_of_error_is_reached() -> None:
    def raised(kind: type[KubeError]) -> Iterator[type[KubeError]]:
        for below in kind.__subclasses__():
            if below.__module__ == "agent.kube.errors":
                yield from () if below in (Retryable, Permanent) else (below,)
                yield from raised(below)

    assert {case[0] for case in CASES.values()} == set(raised(KubeError))


def test_every_status_python_knows_has_a_type_that_says_whether_a_retry_helps() -> None:
    retryable = {s for s in HTTPStatus if isinstance(from_reply(TARGET, s, {}, b""), Retryable)}
    assert {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS} == {
        s for s in retryable if 400 <= s < 500
    }
    assert {s for s in HTTPStatus if s >= 500} <= retryable


def test_names_the_missing_namespace() -> None:
    error = decide(404, "NotFound", 'namespaces "team" not found', name="team", kind="namespaces")
    assert str(error) == "apply ConfigMap/team/c: namespace team does not exist"


def test_a_missing_namespace_object_is_just_not_found() -> None:
    target = Target("replace", Kind("", "v1", "Namespace", "namespaces", False), "", "team")
    body = orjson.dumps(status(404, "NotFound", 'namespaces "team" not found', name="team", kind="namespaces"))
    assert str(from_reply(target, 404, {}, body)) == 'replace Namespace/team: namespaces "team" not found'


def test_a_plain_404_means_that_the_kind_is_not_served() -> None:
    error = from_reply(Target("list", DEPLOYMENT, "team"), 404, {}, b"404 page not found\n")
    assert type(error) is KindUnknown
    assert "list Deployment (apps/v1) in team" in str(error)


def test_field_conflict_names_each_manager_once() -> None:
    causes = [
        cause("FieldManagerConflict", 'conflict with "kubectl-edit" using v1', ".data.a"),
        cause("FieldManagerConflict", 'conflict with "kubectl-edit" using v1', ".data.b"),
        cause("FieldManagerConflict", 'conflict with "a\\"b" with subresource "scale" using apps/v1', ".spec.replicas"),
    ]
    error = decide(409, "Conflict", "Apply failed with 3 conflicts", causes=causes)
    assert isinstance(error, FieldConflict)
    assert error.managers == ("kubectl-edit", 'a"b')


@pytest.mark.parametrize(
    ("code", "message", "causes", "fields"),
    [
        (
            422,
            "invalid",
            [cause("x", "", "spec.a"), cause("x", "", "spec.b"), cause("x", "", "spec.a")],
            ("spec.a", "spec.b"),
        ),
        (422, "invalid", [cause("x", "", "<nil>"), cause("x")], ()),
        (400, 'strict decoding error: unknown field "spec.foo", duplicate field "data.a"', [], ("spec.foo", "data.a")),
        (
            500,
            "failed to create typed patch object (d; v1): .spec.foo: field not declared in schema",
            [],
            ("spec.foo",),
        ),
        (
            500,
            'failed to create typed patch object (d): .a[name="b"].c: expected string, got 1',
            [],
            ('a[name="b"].c',),
        ),
    ],
)
def test_rejected_names_the_fields(
    code: int, message: str, causes: list[dict[str, str]], fields: tuple[str, ...]
) -> None:
    error = decide(code, "", message, causes=causes)
    assert isinstance(error, Rejected)
    assert error.fields == fields


@pytest.mark.parametrize(
    ("header", "details", "seconds"),
    [("7", {}, 7.0), ("", {"retryAfterSeconds": 4}, 4.0), ("7", {"retryAfterSeconds": 4}, 7.0), ("", {}, 1.0)]
    + [(header, {}, 1.0) for header in ("-1", "x", "0", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 30, "٣")]
    + [("100000", {}, errors.MAX_RETRY_AFTER)],
)
def test_throttled_carries_what_the_server_asks_for(header: str, details: dict[str, Any], seconds: float) -> None:
    error = from_reply(TARGET, 429, {"Retry-After": header}, orjson.dumps(status(429, "", "slow down", **details)))
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


def test_a_5xx_with_a_retry_after_is_throttling() -> None:
    error = from_reply(TARGET, 503, {"Retry-After": "5"}, b"starting")
    assert isinstance(error, Throttled)
    assert error.retry_after == 5.0
    assert str(error) == "apply ConfigMap/team/c: starting"


def test_messages_and_fields_are_bounded() -> None:
    causes = [cause("x", "y" * 10_000, f"f{i}" * 1000) for i in range(1000)]
    error = decide(422, "Invalid", "m" * 1_000_000, causes=causes)
    assert isinstance(error, Rejected)
    assert len(str(error)) < errors.MAX_MESSAGE + 100
    assert len(error.fields) <= errors.MAX_FIELDS
    assert all(len(f) <= errors.MAX_MESSAGE + len(errors.CUT) for f in error.fields)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.integers(100, 599),
    st.fixed_dictionaries(
        {"kind": st.just("Status")},
        optional=dict.fromkeys(("message", "reason", "code"), json_values)
        | {
            "details": json_values
            | st.fixed_dictionaries(
                {}, optional=dict.fromkeys(("name", "kind", "causes", "retryAfterSeconds"), json_values)
            )
        },
    ),
)
def test_whatever_a_status_holds_it_is_decided(code: int, document: dict[str, Any]) -> None:
    assert isinstance(from_reply(TARGET, code, {}, orjson.dumps(document)), (Retryable, Permanent))
    assert isinstance(from_status(TARGET, document), (Retryable, Permanent))


@given(st.binary(max_size=300), st.integers(300, 599))
def test_whatever_bytes_come_they_are_decided(body: bytes, code: int) -> None:
    assert isinstance(from_reply(TARGET, code, {}, body), (Retryable, Permanent))


def test_the_error_event_of_a_watch_is_decided_alike() -> None:
    assert type(from_status(TARGET, status(410, "Expired", "too old resource version: 1 (2)"))) is Gone
    assert type(from_status(TARGET, status(500, "InternalError", "etcd"))) is Unreachable
    assert type(from_status(TARGET, None)) is Unreachable


KEY = ConnectionKey("host", 6443, True, True, None, None, None, None)
INFO: Any = SimpleNamespace(real_url="https://host")
MADE: dict[type[BaseException], BaseException] = {
    aiohttp.ClientConnectorError: aiohttp.ClientConnectorError(KEY, OSError(111, "Connection refused")),
    aiohttp.ClientConnectorDNSError: aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name not known")),
    aiohttp.ClientProxyConnectionError: aiohttp.ClientProxyConnectionError(KEY, OSError(111, "Connection refused")),
    aiohttp.ClientSSLError: aiohttp.ClientSSLError(KEY, OSError(1, "ssl")),
    aiohttp.ClientConnectorSSLError: aiohttp.ClientConnectorSSLError(KEY, OSError(1, "ssl")),
    aiohttp.ClientConnectorCertificateError: aiohttp.ClientConnectorCertificateError(KEY, ValueError("self-signed")),
    UnixClientConnectorError: UnixClientConnectorError("path", KEY, OSError(111, "refused")),
    aiohttp.ServerFingerprintMismatch: aiohttp.ServerFingerprintMismatch(b"a", b"b", "host", 1),
    aiohttp.InvalidURL: aiohttp.InvalidURL("https://x"),
    ssl.SSLCertVerificationError: ssl.SSLCertVerificationError(1, "self-signed"),
    ssl.SSLError: ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]"),
    ConnectionResetError: ConnectionResetError(104, "Connection reset by peer"),
    asyncio.TimeoutError: TimeoutError(),
}


def every_exception() -> Iterator[type[BaseException]]:
    def below(kind: type[BaseException]) -> Iterator[type[BaseException]]:
        yield kind
        for sub in kind.__subclasses__():
            if sub.__module__.startswith("aiohttp"):
                yield from below(sub)

    yield from dict.fromkeys((*below(aiohttp.ClientError), *MADE))


def make(kind: type[BaseException]) -> BaseException:
    if kind in MADE:
        return MADE[kind]
    if issubclass(kind, aiohttp.ClientResponseError):
        return kind(INFO, (), status=502, message="bad")
    try:
        return kind()
    except TypeError:
        return kind("https://x")


@pytest.mark.parametrize("kind", list(every_exception()), ids=lambda kind: kind.__name__)
def test_every_exception_of_the_http_library_is_unreachable(kind: type[BaseException]) -> None:
    error = from_exception(TARGET, make(kind), 30.0)
    assert type(error) is Unreachable
    assert re.fullmatch(r"apply ConfigMap/team/c: \S.*", str(error))


def test_a_secret_s_values_are_taken_out_of_the_message() -> None:
    manifest = {"kind": "Secret", "data": {"a": "aHVudGVyMg==", "n": 1234567, "deep": {"x": ["inner-secret"]}, "e": ""}}
    manifest["stringData"] = {"b": "plain-secret"}
    error = Rejected("at a: aHVudGVyMg== is hunter2, 1234567, plain-secret, inner-secret", ("data.a",))
    assert redact(error, manifest) is error
    assert str(error) == error.message == "at a: *** is ***, ***, ***, ***"


@pytest.mark.parametrize("data", [None, [], "text", {"a": None}])
def test_redacting_survives_a_malformed_secret(data: Any) -> None:
    assert redact(Rejected("text of it"), {"kind": "Secret", "data": data}).message.endswith("of it")


def test_other_kinds_are_quoted_as_they_are() -> None:
    manifest = {"kind": "ConfigMap", "data": {"a": "visible"}}
    assert redact(Rejected("visible"), manifest).message == "visible"


def test_a_long_message_keeps_its_end() -> None:
    """A server that quotes a whole pod says only behind it what is wrong with it."""
    quoted = "x" * 10_000
    message = f'Job.batch "web" is invalid: spec.template: Invalid value: "{quoted}": field is immutable'
    error = from_status(Target("apply"), {"kind": "Status", "code": 422, "message": message})
    assert isinstance(error, Rejected) and error.message.endswith("field is immutable")
    assert 'Job.batch "web" is invalid' in error.message and len(error.message) < 3000


@pytest.mark.parametrize("place", range(780, 880, 7))
def test_no_half_of_a_secret_is_left_where_a_message_was_cut(place: int) -> None:
    secret = "S3CR3T-" + "0123456789abcdef" * 80
    message = "a" * place + secret + "b" * 600 + secret + "c" * 40
    error = from_status(Target("apply"), {"kind": "Status", "code": 422, "message": message})
    told = redact(error, {"kind": "Secret", "stringData": {"k": secret}}).message
    assert "S3CR3T" not in told and "0123456789abcdef" not in told
