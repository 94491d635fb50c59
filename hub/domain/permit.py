"""What a project lets its applications read and where it lets them deploy, decided before anything is assigned.

Rules are AppProjects': globs, and `!` in front of one to deny. As their documentation has it, something is permitted
when a rule allows it and no rule denies it. Addresses are compared in a normal form, so that no spelling of a
repository slips past a rule.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from hub.domain.application import Source
from hub.domain.cluster import Cluster
from hub.domain.cluster_glob import name_matches, server_matches
from hub.domain.glob import glob_match
from hub.domain.manifest import Entry, ResourceKey
from hub.domain.project import GroupKindRule, Project, ProjectDestination

_MOST_SHOWN = 5
_DOCKER = ("registry-1.docker.io", "docker.io", "index.docker.io")
"""Names of one registry."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Something the project does not permit."""

    message: str
    """Names what was asked for, the project, and the rule, in words for the application's owner."""
    resource: ResourceKey | None = None
    by_rule: bool = False
    """Whether a rule says no, and not only none says yes."""


def permit_sources(project: Project, sources: Iterable[Source]) -> list[Denial]:
    """Return a denial for every repository that the project does not allow. Give the sources as they are on the
    cluster: an override can change a repository, too."""
    denials = []
    for url, chart in dict.fromkeys((source.repo_url, source.chart) for source in sources):
        spellings = _spellings(url, chart)
        shown = re.sub(r"//[^/@]*@", "//", url)
        # A chart is denied by what is said of itself, too.
        named = [*spellings, *(f"{spelling}/{chart.lower()}" for spelling in spellings if chart)]
        denying = [rule for rule in project.source_repos if rule.startswith("!") and _any_matches(rule[1:], named)]
        if denying:
            message = f"project {project.name} denies the repository {shown} by its rule {denying[0]!r}"
            denials.append(Denial(message, by_rule=True))
        elif not any(_any_matches(rule, spellings) for rule in project.source_repos if not rule.startswith("!")):
            allowed = _listed(rule for rule in project.source_repos if not rule.startswith("!"))
            denials.append(
                Denial(
                    f"project {project.name} does not permit the repository {shown}: its sourceRepos allow {allowed}"
                )
            )
    return list(dict.fromkeys(denials))


def permit_destination(project: Project, cluster: Cluster, namespace: str) -> list[Denial]:
    """Return a denial, if the project does not let its applications deploy to a namespace of a cluster."""
    where = f"namespace {namespace!r} of cluster {cluster.name}"
    for rule in project.destinations:
        if _is_denial(rule) and _denies(rule, cluster, namespace):
            return [Denial(f"project {project.name} denies {where} by its destination {_worded(rule)}")]
    if any(not _is_denial(rule) and _allows(rule, cluster, namespace) for rule in project.destinations):
        return []
    allowed = _listed(_worded(rule) for rule in project.destinations if not _is_denial(rule))
    return [Denial(f"project {project.name} does not permit {where}: its destinations allow {allowed}")]


def permit_resources(
    project: Project,
    entries: Sequence[Entry],
    is_namespaced: Callable[[str, str], bool | None],
    *,
    cluster: Cluster,
    namespace: str,
) -> list[Denial]:
    """Return a denial for every object that the project does not let onto a cluster.

    `is_namespaced` takes (group, kind); None means that the cluster has not told, and then the object has to be
    permitted both ways. `namespace` is the destination's, for objects that name none.
    """
    denials = []
    namespaces: dict[str, list[Denial]] = {}
    for entry in entries:
        key = entry.key
        namespaced = is_namespaced(key.group, key.kind)
        problem = "" if namespaced else _cluster_problem(project, key)
        if not problem and namespaced is not False:
            problem = _namespaced_problem(project, key)
        if problem:
            unknown = "" if namespaced is not None else ", and whether it lives in a namespace is not known"
            denials.append(Denial(f"project {project.name} does not permit {key}: {problem}{unknown}", key))
        elif namespaced is not False:
            target = key.namespace or namespace or "default"
            if target not in namespaces:
                namespaces[target] = permit_destination(project, cluster, target)
            denials += [Denial(f"{key}: {denial.message}", key) for denial in namespaces[target]]
    return denials


def normal_repository(url: str) -> str:
    """Return one spelling for every way to write a repository's address, without credentials for http.

    `git@host:org/repo.git`, `ssh://git@host/org/repo` and `ssh://git@HOST/org//x/../repo/` are the same.
    """
    text = url.strip().lower()
    scheme, separator, rest = text.partition("://")
    if not separator:
        user_host, colon, path = text.partition(":")
        if not colon or "/" in user_host:
            return _normal_path(text)
        scheme, rest = "ssh", f"{user_host}/{path.lstrip('/')}"
    host, slash, path = rest.partition("/")
    if scheme in ("http", "https"):
        host = host.rpartition("@")[2].removesuffix(":443" if scheme == "https" else ":80")
    if scheme in ("ssh", "git+ssh", "ssh+git"):
        return f"{host.removesuffix(':22')}/{_normal_path(path)}"
    return f"{scheme}://{host}{slash}{_normal_path(path)}"


def _normal_path(path: str) -> str:
    plain = posixpath.normpath("/" + unquote(path).lower()).lstrip("/")
    return plain.removesuffix(".git")


def _spellings(url: str, chart: str) -> list[str]:
    """Return the forms in which rules may name an address: one, but that of a registry, which is written with its
    scheme and without, and one registry has several names."""
    scheme, separator, rest = url.strip().lower().partition("://")
    if separator and scheme != "oci":
        return [normal_repository(url)]
    if not separator and not chart:
        return [normal_repository(url)]
    bare = rest if separator else url.strip().lower()
    host, slash, path = bare.partition("/")
    hosts = _DOCKER if host in _DOCKER else (host,)
    texts = [f"{host}{slash}{path}" for host in hosts]
    return [form for text in texts for form in (normal_repository(text), normal_repository(f"oci://{text}"))]


def _any_matches(rule: str, addresses: Iterable[str]) -> bool:
    return any(_repository_matches(rule, address) for address in addresses)


def _repository_matches(rule: str, address: str) -> bool:
    return rule == "*" or glob_match(_normal_rule(rule), address, "/")


def _normal_rule(rule: str) -> str:
    """Bring a pattern into the form of addresses as far as it is plain; its globs stay as they are."""
    text = rule.strip().lower()
    plain = re.split(r"[*?\[{\\]", text, maxsplit=1)[0]
    if plain == text:
        return normal_repository(text)
    for prefix in ("ssh://", "git+ssh://", "ssh+git://"):
        text = text.removeprefix(prefix)
    if "://" not in text and ":" in plain and "/" not in plain.partition(":")[0]:
        text = text.replace(":", "/", 1)
    return text.removesuffix(".git")


def _is_denial(rule: ProjectDestination) -> bool:
    return any(pattern.startswith("!") for pattern in (rule.server, rule.name, rule.namespace))


def _allows(rule: ProjectDestination, cluster: Cluster, namespace: str) -> bool:
    return glob_match(rule.namespace, namespace) and (
        server_matches(rule.server, cluster) or name_matches(rule.name, cluster)
    )


def _denies(rule: ProjectDestination, cluster: Cluster, namespace: str) -> bool:
    """A rule with `!` denies what a negated pattern means, as far as its other patterns match."""
    tests = [(rule.server, server_matches(rule.server.removeprefix("!"), cluster))]
    tests.append((rule.name, name_matches(rule.name.removeprefix("!"), cluster)))
    plain_cluster = [matched for pattern, matched in tests if pattern and not pattern.startswith("!")]
    if plain_cluster and not any(plain_cluster):
        return False
    tests.append((rule.namespace, glob_match(rule.namespace.removeprefix("!"), namespace)))
    if rule.namespace and not rule.namespace.startswith("!") and not tests[-1][1]:
        return False
    return any(matched for pattern, matched in tests if pattern.startswith("!"))


def _cluster_problem(project: Project, key: ResourceKey) -> str:
    return _list_problem(
        key,
        ("clusterResourceWhitelist", project.cluster_resource_whitelist),
        ("clusterResourceBlacklist", project.cluster_resource_blacklist),
    )


def _namespaced_problem(project: Project, key: ResourceKey) -> str:
    return _list_problem(
        key,
        ("namespaceResourceWhitelist", project.namespace_resource_whitelist),
        ("namespaceResourceBlacklist", project.namespace_resource_blacklist),
    )


_Rules = tuple[GroupKindRule, ...]


def _list_problem(key: ResourceKey, allow: tuple[str, _Rules | None], deny: tuple[str, _Rules]) -> str:
    for rule in deny[1]:
        if _rule_matches(rule, key):
            return f"its {deny[0]} denies it by {rule.kind}.{rule.group or 'core'}"
    if allow[1] is None or any(_rule_matches(rule, key) for rule in allow[1]):
        return ""
    return f"its {allow[0]} allows {_listed(f'{rule.kind}.{rule.group}'.rstrip('.') for rule in allow[1])}"


def _rule_matches(rule: GroupKindRule, key: ResourceKey) -> bool:
    fields = ((rule.group, key.group), (rule.kind, key.kind), (rule.name or "*", key.name))
    return all(_word_matches(pattern, word) for pattern, word in fields)


def _word_matches(pattern: str, word: str) -> bool:
    if pattern.startswith("!"):
        return not glob_match(pattern[1:], word)
    return glob_match(pattern, word)


def _worded(rule: ProjectDestination) -> str:
    found = {"server": rule.server, "name": rule.name, "namespace": rule.namespace}
    return "{" + ", ".join(f"{key}: {value}" for key, value in found.items() if value) + "}"


def _listed(words: Iterable[str]) -> str:
    found = list(words)
    if not found:
        return "nothing"
    rest = f" and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    return ", ".join(found[:_MOST_SHOWN]) + rest
