"""One repository's bare mirror on the hub's disk: made, brought up to date, checked, kept small.

A mirror's path is a symlink to the directory that holds it. The first fetch goes into a new directory, and so does the
repair of a damaged one; the symlink is moved when that is done. So a mirror that exists is always whole, an old copy
stays in service until the new one is there, and no directory is ever used again: libgit2 keeps packs open by their
path, and would go on reading the old ones. A `Mirror` does no locking; `hub.source.repository` lets one operation
change it at a time.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import pygit2

from hub.domain.repository import Access
from hub.source.command import CommandTimeout, Completed, Limits, OutputTooLarge, run
from hub.source.distrust import is_distrust, told_apart
from hub.source.environment import GitEnvironment
from hub.source.errors import RepositoryDenied
from hub.source.failures import storage_errors, timed_out, too_large, translated
from hub.source.policy import SourcePolicy
from hub.source.refs import Refs, parse_ls_remote
from hub.source.tree import open_mirror
from hub.source.urls import RepoUrl

_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_FETCH = ("fetch", "--force", "--no-tags", "--progress", "--no-write-fetch-head", "--no-recurse-submodules")
# Packed when there are many loose objects or packs; what nothing leads to is dropped there and then.
_GC_SETTINGS = ("gc.auto=2000", "gc.autoPackLimit=20", "gc.autoDetach=false", "gc.pruneExpire=now")
_GC = (*(word for setting in _GC_SETTINGS for word in ("-c", setting)), "gc", "--auto", "--quiet")
_KEEP = "refs/escadre/keep"
_REFS_FILE = "escadre-refs.json"


class Mirror:
    def __init__(
        self, path: Path, repository: RepoUrl, *, git: str, environment: GitEnvironment, policy: SourcePolicy
    ) -> None:
        self.path = path
        self.repository = repository
        self.access = Access()
        """How the server is asked from now on."""
        self._git = git
        self._environment = environment
        self._policy = policy

    @property
    def exists(self) -> bool:
        return self.path.is_dir()

    async def ask_refs(self, others: Collection[str] = ()) -> Refs:
        """Ask the server what its refs point at, among them the `others` named in full."""
        limits = Limits(self._policy.poll_seconds, output=self._policy.refs_bytes)
        patterns = ("HEAD", "refs/heads/*", "refs/tags/*", *sorted(others))
        command = ("ls-remote", "--symref", "--end-of-options", self.repository.location, *patterns)
        listed = await self._git_remote(self.path.parent, command, limits)
        # A large repository lists a hundred thousand.
        return await asyncio.to_thread(parse_ls_remote, listed.stdout)

    async def fetch(self) -> None:
        """Bring every branch and tag up to date; make the mirror if there is none."""
        if not self.exists:
            await self.make_anew()
            return
        with storage_errors(self.path):
            await asyncio.to_thread(_remove_leftovers, self.path)
        await self._fetch_all(self.path)

    async def fetch_commit(self, commit: str, name: str) -> None:
        """Fetch one commit that no branch or tag leads to, by a ref's full name or by its id, and keep it."""
        command = (*_FETCH, "--end-of-options", self.repository.location, f"+{name}:{_KEEP}/{commit}")
        await self._git_remote(self.path, command, self._fetch_limits(self.path))

    async def make_anew(self) -> None:
        """Make the mirror from nothing, and put it in place of what is there."""
        with storage_errors(self.path):
            fresh = Path(tempfile.mkdtemp(prefix=f"{self.path.stem}.", dir=self.path.parent))
        done = False
        try:
            with storage_errors(self.path):
                await asyncio.to_thread(pygit2.init_repository, str(fresh), bare=True)
            await self._fetch_all(fresh)
            await self._carry_over(fresh)
            with storage_errors(self.path):
                await asyncio.to_thread(_point, self.path, fresh)
            done = True
        finally:
            if not done:
                await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)

    async def is_sound(self) -> bool:
        """Whether every object the refs lead to is there."""
        command = ("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
        result = await self._run(self.path, command, self._environment.local(), Limits(self._policy.collect_seconds))
        return result.code == 0

    def has(self, commit: str) -> bool:
        """Whether a commit and its top directory are in the mirror."""
        try:
            return open_mirror(self.path)[commit].peel(pygit2.Commit).tree is not None
        except (KeyError, ValueError, pygit2.GitError):
            return False

    def expand(self, prefix: str) -> list[str]:
        """Return the commits whose ids begin so: none, one, or a sign that there are several (two empty strings)."""
        try:
            found = open_mirror(self.path)[prefix]
        except ValueError:
            return ["", ""]
        except (KeyError, pygit2.GitError):
            return []
        try:
            return [str(found.peel(pygit2.Commit).id)]
        except pygit2.GitError:
            return []

    def keep(self, commit: str) -> None:
        """Let a commit survive force-pushes and cleaning."""
        reference = self.path / _KEEP / commit
        if not reference.exists():
            with storage_errors(self.path):
                reference.parent.mkdir(parents=True, exist_ok=True)
                partial = reference.with_suffix(".lock")
                partial.write_text(commit + "\n")
                partial.replace(reference)

    async def collect(self, needed: Collection[str]) -> None:
        """Let go of commits that are no longer needed, and pack what is left."""
        with storage_errors(self.path):
            await asyncio.to_thread(_remove_leftovers, self.path)
        repository = open_mirror(self.path)
        for name in list(repository.references.iterator()):
            if name.name.startswith(_KEEP + "/") and name.name.rpartition("/")[2] not in needed:
                repository.references.delete(name.name)
        for commit in needed:
            if self.has(commit):
                self.keep(commit)
        limits = Limits(self._policy.collect_seconds)
        result = await self._run(self.path, _GC, self._environment.local(), limits)
        if result.code != 0:
            raise translated(self.repository.display, result.stderr, self.path)

    def saved_refs(self) -> Refs | None:
        """Return what the server last said, as kept on disk."""
        try:
            return Refs.from_json((self.path / _REFS_FILE).read_bytes())
        except (OSError, ValueError):
            return None

    async def save_refs(self, refs: Refs) -> None:
        with storage_errors(self.path):
            await asyncio.to_thread(_write, self.path / _REFS_FILE, refs)

    async def _fetch_all(self, directory: Path) -> None:
        command = (*_FETCH, "--prune", "--end-of-options", self.repository.location, *_REFSPECS)
        await self._git_remote(directory, command, self._fetch_limits(directory))

    async def _carry_over(self, fresh: Path) -> None:
        """Take along the kept commits, out of the old copy where the server has forgotten them.

        The old copy may be damaged; one that cannot be read from it is lost, and told when somebody asks for it.
        """
        if not self.exists:
            return
        successor = Mirror(fresh, self.repository, git=self._git, environment=self._environment, policy=self._policy)
        for commit in await asyncio.to_thread(_kept, self.path):
            if successor.has(commit):
                successor.keep(commit)
                continue
            source = (str(self.path), f"+{_KEEP}/{commit}:{_KEEP}/{commit}")
            environment = self._environment.local() | {"GIT_ALLOW_PROTOCOL": "file"}
            await self._run(fresh, (*_FETCH, "--end-of-options", *source), environment, self._fetch_limits(fresh))

    def _fetch_limits(self, directory: Path) -> Limits:
        policy = self._policy
        return Limits(
            policy.fetch_seconds,
            silence=policy.silence_seconds,
            within_size=lambda: _size(directory) <= policy.repository_bytes,
        )

    async def _git_remote(self, directory: Path, command: Sequence[str], limits: Limits) -> Completed:
        """Run a command against the server. Raises a SourceError that says what is wrong."""
        access = self.access
        with storage_errors(self.path.parent):
            async with self._environment.network(self.repository, access) as environment:
                result = await self._run(directory, command, environment, limits)
        if result.code == 0:
            return result
        error = translated(self.repository.display, result.stderr, self.path.parent, proxied=bool(access.proxy))
        if isinstance(error, RepositoryDenied):
            self._environment.distrust(access)
        if self.repository.scheme == "https" and is_distrust(error):
            raise await told_apart(error, self.repository, access, self._policy.ca_file)
        raise error

    async def _run(
        self, directory: Path, command: Sequence[str], environment: dict[str, str], limits: Limits
    ) -> Completed:
        try:
            with storage_errors(self.path.parent):
                return await run((self._git, *command), cwd=directory, environment=environment, limits=limits)
        except CommandTimeout as error:
            raise timed_out(self.repository.display, str(error)) from error
        except OutputTooLarge as error:
            raise too_large(self.repository.display, str(error)) from error


def recover(directory: Path) -> None:
    """Clear what a killed hub left among the mirrors."""
    used = {mirror.resolve() for mirror in directory.glob("*.git")}
    for path in directory.iterdir():
        if path.is_symlink():
            if not path.exists():
                path.unlink()
        elif path.resolve() not in used:
            shutil.rmtree(path, ignore_errors=True)


def remove(mirror: Path) -> None:
    """Remove a mirror with its directory."""
    target = mirror.resolve()
    mirror.unlink(missing_ok=True)
    shutil.rmtree(target, ignore_errors=True)


def _point(mirror: Path, fresh: Path) -> None:
    """Let a mirror's path lead to a new directory, and remove the one it led to."""
    old = mirror.resolve() if mirror.is_symlink() else None
    link = fresh / "escadre-link"
    link.symlink_to(fresh.name)
    link.replace(mirror)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, refs: Refs) -> None:
    partial = path.with_suffix(".new")
    partial.write_bytes(refs.to_json())
    partial.replace(path)


def _kept(mirror: Path) -> list[str]:
    try:
        names = [str(reference.name) for reference in open_mirror(mirror).references.iterator()]
    except (KeyError, pygit2.GitError):
        return []
    return [name.rpartition("/")[2] for name in names if name.startswith(_KEEP + "/")]


def _remove_leftovers(mirror: Path) -> None:
    """Remove what a killed git left: half-received packs, and locks nobody holds any more."""
    for pattern in ("objects/pack/tmp_*", "objects/tmp_*", "objects/incoming-*", "objects/??/tmp_obj_*", "*.lock"):
        for path in mirror.glob(pattern):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    for path in (mirror / "refs").rglob("*.lock"):
        path.unlink(missing_ok=True)


def _size(mirror: Path) -> int:
    """Return the bytes of the packs, finished or not, which is where size is."""
    total = 0
    for path in (mirror / "objects" / "pack").glob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
