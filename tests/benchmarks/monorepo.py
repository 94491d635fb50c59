"""monorepo: a small commit in a very large repository, told of by a webhook.

One repository with 5,000 applications, each with a directory of ten manifests, assigned to a cluster without an agent.
A commit touches one manifest of three applications, and GitHub's event of it, signed, is sent to the hub over HTTPS.
Measured from the moment it is sent to the moment the third application's new assignment is in the database; median of
five rounds, each with other applications. `renders` and `looks` are the most that any round cost. `hub_rss_mb` is the
largest memory of the hub and its render workers that was seen in the rounds: they have rendered all 5,000 before.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import statistics
import time
from pathlib import Path

import httpx2
import yaml

from hub.domain.webhook_secrets import GITHUB
from tests.benchmarks.fleet import BenchFleet, fleet, say
from tests.benchmarks.host import largest_rss
from tests.benchmarks.imported import Imported
from tests.fleet.kit import application

APPLICATIONS = 5000
FILES = 10
TOUCHED = 3
ROUNDS = 5
SECRET = "of the bench"
_MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}-{number}\ndata:\n  round: '{round}'\n"


async def run(root: Path, apps: int = APPLICATIONS, rounds: int = ROUNDS) -> dict[str, float]:
    repository = Imported(root / "repository.git")
    names = [f"app-{n:04}" for n in range(apps)]
    repository.commit([{path: text for name in names for path, text in _files(name, range(FILES), 0).items()}])
    async with fleet(root, 0) as bench:
        await bench.hub.call("add_cluster", "one")
        text = yaml.dump_all((application(n, repository.url, n) for n in names), Dumper=yaml.CSafeDumper)
        await bench.hub.call("apply", text)
        await _all_assigned(bench, apps)
        await bench.at_rest()
        say(f"{apps} applications assigned")
        port, authorities = await bench.hub.call("webhooks", {GITHUB: SECRET})
        context = ssl.create_default_context(cadata=authorities)
        seconds, renders, looks = [], [], []
        async with (
            httpx2.AsyncClient(base_url=f"https://localhost:{port}", verify=context, timeout=60) as client,
            largest_rss(bench.hub.pid) as rss,
        ):
            for number in range(1, rounds + 1):
                touched = [names[(number * 37 + n * apps // TOUCHED) % apps] for n in range(TOUCHED)]
                repository.commit([{path: t for name in touched for path, t in _files(name, [7], number).items()}])
                before = await bench.hub.call("counters")
                await bench.hub.call("assigned", True)
                async with bench.measured(f"monorepo round {number}"):
                    began = await _push(client, repository.url)
                    await _all_assigned(bench, TOUCHED)
                seconds.append(max((await bench.hub.call("assigned")).values()) - began)
                await bench.at_rest()
                after = await bench.hub.call("counters")
                renders.append(after["renders"] - before["renders"])
                looks.append(after["looks"] - before["looks"])
                say(f"{seconds[-1]:.3f} s, {renders[-1]} renders, {looks[-1]} looks")
    return {
        "renders": max(renders),
        "seconds": round(statistics.median(seconds), 3),
        "hub_rss_mb": rss[0],
        "looks": max(looks),
    }


def _files(name: str, numbers: range | list[int], round: int) -> dict[str, bytes]:
    return {
        f"{name}/{number}.yaml": _MANIFEST.format(name=name, number=number, round=round).encode() for number in numbers
    }


async def _all_assigned(bench: BenchFleet, count: int) -> None:
    async def holds() -> bool:
        return len(await bench.hub.call("assigned")) >= count

    await bench.until(holds, f"{count} applications assigned")


async def _push(client: httpx2.AsyncClient, url: str) -> float:
    """Send the event; returns the Unix time at which that began."""
    body = json.dumps({"ref": "refs/heads/main", "repository": {"clone_url": url}}).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": signature, "Content-Type": "application/json"}
    began = time.time()
    (await client.post("/api/webhook", content=body, headers=headers)).raise_for_status()
    return began
