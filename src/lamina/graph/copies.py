"""COPY and ADD: their words expanded, their paths cleaned, their destination absolute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile import Add, Copy, expand
from lamina.errors import InvalidInput
from lamina.graph.history import copy_text
from lamina.graph.ops import THE_CONTEXT, CopyOp, Document, SourceRef
from lamina.graph.state import StageState, join_path

if TYPE_CHECKING:
    from collections.abc import Callable


class BadCopy(InvalidInput):
    """A COPY or ADD that cannot be; `at` is the word to point at, as written."""

    def __init__(self, message: str, at: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.at = at


def copy_op(state: StageState, copy: Copy | Add, find: Callable[[str], SourceRef]) -> tuple[CopyOp, str]:
    """What a COPY or ADD does, and its line of history. InvalidInput for a bad --chmod or source.

    `find` says what a name after --from stands for.
    """

    def one(text: str) -> str:
        return expand(text, state.env, state.scope.escape)

    sources = [one(text) for text in copy.sources]
    dest = one(copy.dest)
    chown, chmod = one(copy.chown or ""), one(copy.chmod or "")
    documents = tuple(
        Document(doc.name, expand(doc.text, state.env, quotes="literal") if doc.expand else doc.text)
        for doc in copy.heredocs
    )
    remotes = _remotes(sources)
    _check(copy, sources, remotes, chmod)
    parents = isinstance(copy, Copy) and copy.parents
    text = copy_text(copy.keyword, parents, chown, chmod, sources, [doc.name for doc in documents], dest)
    ref = find(copy.from_) if isinstance(copy, Copy) and copy.from_ is not None else THE_CONTEXT
    op = CopyOp(
        name=copy.keyword,
        sources=tuple(_cleaned(path, remotes, parents) for path in sources),
        documents=documents,
        dest=_destination(state.config.working_dir or "/", dest),
        chown=chown,
        chmod=chmod,
        stage=ref.stage,
        image=ref.image,
        context=ref.context,
        remotes=remotes,
        link=copy.link and not chmod,  # as BuildKit: it would change the mode of folders below
        parents=parents,
        exclude=tuple(one(text) for text in copy.exclude),
        checksum=one(copy.checksum or "") if isinstance(copy, Add) else "",
        keep_git_dir=copy.keep_git_dir if isinstance(copy, Add) else None,
        unpack=copy.unpack if isinstance(copy, Add) else None,
    )
    return op, text


def context_op(name: str) -> tuple[CopyOp, str]:
    """FROM a further context that is files: all of them, and the line of history that BuildKit has for it."""
    op = CopyOp("COPY", ("",), (), "/", "", "", context=name)
    return op, f"[context {name}] load from client"


def _remotes(sources: list[str]) -> tuple[str, ...]:
    """The sources that are no paths. InvalidInput for a Git URL that cannot be understood."""
    if not any("://" in source or ("@" in source and ":" in source) for source in sources):
        return ()
    from lamina.dockerfile.remotes import is_remote  # most builds copy files only

    return tuple(source for source in sources if is_remote(source))


def _check(copy: Copy | Add, sources: list[str], remotes: tuple[str, ...], chmod: str) -> None:
    if remotes and isinstance(copy, Copy):
        kind = "URL" if remotes[0].startswith("http") else "git ref"
        raise BadCopy(f"source can't be a {kind} for COPY: {remotes[0]}", remotes[0], hint="ADD can fetch it")
    if isinstance(copy, Add) and copy.checksum:
        if len(sources) != 1:
            raise BadCopy("checksum can't be specified for multiple sources", "--checksum")
        if not remotes:
            raise BadCopy("checksum requires HTTP(S) or Git sources", "--checksum")
    if chmod:
        from lamina.graph.chmod import parse_mode  # compiles patterns that few builds need

        try:
            parse_mode(chmod)
        except ValueError as error:
            raise BadCopy(str(error), "--chmod") from None


def _cleaned(path: str, remotes: tuple[str, ...], parents: bool) -> str:
    if path in remotes:
        return path
    return _with_pivot(path) if parents else _clean(path)


def _clean(path: str) -> str:
    return join_path("/", path)[1:]


def _with_pivot(path: str) -> str:
    """What COPY --parents copies, as FOLDER/./PATH: the first `/./` says from where on folders are kept."""
    folder, pivot, kept = path.partition("/./")
    return f"{_clean(folder)}/./{_clean(kept)}" if pivot else f"/./{_clean(path)}"


def _destination(folder: str, dest: str) -> str:
    """The absolute destination; it keeps a `/` at its end, and gets one when it is `.` or empty."""
    path = join_path(folder, dest)
    is_folder = dest in ("", ".") or dest.endswith(("/", "/."))
    return path + "/" if is_folder and path != "/" else path
