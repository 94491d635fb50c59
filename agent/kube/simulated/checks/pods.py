"""Checks of pods and of the templates they are made from."""

from __future__ import annotations

from typing import Any, Final

from agent.engine.resource import Object
from agent.kube.simulated.checks.names import dns_label, label_problem, subdomain
from agent.kube.simulated.defaults.values import objects, present
from agent.kube.simulated.problems import Problems
from agent.kube.simulated.quantity import amount

_RESTART: Final = ("Always", "OnFailure", "Never")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS: Final = {"exec", "grpc", "httpGet", "tcpSocket"}
_PULL: Final = ("Always", "IfNotPresent", "Never")


def whole_number(value: Any, field: str, problems: Problems, least: int = 0, most: int = 2_147_483_647) -> None:
    """Check a number that may be missing."""
    if value is None:
        return
    if not least <= value <= most:
        problems.invalid(field, value, f"must be between {least} and {most}, inclusive")


def template(tree: Object, path: str, problems: Problems, restart: tuple[str, ...] = _RESTART) -> None:
    """Check a pod template: what stands under `path` in the object."""
    for key, value in (present(tree, "metadata", "labels") or {}).items():
        text = label_problem(key, value)
        if text:
            problems.invalid(f"{path}.metadata.labels", value, text)
    spec(tree.get("spec"), f"{path}.spec", problems, restart)


def spec(pod: Any, path: str, problems: Problems, restart: tuple[str, ...] = _RESTART) -> None:
    """Check the specification of a pod."""
    if not isinstance(pod, dict):
        problems.required(path)
        return
    policy = pod.get("restartPolicy")
    if policy not in restart:
        problems.unsupported(f"{path}.restartPolicy", policy, restart)
    if not pod.get("containers"):
        problems.required(f"{path}.containers")
    whole_number(pod.get("terminationGracePeriodSeconds"), f"{path}.terminationGracePeriodSeconds", problems)
    volumes = _volumes(pod, path, problems)
    seen: set[str] = set()
    for name in ("initContainers", "containers"):
        for index, container in enumerate(objects(pod, name)):
            _container(container, f"{path}.{name}[{index}]", volumes, seen, problems)


def _volumes(pod: Object, path: str, problems: Problems) -> set[str]:
    names: set[str] = set()
    for index, volume in enumerate(objects(pod, "volumes")):
        name, field = volume.get("name"), f"{path}.volumes[{index}]"
        if not name:
            problems.required(f"{field}.name")
        elif not dns_label(name):
            problems.invalid(f"{field}.name", name, "must be a lowercase RFC 1123 label")
        elif name in names:
            problems.add(f"{field}.name", f'Duplicate value: "{name}"')
        for extra in [key for key in volume if key != "name"][1:]:
            problems.forbidden(f"{field}.{extra}", "may not specify more than 1 volume type")
        names.add(str(name))
    return names


def _container(container: Object, path: str, volumes: set[str], seen: set[str], problems: Problems) -> None:
    name = container.get("name")
    if not name:
        problems.required(f"{path}.name")
    elif not dns_label(name):
        problems.invalid(f"{path}.name", name, "must be a lowercase RFC 1123 label")
    elif name in seen:
        problems.add(f"{path}.name", f'Duplicate value: "{name}"')
    seen.add(str(name))
    image = container.get("image")
    if not image:
        problems.required(f"{path}.image")
    elif image != image.strip():
        problems.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    if container.get("imagePullPolicy") not in _PULL:
        problems.unsupported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL)
    names: set[str] = set()
    for index, port in enumerate(objects(container, "ports")):
        if port.get("name") in names:
            problems.add(f"{path}.ports[{index}].name", f'Duplicate value: "{port["name"]}"')
        names.add(port.get("name") or str(index))
        if port.get("containerPort") is None:
            problems.required(f"{path}.ports[{index}].containerPort")
        whole_number(port.get("containerPort"), f"{path}.ports[{index}].containerPort", problems, 1, 65_535)
    _environment(container, path, problems)
    for probe in _PROBES:
        handler = present(container, probe)
        if handler is not None and not handler.keys() & _HANDLERS:
            problems.required(f"{path}.{probe}", "must specify a handler type")
    limits = present(container, "resources", "limits") or {}
    for name, requested in (present(container, "resources", "requests") or {}).items():
        if name in limits and amount(requested) > amount(limits[name]):
            text = f"must be less than or equal to {name} limit of {limits[name]}"
            problems.invalid(f"{path}.resources.requests", requested, text)
    for index, mount in enumerate(objects(container, "volumeMounts")):
        if not mount.get("mountPath"):
            problems.required(f"{path}.volumeMounts[{index}].mountPath")
        if mount.get("name") not in volumes:
            problems.add(f"{path}.volumeMounts[{index}].name", f'Not found: "{mount.get("name")}"')


def _environment(container: Object, path: str, problems: Problems) -> None:
    for index, variable in enumerate(objects(container, "env")):
        field = f"{path}.env[{index}]"
        if not variable.get("name"):
            problems.required(f"{field}.name")
        value = variable.get("value")
        if value and variable.get("valueFrom"):
            problems.invalid(f"{field}.valueFrom", "", "may not be specified when `value` is not empty")


_MUTABLE: Final = frozenset({"activeDeadlineSeconds", "tolerations", "schedulingGates", "nodeName"})


def pod(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a pod."""
    spec(tree.get("spec"), "spec", problems)
    account = tree["spec"].get("serviceAccountName")
    if account and not subdomain(account):
        problems.invalid("spec.serviceAccountName", account, "must be a lowercase RFC 1123 subdomain")
    if before is not None and _fixed(tree["spec"]) != _fixed(before["spec"]):
        problems.forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        )


def _fixed(pod_spec: Object) -> Object:
    result = {key: value for key, value in pod_spec.items() if key not in _MUTABLE}
    for name in ("containers", "initContainers"):
        if name in result:
            result[name] = [{k: v for k, v in item.items() if k != "image"} for item in objects(result, name)]
    return result
