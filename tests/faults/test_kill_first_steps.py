"""Killed at the first steps: a hub that makes its authority and its first account, an agent that joins or renews.

Each program is killed at one point after another of the same way, always going on from what the last kill left.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.faults.killing import Desk, MortalAgent, MortalHub, Point, until

before, after = partial(Point, "before"), partial(Point, "after")

STORE = "hub.store.sql.store:SqlStore."
FIRST_START = [
    # After the key is written, and before the database has anything that it encrypts.
    after("hub.pki.secretbox:SecretBox.of"),
    # The one that signs certificates without the one that signs manifest sets.
    after(STORE + "put_authority"),
    after("hub.server:write_private", given="password"),
    after(STORE + "put_account"),
]
ADMITTING = [after(STORE + "use_join_token"), after(STORE + "add_certificate")]

KEYS, FILES = "agent.hubclient.keys:ChildKeys.", "agent.hubclient.files:"
JOINING = [
    after(KEYS + "create"),
    # The token is used up, and nothing came of it.
    after("agent.hubclient.enrol:Enroller._post"),
    after(KEYS + "inspect"),
    after(FILES + "write_private", given="authorities.pem"),
    after(FILES + "write_private", given="signing_keys.json"),
    before(FILES + "write_private", given="certificate.pem"),
    after(FILES + "write_private", given="certificate.pem"),
    after(FILES + "move", given="key.pending.pem"),
    before(FILES + "write_private", given="link.json"),
    after(FILES + "write_private", given="link.json"),
]
RENEWING = [
    after(KEYS + "request"),
    after(KEYS + "inspect"),
    before(FILES + "write_private", given="certificate.pem"),
    before(FILES + "move", given="certificate.pem"),
    after(FILES + "write_private", given="certificate.pem"),
    after(FILES + "write_private", given="link.json"),
]


def said_password(hub: MortalHub) -> str:
    if not hub.shows_password:
        return hub.password_file.read_text().strip()
    shown: list[str] = re.findall(r"with the password\n\n    (\S+)\n", hub.text())
    return shown[-1]


@pytest.mark.parametrize("shown", [False, True], ids=["in-a-file", "shown"])
def test_a_hub_killed_all_along_its_first_start_comes_up_with_a_password_that_is_known(
    tmp_path: Path, shown: bool
) -> None:
    hub = MortalHub(tmp_path, FIRST_START, "--roles", "api")
    hub.shows_password = shown
    points = FIRST_START[-1:] if shown else FIRST_START
    try:
        for point in points:
            hub.fuse.light(point)
            hub.start()
            hub.fuse.expect_death(hub.wait)
        hub.start()
        hub.wait_ready()
        assert hub.log_in(said_password(hub))
        with hub.disk() as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            kinds = db.execute("SELECT kind, count(*) FROM authorities GROUP BY kind ORDER BY kind").fetchall()
            assert kinds == [("ca", 1), ("manifest-signing", 1)]
            assert db.execute("SELECT name FROM accounts").fetchall() == [("admin",)]
    finally:
        hub.kill()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalHub]:
    hub = MortalHub(tmp_path_factory.mktemp("hub"), ADMITTING, "--roles", "api,gateway")
    hub.start()
    try:
        hub.wait_ready()
        yield hub
    finally:
        hub.kill()


@pytest.fixture(scope="module")
def desk(hub: MortalHub) -> Desk:
    return Desk(hub)


def joining_agent(hub: MortalHub, joining: dict[str, Any], root: Path, points: list[Point]) -> MortalAgent:
    token = root / "token"
    token.write_text(joining["token"])
    return MortalAgent(
        root, points, "--hub", f"localhost:{hub.port}", "--ca-pin", joining["ca_pin"], "--token-file", str(token),
        "--gateway", f"localhost:{hub.agent_port}", "--simulate",
    )  # fmt: skip


def connected(desk: Desk, name: str) -> None:
    until(lambda: desk.get(f"clusters/{name}")["liveness"] == "Connected", f"{name} to be connected")


def issued(hub: MortalHub, uid: str) -> list[bool]:
    """Return whether each of a cluster's certificates was revoked."""
    with hub.disk() as db:
        rows = db.execute("SELECT revoked_at FROM certificates WHERE cluster = ? ORDER BY not_before", (uid,))
        return [at is not None for (at,) in rows]


def refusals(desk: Desk) -> list[str]:
    return [e["reason"] for e in desk.get("events?limit=500")["items"] if e["severity"] != "info"]


def test_an_agent_killed_all_along_its_joining_joins_with_the_same_token(
    hub: MortalHub, desk: Desk, tmp_path: Path
) -> None:
    agent = joining_agent(hub, desk.post("clusters", {"name": "joining"}), tmp_path, JOINING)
    uid = desk.get("clusters/joining")["uid"]
    try:
        for point in JOINING:
            agent.fuse.light(point)
            agent.start()
            agent.fuse.expect_death(agent.wait)
        count = len(issued(hub, uid))
        agent.start()
        connected(desk, "joining")
        # The token is still there, and is not tried again.
        assert len(issued(hub, uid)) == count and refusals(desk) == []
        assert not issued(hub, uid)[-1]
        assert not list(agent.data.glob("*pending*"))
        assert "not taken" not in agent.text() and "Traceback" not in agent.text()
    finally:
        agent.kill()


@pytest.mark.parametrize("point", ADMITTING, ids=str)
def test_an_agent_joins_with_the_same_token_when_the_hub_is_killed_meanwhile(
    hub: MortalHub, desk: Desk, tmp_path: Path, point: Point
) -> None:
    name = f"admitted-{ADMITTING.index(point)}"
    agent = joining_agent(hub, desk.post("clusters", {"name": name}), tmp_path, [])
    uid = desk.get(f"clusters/{name}")["uid"]
    try:
        hub.fuse.light(point)
        agent.start()
        hub.fuse.expect_death(hub.wait)
        hub.start()
        connected(desk, name)
        assert not issued(hub, uid)[-1] and refusals(desk) == []
    finally:
        agent.kill()


def test_an_agent_killed_all_along_its_renewal_keeps_its_key_and_its_cluster(
    hub: MortalHub, desk: Desk, tmp_path: Path
) -> None:
    agent = joining_agent(hub, desk.post("clusters", {"name": "renewing"}), tmp_path, RENEWING)
    uid = desk.get("clusters/renewing")["uid"]
    agent.start()
    try:
        connected(desk, "renewing")
        key = (agent.data / "key.pem").read_bytes()
        for point in RENEWING:
            agent.kill()
            make_due(agent.data)
            agent.fuse.light(point)
            agent.start()
            agent.fuse.expect_death(agent.wait)
        make_due(agent.data)
        serial = certificate(agent.data).serial_number
        agent.start()
        until(lambda: certificate(agent.data).serial_number != serial, "the renewal")
        until(lambda: link(agent.data)["valid_until"] > soon(), "the renewal's end")
        connected(desk, "renewing")
        assert (agent.data / "key.pem").read_bytes() == key
        assert not any(issued(hub, uid)) and refusals(desk) == []
        assert certificate(agent.data).not_valid_after_utc > datetime.now(UTC) + timedelta(hours=20)
    finally:
        agent.kill()


def test_an_agent_that_lost_its_key_with_its_disk_says_what_to_do(hub: MortalHub, desk: Desk, tmp_path: Path) -> None:
    used_up = JOINING[1]
    agent = joining_agent(hub, desk.post("clusters", {"name": "lost"}), tmp_path, [used_up])
    try:
        agent.fuse.light(used_up)
        agent.start()
        agent.fuse.expect_death(agent.wait)
        shutil.rmtree(agent.data)
        agent.start()
        assert agent.wait() == 1
        assert "error: the hub refused: the join token" in agent.text()
        assert "escadre cluster rotate-token" in agent.text()
        (tmp_path / "token").write_text(desk.post("clusters/lost/rotate-token", {})["token"])
        agent.start()
        connected(desk, "lost")
    finally:
        agent.kill()


def link(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory / "link.json").read_bytes())
    return content


def soon() -> str:
    return (datetime.now(UTC) + timedelta(hours=20)).isoformat()


def make_due(directory: Path) -> None:
    """Let the certificate be in the last hundredth of its life, as the agent counts it."""
    now = datetime.now(UTC)
    times = {"valid_from": now - timedelta(hours=99), "valid_until": now + timedelta(hours=1)}
    content = link(directory) | {name: at.isoformat() for name, at in times.items()}
    (directory / "link.json").write_text(json.dumps(content))


def certificate(directory: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / "certificate.pem").read_bytes())
