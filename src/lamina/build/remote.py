"""Remotes: what one build fetches from elsewhere, each thing once: files over HTTP, trees out of Git.

A file that the store has, and that the server has not changed, is not fetched: its content lies in a layer
already. What is fetched lies in files without a name, or below a temporary name of our lease.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.archive.opening import nameless
from lamina.build.access import git_access, http_access
from lamina.db import urls
from lamina.dockerfile.remotes import parse_git, redacted
from lamina.errors import Corrupt, InvalidInput, NotFound
from lamina.events import Progress
from lamina.fetch.git import check_out, find_commit
from lamina.fetch.http import Known, fetch
from lamina.fetch.stopping import NeverStops
from lamina.layers.difffiles import open_in_diff
from lamina.oci.digest import DiffID, Digest, hex_of
from lamina.store.files import remove_tree
from lamina.store.guard import guard

if TYPE_CHECKING:
    from lamina.build.done import Material
    from lamina.build.request import BuildRequest
    from lamina.db.urls import UrlRow
    from lamina.dockerfile.remotes import GitSource
    from lamina.events import Observer
    from lamina.fetch.git import Commit
    from lamina.fetch.http import Fetched
    from lamina.fetch.stopping import Stopper
    from lamina.layers.context import Layers


class RemoteFile:
    """What a URL leads to. `digest` is SHA-256 in hex, `time` the Last-Modified in seconds, 0 for none."""

    def __init__(self, remotes: Remotes, url: str, row: UrlRow, body: BinaryIO | None) -> None:
        self.url = url
        self.digest = row.digest
        self.size = row.size
        self.time = row.time or 0
        self._remotes = remotes
        self._body = body  # as it was fetched; None while nobody needed it

    def open(self) -> BinaryIO:
        """The content, from its start: as it was fetched, from a layer that has it, or fetched now."""
        if self._body is None:
            found = self._remotes.find(self.digest)
            if found is not None:
                return found
            self._body = self._remotes.body(self.url, self.digest)
        return cast("BinaryIO", open(f"/proc/self/fd/{self._body.fileno()}", "rb"))

    def close(self) -> None:
        """Gives back what was fetched."""
        if self._body is not None:
            self._body.close()


class Checkout(NamedTuple):
    """The files of a commit. `folder` is that of the source's `subdir`, `time` the commit's (since 1970)."""

    folder: str
    time: int


class Remotes:
    """One build's. Threads may ask at once: what is on its way to one of them is waited for by the others."""

    def __init__(self, ctx: Layers, request: BuildRequest, observer: Observer) -> None:
        self._ctx = ctx
        self._request = request
        self._observer = observer
        self._lock = allocate_lock()
        self._files: dict[str, RemoteFile] = {}
        self._commits: dict[GitSource, Commit] = {}
        self._trees: dict[GitSource, Checkout] = {}
        self._folders: list[str] = []
        self.stopper: Stopper = NeverStops()

    def close(self) -> None:
        """Removes all that was fetched."""
        for file in self._files.values():
            file.close()
        while self._folders:
            remove_tree(self._folders.pop())

    def materials(self, context: str) -> list[Material]:
        """What this build took, for its provenance; `context` is the text of its main context."""
        from lamina.build.done import Material  # only where provenance is asked for

        files = self._files.items()
        found = [Material(redacted(url), "sha256", file.digest, url == context) for url, file in files]
        main = parse_git(context)
        for source, commit in self._commits.items():
            where = ":".join(part for part in (source.ref, source.subdir) if part)
            uri = redacted(source.remote) + (f"#{where}" if where else "")
            kind = "sha1" if len(commit.id) == 40 else "sha256"
            is_context = main is not None and (main.remote, main.ref) == (source.remote, source.ref)
            found.append(Material(uri, kind, commit.id, is_context))
        return found

    # --- files

    def file(self, url: str, expected: Digest | None = None) -> RemoteFile:
        """What a URL leads to now; the server is not asked when `expected` says what we know already.

        Corrupt when it is not `expected`; the failures of fetching.
        """
        with self._lock:
            known = self._files.get(url)
            if known is None:
                known = self._files[url] = self._ask(url, expected)
        if expected is not None and known.digest != hex_of(expected):
            found = f"sha256:{known.digest}"
            raise Corrupt(f"digest mismatch for {redacted(url)}: {found} (expected: {expected})")
        return known

    def _ask(self, url: str, expected: Digest | None) -> RemoteFile:
        row = urls.get_url(self._ctx.db.read(), url)
        if row is not None and expected is not None and hex_of(expected) == row.digest:
            return RemoteFile(self, url, row, None)
        body, fetched = self._fetch(url, Known(row.etag, row.modified) if row else None, expected)
        if fetched is None:
            assert row is not None
            body.close()
            return RemoteFile(self, url, row, None)
        new = urls.UrlRow(url, *fetched.known, hex_of(fetched.digest), fetched.size, fetched.time)
        if new != row:
            with self._ctx.db.write(durable=False) as c:
                urls.put_url(c, new)
        return RemoteFile(self, url, new, body)

    def body(self, url: str, digest: str) -> BinaryIO:
        """Fetches what is known to have this digest. Corrupt when it was changed in this moment."""
        body, _ = self._fetch(url, None, Digest("sha256:" + digest))
        return body

    def find(self, digest: str) -> BinaryIO | None:
        """The same content in a layer of the store; None when none has it."""
        found = urls.find_content(self._ctx.db.read(), digest)
        if found is None:
            return None
        try:
            return open_in_diff(self._ctx, DiffID(found[0]), found[1])
        except Corrupt:  # a sweep took it in this moment
            return None

    def _fetch(
        self, url: str, known: Known | None, expected: Digest | None
    ) -> tuple[BinaryIO, Fetched | None]:
        body = nameless(self._ctx.layout.root)
        try:
            fetched = fetch(
                url,
                body,
                access=http_access(self._request, url),
                known=known,
                expected=expected,
                stopper=self.stopper,
                progress=lambda done, total: self._observer(Progress(redacted(url), done, total)),
            )
        except BaseException:
            body.close()
            raise
        return body, fetched

    # --- trees

    def commit(self, source: GitSource) -> Commit:
        """Which commit a source means now."""
        with self._lock:
            found = self._commits.get(source)
            if found is None:
                access = git_access(self._request, source)
                found = find_commit(source, access, self.stopper, self.folder())
                self._commits[source] = found
        return found

    def tree(self, source: GitSource) -> Checkout:
        """The files of the commit that a source means. NotFound when its `subdir` is not there."""
        commit = self.commit(source)
        with self._lock:
            found = self._trees.get(source)
            if found is None:
                folder = self.folder()
                tree = f"{folder}/tree"
                access = git_access(self._request, source)
                time = check_out(source, commit, tree, access, self.stopper, folder)
                found = self._trees[source] = Checkout(_inside(tree, source), time)
        return found

    def folder(self) -> str:
        """A new folder that goes with us, however we end."""
        path = f"{self._ctx.layout.mnt}/{self._ctx.lease.temp_name()}"
        with guard(path):
            os.mkdir(path, 0o700)
        self._folders.append(path)
        return path


def _inside(tree: str, source: GitSource) -> str:
    """The folder of `subdir`, links followed, in the tree and nowhere else."""
    wanted = source.subdir.strip("/")
    folder = os.path.realpath(f"{tree}/{wanted}")
    root = os.path.realpath(tree)
    if folder != root and not folder.startswith(root + "/"):
        raise InvalidInput(f"subdir {source.subdir} leads out of {redacted(source.remote)}")
    if not os.path.isdir(folder):
        raise NotFound(f"failed to open subdir {source.subdir}: {redacted(source.remote)} has no such folder")
    return folder
