"""ADD of what lies elsewhere: URLs, and Git repositories.

All sources of one ADD are read through one Source, in which each that lies elsewhere has a root of its own
beside that of the context. A repository counts by its commit: it is checked out only when the step has to
be done.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from lamina.build.context import Context
from lamina.build.selecting import select
from lamina.build.sources import CopySources, as_written, from_context
from lamina.dockerfile import IgnoreFile
from lamina.dockerfile.remotes import file_name, parse_git, redacted
from lamina.errors import Cancelled, InvalidInput, LaminaError
from lamina.graph.ingredients import Picked
from lamina.oci import digest as digests
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from lamina.build.remote import RemoteFile
    from lamina.build.session import Session
    from lamina.build.source import Source
    from lamina.dockerfile import DockerfileError, Instruction
    from lamina.dockerfile.remotes import GitSource
    from lamina.graph.ops import CopyOp
    from lamina.oci.digest import Digest

_MODE = 0o600
_SECOND = 1_000_000_000
_MARK = b"\0"  # no path of a context has it


def add_sources(session: Session, instruction: Instruction, op: CopyOp) -> CopySources:
    """Finds all sources of an ADD of which some lie elsewhere. DockerfileError at the one that fails."""
    source: Source | None = None
    picked: list[tuple[Picked, ...]] = [()] * len(op.sources)
    if len(op.remotes) < len(op.sources):
        with session.contexts.lock:
            source, found, _ = from_context(session, instruction, op, session.context())
            picked = list(found)
    others: dict[bytes, Source] = {}
    commits: dict[int, str] = {}
    for number, url in enumerate(op.sources):
        if url not in op.remotes:
            continue
        try:
            git = git_source(op, url)
            if git is not None:
                commits[number] = _counted(git, session.contexts.remotes.commit(git).id, op)
                continue
            file = session.contexts.remotes.file(url, expected_digest(op))
        except Cancelled:
            raise
        except LaminaError as error:
            raise session.locate(instruction, error, at=as_written(instruction, number)) from None
        root = _root(number)
        others[root] = _OneFile(
            file, partial(session.locate, instruction, at=as_written(instruction, number))
        )
        picked[number] = (_picked(file, root),)
    _check_names(session, instruction, op, picked)
    return CopySources(Several(source, others), tuple(picked), commits)


def _check_names(
    session: Session, instruction: Instruction, op: CopyOp, picked: Sequence[tuple[Picked, ...]]
) -> None:
    """No file may silently take the place of another; one that was unpacked has no name any more."""
    seen: dict[bytes, tuple[str, str]] = {}
    for number, matches in enumerate(picked):
        written = as_written(instruction, number)
        for found in matches:
            if found.is_folder or (op.unpack and found.path.startswith(_MARK)):
                continue
            first, digest = seen.setdefault(found.name, (written, found.entries[0].digest))
            if digest != found.entries[0].digest:
                name = found.name.decode(errors="replace")
                error = InvalidInput(
                    f"{redacted(first)} and {redacted(written)} would both become {name}",
                    hint="give each an ADD of its own",
                )
                raise session.locate(instruction, error, at=written)


def check_out_sources(
    session: Session, instruction: Instruction, op: CopyOp, sources: CopySources
) -> CopySources:
    """The same sources, with the files of those that are Git repositories."""
    if not sources.commits:
        return sources
    assert isinstance(sources.source, Several)
    exclude = IgnoreFile.of(op.exclude) if op.exclude else None
    picked = list(sources.picked)
    others = dict(sources.source.others)
    for number in sources.commits:
        try:
            git = git_source(op, op.sources[number])
            assert git is not None
            tree = Context(session.contexts.remotes.tree(git).folder, None, {})
            root = _root(number)
            others[root] = tree
            try:
                picked[number] = tuple(found._replace(path=root) for found in select(tree, "", exclude))
            finally:
                tree.close()
        except Cancelled:
            raise
        except LaminaError as error:
            raise session.locate(instruction, error, at=as_written(instruction, number)) from None
    return CopySources(Several(sources.source.main, others), tuple(picked), sources.commits)


def may_unpack(op: CopyOp, picked: Picked) -> bool:
    """Whether ADD unpacks this if it is an archive: one from elsewhere only when --unpack says so."""
    if picked.path.startswith(_MARK):
        return op.unpack is True and not picked.is_folder
    return op.unpack is not False


def git_source(op: CopyOp, url: str) -> GitSource | None:
    """What an ADD says of a repository, in the URL and in its flags; None when it is none. InvalidInput."""
    found = parse_git(url, known=op.keep_git_dir is not None)
    if found is None:
        return None
    if None not in (op.keep_git_dir, found.keep_git_dir) and op.keep_git_dir != found.keep_git_dir:
        raise InvalidInput("inconsistent keep-git-dir configuration")
    if op.checksum and found.checksum and op.checksum != found.checksum:
        raise InvalidInput(f'checksum mismatch "{op.checksum}" != "{found.checksum}"')
    keep = op.keep_git_dir if found.keep_git_dir is None else found.keep_git_dir
    is_root = found.subdir.strip("/") in ("", ".")
    checksum = op.checksum or found.checksum
    if checksum and not (checksum.isalnum() and set(checksum.lower()) <= set("0123456789abcdef")):
        raise InvalidInput(f"invalid checksum {checksum} for Git URL, expected hex commit hash")
    return found._replace(checksum=checksum, keep_git_dir=bool(keep) and is_root)


def expected_digest(op: CopyOp) -> Digest | None:
    """What --checksum says of a file. InvalidInput for anything but sha256."""
    return digests.parse(op.checksum) if op.checksum else None


def is_pinned(op: CopyOp) -> bool:
    """Whether --checksum alone says what a URL leads to, so that nobody has to be asked."""
    return bool(op.checksum) and len(op.remotes) == 1 and git_source(op, op.remotes[0]) is None


def _counted(git: GitSource, commit: str, op: CopyOp) -> str:
    """What counts of a repository in the key of an ADD."""
    words = [f"git {commit}"]
    if git.subdir.strip("/"):
        words.append(f"folder {git.subdir.strip('/')}")
    if git.keep_git_dir:
        words.append(f"with .git of {redacted(git.remote)} {git.ref}")
    if git.submodules is False:
        words.append("without submodules")
    return " ".join([*words, *[f"exclude {text}" for text in op.exclude]])


def _picked(file: RemoteFile, root: bytes) -> Picked:
    name = file_name(file.url).encode(errors="surrogateescape")
    entry = Entry(b"", Kind.FILE, _MODE, size=file.size, mtime=file.time * _SECOND, digest=file.digest)
    return Picked(name, root, [entry])


def _root(number: int) -> bytes:
    return _MARK + str(number).encode()


class Several:
    """A Source of several: `others` by the root that each has, `main` for all other paths."""

    def __init__(self, main: Source | None, others: Mapping[bytes, Source]) -> None:
        self.main = main
        self.others = others

    def get(self, path: bytes) -> Entry | None:
        """The entry at `path`."""
        source, inner = self._find(path)
        found = source.get(inner)
        return None if found is None else found._replace(path=path)

    def children(self, path: bytes) -> Sequence[Entry]:
        """What the folder at `path` holds."""
        source, inner = self._find(path)
        root = path[: len(path) - len(inner)]
        if root and not root.endswith(b"/"):
            root += b"/"
        return [each._replace(path=root + each.path) for each in source.children(inner)]

    def digest(self, entry: Entry) -> str:
        """SHA-256 of a FILE's content, in hex."""
        source, inner = self._find(entry.path)
        return source.digest(entry._replace(path=inner))

    def open(self, entry: Entry) -> BinaryIO:
        """The content of a FILE."""
        source, inner = self._find(entry.path)
        return source.open(entry._replace(path=inner))

    def identity(self, entry: Entry) -> Hashable | None:
        """What two names of one FILE have in common."""
        source, inner = self._find(entry.path)
        found = source.identity(entry._replace(path=inner))
        return None if found is None else (id(source), found)

    def _find(self, path: bytes) -> tuple[Source, bytes]:
        root, _, inner = path.partition(b"/")
        if root in self.others:
            return self.others[root], inner
        assert self.main is not None
        return self.main, path


class _OneFile:
    """A Source that is one file; `locate` gives an error its place in the Dockerfile."""

    def __init__(self, file: RemoteFile, locate: Callable[[LaminaError], DockerfileError]) -> None:
        self._file = file
        self._locate = locate

    def get(self, path: bytes) -> Entry | None:
        return None if path else _picked(self._file, b"").entries[0]

    def children(self, path: bytes) -> Sequence[Entry]:
        return ()

    def digest(self, entry: Entry) -> str:
        return self._file.digest

    def open(self, entry: Entry) -> BinaryIO:
        try:
            return self._file.open()  # it may have to be fetched only now
        except LaminaError as error:
            if isinstance(error, Cancelled):
                raise
            raise self._locate(error) from None

    def identity(self, entry: Entry) -> Hashable | None:
        return None
