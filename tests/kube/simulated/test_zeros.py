"""The table of fields that are not given back when they are empty is about the types that there are."""

from __future__ import annotations

from importlib.resources import files

import orjson
import pytest

from agent.kube.simulated.zeros import zeros

TYPES = orjson.loads(files("agent.kube.simulated").joinpath("types.json").read_bytes())["types"]


def test_it_names_fields_of_types_only() -> None:
    for name, fields in zeros().items():
        assert fields <= TYPES[name].keys(), name


@pytest.mark.parametrize(
    ("name", "goes", "stays"),
    [
        (
            "core.v1.PodSpec",
            {"hostNetwork", "nodeName"},
            {"automountServiceAccountToken", "terminationGracePeriodSeconds"},
        ),
        ("core.v1.SecurityContext", set(), {"privileged", "runAsUser", "allowPrivilegeEscalation"}),
        ("apps.v1.DeploymentSpec", {"paused"}, {"replicas", "revisionHistoryLimit"}),
        ("core.v1.ServicePort", {"nodePort", "targetPort"}, {"port"}),
        ("networking.v1.IngressRule", {"host"}, set()),
        ("batch.v1.CronJobSpec", set(), {"suspend", "schedule"}),
    ],
)
def test_zeros_that_go_and_zeros_that_stay(name: str, goes: set[str], stays: set[str]) -> None:
    found = zeros().get(name, frozenset())
    assert goes <= found and not stays & found
