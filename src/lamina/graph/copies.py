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

_URLS = ("http://", "https://")


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
    _check(copy, sources, chmod)
    text = copy_text(copy.keyword, chown, chmod, sources, [doc.name for doc in documents], dest)
    ref = find(copy.from_) if isinstance(copy, Copy) and copy.from_ is not None else THE_CONTEXT
    op = CopyOp(
        name=copy.keyword,
        sources=tuple(join_path("/", path)[1:] for path in sources),
        documents=documents,
        dest=_destination(state.config.working_dir or "/", dest),
        chown=chown,
        chmod=chmod,
        stage=ref.stage,
        image=ref.image,
        context=ref.context,
        link=copy.link,
        parents=isinstance(copy, Copy) and copy.parents,
        exclude=tuple(one(text) for text in copy.exclude),
        checksum=one(copy.checksum or "") if isinstance(copy, Add) else "",
        keep_git_dir=copy.keep_git_dir if isinstance(copy, Add) else None,
        unpack=copy.unpack if isinstance(copy, Add) else None,
    )
    return op, text


def _check(copy: Copy | Add, sources: list[str], chmod: str) -> None:
    if isinstance(copy, Copy):
        for source in sources:
            if source.startswith(_URLS):
                raise InvalidInput(f"source can't be a URL for COPY: {source}", hint="fetch it in a RUN")
    if chmod:
        from lamina.graph.chmod import parse_mode  # compiles patterns that few builds need

        try:
            parse_mode(chmod)
        except ValueError as error:
            raise InvalidInput(str(error)) from None


def _destination(folder: str, dest: str) -> str:
    """The absolute destination; it keeps a `/` at its end, and gets one when it is `.` or empty."""
    path = join_path(folder, dest)
    is_folder = dest in ("", ".") or dest.endswith(("/", "/."))
    return path + "/" if is_folder and path != "/" else path
