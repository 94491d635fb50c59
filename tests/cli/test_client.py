"""The client: every way in which a hub, or what stands in its place, fails to answer, and what the user is told."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import trustme

from hub.cli import client
from hub.cli.client import HubApi, application_path, named_path, query
from hub.cli.config import Context
from hub.cli.errors import CliError, HubAway, NotLoggedIn, NotTrusted, Refused
from hub.cli.follow import Follower
from tests.cli.fakehub import FakeHub, Reply, Request, refused


@pytest.fixture
def paused() -> list[float]:
    return []


Connect = Callable[..., HubApi]


@pytest.fixture
def connect(paused: list[float]) -> Iterator[Connect]:
    with contextlib.ExitStack() as stack:

        def connected(address: str, *, ca: str = "", timeout: float = 2, token: str = "t") -> HubApi:
            context = Context("c", f"https://{address}", ca=ca, token=token)
            api = HubApi(context, timeout=timeout, pause=paused.append)
            stack.callback(api.close)
            return api

        yield connected


@pytest.fixture
def api(hub: FakeHub, connect: Connect) -> HubApi:
    return connect(hub.address, ca=hub.ca)


def test_a_reply(hub: FakeHub, api: HubApi) -> None:
    hub.on("GET", "/version", {"version": "1"})
    assert api.get("/version", a=1, b=True, c=None, d="") == {"version": "1"}
    request = hub.requests[0]
    assert request.query == {"a": "1", "b": "true"}
    assert request.headers["authorization"] == "Bearer t"
    assert request.headers["user-agent"].startswith("escadre/")


def test_no_content_is_none(hub: FakeHub, api: HubApi) -> None:
    hub.on("DELETE", "/session", Reply(status=204))
    assert api.delete("/session") is None


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "session-ended", NotLoggedIn),
        (403, "permission-denied", NotLoggedIn),
        (404, "not-found", Refused),
        (409, "conflict", Refused),
        (422, "invalid", Refused),
        (429, "busy", HubAway),
        (500, "internal", HubAway),
        (503, "store-unavailable", HubAway),
    ],
)
def test_the_hubs_errors(hub: FakeHub, api: HubApi, status: int, code: str, kind: type[CliError]) -> None:
    hub.on("POST", "/x", refused(status, code, "it did not work"))
    with pytest.raises(kind, match="it did not work"):
        api.post("/x")


def test_an_ended_session_says_how_to_get_another(hub: FakeHub, api: HubApi) -> None:
    hub.on("GET", "/x", refused(401, "session-ended", "the session has ended"))
    with pytest.raises(NotLoggedIn, match="the session has ended: log in with `escadre login`"):
        api.get("/x")


def test_an_error_inside_the_hub_names_the_request(hub: FakeHub, api: HubApi) -> None:
    hub.on("POST", "/x", refused(500, "internal", "an error inside the hub"))
    with pytest.raises(HubAway, match="request r-12345678"):
        api.post("/x")


def test_every_problem_of_a_refusal_is_kept(hub: FakeHub, api: HubApi) -> None:
    hub.on("POST", "/x", refused(422, "invalid", "two problems", details=("one", "two")))
    with pytest.raises(Refused) as caught:
        api.post("/x")
    assert (caught.value.code, caught.value.details) == ("invalid", ("one", "two"))


def test_reading_is_tried_again(hub: FakeHub, api: HubApi, paused: list[float]) -> None:
    hub.on("GET", "/x", Reply(drop=True), refused(503, "unavailable", "wait", Retry_After="3"), {"a": 1})
    assert api.get("/x") == {"a": 1}
    assert paused == [0.5, 3.0]


def test_reading_is_not_tried_again_for_ever(hub: FakeHub, api: HubApi, paused: list[float]) -> None:
    hub.on("GET", "/x", Reply(drop=True))
    with pytest.raises(HubAway, match="broke"):
        api.get("/x")
    assert len(paused) == 2


def test_a_hub_that_asks_for_a_long_wait_is_not_waited_for(hub: FakeHub, api: HubApi, paused: list[float]) -> None:
    hub.on("GET", "/x", refused(429, "busy", "too many", Retry_After="60"))
    with pytest.raises(HubAway, match="too many"):
        api.get("/x")
    assert paused == []


@pytest.mark.parametrize("reply", [Reply(drop=True), refused(503, "unavailable", "away")])
def test_writing_is_done_once(hub: FakeHub, api: HubApi, reply: Reply) -> None:
    hub.on("POST", "/x", reply)
    with pytest.raises(HubAway):
        api.post("/x", {"a": 1})
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(content=b"<html>", headers={"Content-Type": "text/html"}),
        Reply(content=b"<html>", status=502, headers={"Content-Type": "text/html"}),
        Reply(content=b"[]"),
        Reply(status=302, headers={"Location": "https://elsewhere.example"}),
        Reply({"error": "a string"}, status=404),
    ],
)
def test_what_is_no_hub_is_told(hub: FakeHub, api: HubApi, reply: Reply) -> None:
    hub.on("POST", "/x", reply)
    with pytest.raises(HubAway, match=rf"127.0.0.1.* is not an Escadre hub's API \(HTTP {reply.status}"):
        api.post("/x")


def test_an_endless_answer_is_cut_off(hub: FakeHub, api: HubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_LARGEST", 1000)
    hub.on("GET", "/x", Reply(chunks=iter(lambda: b"x" * 600, b"")))
    with pytest.raises(HubAway, match="larger than is taken"):
        api.call("GET", "/x")


def test_a_list_that_does_not_end_is_cut_off(hub: FakeHub, api: HubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_MOST_PAGES", 3)
    hub.on("GET", "/x", {"items": [], "continue": "again"})
    with pytest.raises(HubAway, match="does not end"):
        api.items("/x")


def test_a_slow_hub_is_told(hub: FakeHub, connect: Connect) -> None:
    def slow(_: Request) -> Reply:
        hub.stopping.wait(10)
        return Reply(drop=True)

    hub.on("POST", "/x", slow)
    api = connect(hub.address, ca=hub.ca, timeout=0.2)
    with pytest.raises(HubAway, match="did not answer in time; see --request-timeout"):
        api.post("/x")


def test_nobody_there(connect: Connect) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        api = connect(f"127.0.0.1:{port}")
        words = f"127.0.0.1:{port} cannot be reached: Connection refused. Check the address"
        with pytest.raises(HubAway, match=words):
            api.get("/x")
        # What follows an application asks in another way, and says the same.
        with pytest.raises(HubAway, match=words):
            Follower(api, "web", timeout=1, request_timeout=5).until(lambda _: True)


def test_a_hub_that_another_authority_vouches_for(hub: FakeHub, connect: Connect) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    with pytest.raises(NotTrusted, match="was not signed by the authority trusted at login"):
        connect(hub.address, ca=other).get("/x")
    assert hub.requests == []


def test_a_hub_that_the_system_does_not_trust(hub: FakeHub, connect: Connect) -> None:
    with pytest.raises(NotTrusted, match="was signed by no authority this system trusts"):
        connect(hub.address).get("/x")


def test_a_certificate_for_another_name(make_hub: Callable[..., FakeHub], connect: Connect) -> None:
    hub = make_hub("hub.example.com")
    with pytest.raises(NotTrusted, match=r"certificate is not for 127.0.0.1.*--server-names"):
        connect(hub.address, ca=hub.ca).get("/x")


def test_a_port_that_speaks_no_tls(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        api = connect(f"127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(HubAway, match="no TLS with"):
            api.post("/x")
        thread.join()


def test_a_damaged_authority_is_told() -> None:
    with pytest.raises(NotTrusted, match="cannot be read"):
        HubApi(Context("c", "https://h:1", ca="-----BEGIN CERTIFICATE-----\nx"), timeout=1)


def test_paths_hold_no_more_than_a_name() -> None:
    assert application_path("web", "/sync") == ("/applications/web/sync", {})
    assert application_path("team-a/web") == ("/applications/web", {"namespace": "team-a"})
    assert named_path("clusters", "../x?y") == "/clusters/..%2Fx%3Fy"
    assert query({"a": None, "b": "", "c": False, "d": 0}) == {"c": "false", "d": "0"}


def test_no_token_is_in_any_error(hub: FakeHub, connect: Connect) -> None:
    api = connect(hub.address, ca=hub.ca, token="s3cret")
    for number, reply in enumerate([Reply(drop=True), Reply(content=b"x"), refused(401, "unauthenticated", "no")]):
        hub.on("POST", f"/{number}", reply)
        with pytest.raises(CliError) as caught:
            api.post(f"/{number}")
        texts = itertools.chain(*((str(e), repr(e)) for e in (caught.value, caught.value.__cause__)))
        assert not any("s3cret" in text for text in texts)
