"""What is shown, step by step. Every step checks that what it says truly happened, on the clusters themselves."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

from demo.console import StepFailed, Steps, wait_until
from demo.processes import environment, module
from demo.repository import NAMESPACE
from demo.stage import Stage, kustomize_is_here

SETTINGS = "shop-settings"
BANNER = "shop-banner"
Tell = Callable[[str], None]


class Story:
    def __init__(self, stage: Stage, steps: Steps) -> None:
        self._stage = stage
        self._steps = steps
        self._escadre = stage.escadre
        self._applications = ["shop", "cache"]

    def run(self) -> None:
        """Tell all of it. Raises StepFailed at the first step that did not happen."""
        if self._stage.plans[0].context:
            with self._steps.step("Reach your clusters") as tell:
                tell("an earlier demonstration to be taken away")
                self._stage.reach_clusters()
        self._start_hub()
        self._add_clusters()
        self._deploy()
        self._commit_arrives()
        self._edit_is_healed()
        self._removal_is_pruned()
        self._hub_goes_away()
        self._history_and_rollback()

    # --- the steps

    def _start_hub(self) -> None:
        with self._steps.step("Start the hub, and log in") as tell:
            self._stage.hub.start()

            def missing() -> str:
                self._stage.hub.check()
                return "" if self._stage.hub_is_ready() else "the hub's port"

            wait_until(missing, 60, "the hub", tell)
            password = self._stage.password_file.read_text("utf-8")
            pin = self._pin()
            words = ["login", self._stage.address, "--username", "admin", "--password-stdin", "--ca-pin", pin]
            self._steps.command(["escadre", *words])
            self._escadre.run(*words, stdin=password)

    def _pin(self) -> str:
        """The operator's way to the pin: on the hub's own machine, from the hub itself."""
        words = module("hub", "ca", "pin", "--data-dir", str(self._stage.root / "hub"))
        return subprocess.run(words, env=environment(), capture_output=True, text=True, check=True).stdout.strip()

    def _add_clusters(self) -> None:
        plans = self._stage.plans
        kind = "of your kubeconfig" if plans[0].context else "simulated"
        count = "1 cluster" if len(plans) == 1 else f"{len(plans)} clusters"
        with self._steps.step(f"Add {count} ({kind}), each agent with a token and a certificate") as tell:
            for plan in plans:
                token_file = self._stage.root / f"{plan.name}.token"
                labels = [word for k, v in plan.labels.items() for word in ("--label", f"{k}={v}")]
                words = ["cluster", "add", plan.name, *labels, "--token-file", str(token_file)]
                self._steps.command(["escadre", *words])
                added = self._escadre.json(*words)
                self._stage.add_agent(plan, hub=added["hub"], ca_pin=added["ca_pin"], token_file=token_file)
            wait_until(lambda: self._unconnected(), 60, "the agents", tell)
        self._steps.say(self._escadre.run("cluster", "list"))

    def _unconnected(self) -> str:
        self._stage.check()
        away = [c["name"] for c in self._escadre.json("cluster", "list")["items"] if c["liveness"] != "Connected"]
        return f"waiting for {', '.join(away)}" if away else ""

    def _deploy(self) -> None:
        kustomize = kustomize_is_here()
        self._stage.repository.fill(kustomize=kustomize)
        if kustomize:
            self._applications.append("worker")
        names = "plain manifests, a Helm chart" + (" and a Kustomize overlay" if kustomize else "")
        with self._steps.step(f"Deploy {names}, to clusters chosen by their labels") as tell:
            if not kustomize:
                self._steps.say(
                    "Neither kustomize nor kubectl is on PATH: the Kustomize overlay is left out.", "yellow"
                )
            words = ["apply", "-f", str(self._stage.repository.applications)]
            self._steps.command(["escadre", *words])
            self._steps.say(self._escadre.run(*words))
            # The cache is synced by hand: its Application has no automated policy.
            wait_until(lambda: self._not_compared("cache"), 60, "the cache to be compared", tell)
            self._steps.command(["escadre", "app", "sync", "cache"])
            self._escadre.run("app", "sync", "cache")
            for name in self._applications:
                wait_until(lambda name=name: self._not_synced(name), 90, name, tell)  # type: ignore[misc]
        self._steps.say(self._escadre.run("app", "list"))

    def _commit_arrives(self) -> None:
        with self._steps.step("A commit: on every cluster") as tell:
            self._stage.repository.write_shop("bonjour", "3.10")
            revision = self._stage.repository.commit("Greet in French")
            self._steps.command(["escadre", "app", "refresh", "shop"])
            began = time.monotonic()
            self._escadre.run("app", "refresh", "shop")
            for name, cluster in self._stage.clusters.items():
                hands = cluster.hands
                wait_until(
                    lambda hands=hands: _lacks(hands.get(NAMESPACE, SETTINGS), "greeting", "bonjour"),  # type: ignore[misc]
                    30,
                    f"the commit on {name}",
                    tell,
                )
                self._steps.say(f"{revision[:7]} is on {name} after {time.monotonic() - began:.2f} s")
            wait_until(lambda: self._not_synced("shop", revision), 60, "shop", tell)

    def _edit_is_healed(self) -> None:
        name, cluster = next(iter(self._stage.clusters.items()))
        with self._steps.step(f"Somebody edits a ConfigMap on {name} by hand: reported, and healed") as tell:
            began = time.monotonic()
            cluster.hands.edit(NAMESPACE, SETTINGS, {"theme": "pink"})
            wait_until(
                lambda: _lacks(cluster.hands.get(NAMESPACE, SETTINGS), "theme", "light"), 30, "the healing", tell
            )
            self._steps.say(f"healed after {time.monotonic() - began:.2f} s")
            drift = self._healed_drift(name, "theme", tell)
        self._tell_drift(drift, name)

    def _removal_is_pruned(self) -> None:
        with self._steps.step("A commit that removes an object: pruned everywhere") as tell:
            for name, cluster in self._stage.clusters.items():
                if cluster.hands.get(NAMESPACE, BANNER) is None:
                    raise StepFailed(f"{BANNER} should be on {name} before it is removed")
            self._stage.repository.remove_banner()
            revision = self._stage.repository.commit("The opening week is over")
            self._escadre.run("app", "refresh", "shop")
            for name, cluster in self._stage.clusters.items():
                hands = cluster.hands
                wait_until(
                    lambda hands=hands: "" if hands.get(NAMESPACE, BANNER) is None else "still there",  # type: ignore[misc]
                    30,
                    f"the pruning on {name}",
                    tell,
                )
            wait_until(lambda: self._not_synced("shop", revision), 60, "shop", tell)
        self._steps.say(f"ConfigMap {BANNER} is gone from {', '.join(self._stage.clusters)}")

    def _hub_goes_away(self) -> None:
        name, cluster = list(self._stage.clusters.items())[-1]
        with self._steps.step(f"The hub is stopped; somebody edits {name} all the same") as tell:
            self._stage.hub.stop()
            if self._stage.hub_is_ready():
                raise StepFailed("the hub still answers")
            began = time.monotonic()
            cluster.hands.edit(NAMESPACE, SETTINGS, {"theme": "black"})
            wait_until(
                lambda: _lacks(cluster.hands.get(NAMESPACE, SETTINGS), "theme", "light"), 30, "the healing", tell
            )
            self._steps.say(f"the lonely agent healed it after {time.monotonic() - began:.2f} s")
        with self._steps.step("The hub is back, and is told") as tell:
            self._stage.hub.start()
            wait_until(lambda: "" if self._stage.hub_is_ready() else "the hub's port", 60, "the hub", tell)
            wait_until(lambda: self._unconnected(), 60, "the agents", tell)
            drift = self._healed_drift(name, "theme", tell, away=True)
        self._tell_drift(drift, name)

    def _history_and_rollback(self) -> None:
        with self._steps.step("History, and a rollback") as tell:
            self._stage.repository.write_cache_size("large")
            revision = self._stage.repository.commit("A larger cache")
            self._escadre.run("app", "refresh", "cache")
            wait_until(lambda: self._not_assigned("cache", revision), 60, "the new cache to be assigned", tell)
            self._escadre.run("app", "sync", "cache")
            wait_until(lambda: self._not_synced("cache", revision), 90, "cache", tell)
            self._steps.command(["escadre", "app", "history", "cache"])
            self._steps.say(self._escadre.run("app", "history", "cache"))
            first = min(h["id"] for h in self._escadre.json("app", "history", "cache")["items"])
            self._steps.command(["escadre", "app", "rollback", "cache", str(first)])
            self._escadre.run("app", "rollback", "cache", str(first))
            wait_until(lambda: self._not_rolled_back("cache", revision), 60, "the rollback", tell)
        self._steps.say(self._escadre.run("app", "history", "cache"))

    # --- what is awaited: "" when it is there, else what is missing

    def _clusters_of(self, name: str) -> list[dict[str, Any]]:
        self._stage.check()
        found: dict[str, Any] = self._escadre.json("app", "get", name)
        rows: list[dict[str, Any]] = found["clusters"]
        return rows

    def _not_synced(self, name: str, revision: str = "") -> str:
        rows = self._clusters_of(name)
        waiting = [f"{r['cluster']}: {r['sync']}, {r['health']}" for r in rows if not _is_synced(r, revision)]
        return "; ".join(waiting) if rows else f"{name} is on no cluster yet"

    def _not_compared(self, name: str) -> str:
        rows = self._clusters_of(name)
        if rows and all(r["sync"] == "OutOfSync" for r in rows):
            return ""
        reasons = [f"{r['cluster']}: {c['message']}" for r in rows for c in r["conditions"]]
        return "; ".join(reasons) or f"{name} is {', '.join(r['sync'] for r in rows) or 'on no cluster yet'}"

    def _not_assigned(self, name: str, revision: str) -> str:
        rows = self._clusters_of(name)
        good = [r for r in rows if revision.startswith(r["revision"]) and r["sync"] == "OutOfSync"]
        return "" if rows and len(good) == len(rows) else f"{len(good)} of {len(rows)} clusters"

    def _not_rolled_back(self, name: str, newest: str) -> str:
        rows = self._clusters_of(name)
        back = [r for r in rows if r["synced_revision"] and not newest.startswith(r["synced_revision"])]
        return "" if rows and len(back) == len(rows) else f"{len(back)} of {len(rows)} clusters"

    def _healed_drift(self, cluster: str, field: str, tell: Tell, *, away: bool = False) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def missing() -> str:
            drifts = self._escadre.json("app", "drift", "shop")["items"]
            found[:] = [
                d
                for d in drifts
                if d["cluster"] == cluster
                and d["healed_at"]
                and d["hub_away"] is away
                and any(f["path"] == f"/data/{field}" for f in d["fields"])
            ]
            return "" if found else "the drift report"

        wait_until(missing, 30, "the drift report", tell)
        return found[0]

    def _tell_drift(self, drift: dict[str, Any], cluster: str) -> None:
        for field in drift["fields"]:
            away = " (while the hub was away)" if drift["hub_away"] else ""
            self._steps.say(
                f"{cluster}: {drift['kind']} {drift['namespace']}/{drift['name']} {field['path']}: assigned"
                f" {field['assigned']}, found {field['live']}, written by {field['manager']}, healed{away}"
            )


def _is_synced(row: dict[str, Any], revision: str) -> bool:
    """Whether an application is Synced and Healthy on a cluster, at a revision where one is given."""
    if row["sync"] != "Synced" or row["health"] != "Healthy" or not row["synced_revision"]:
        return False
    return not revision or revision.startswith(row["synced_revision"])


def _lacks(data: dict[str, Any] | None, key: str, value: str) -> str:
    return "" if data is not None and data.get(key) == value else f"waiting for {key}={value}"
