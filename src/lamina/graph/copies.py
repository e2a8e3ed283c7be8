"""COPY and ADD: their words expanded, their paths cleaned, their destination absolute."""

from __future__ import annotations

from lamina.dockerfile import Add, Copy, expand
from lamina.errors import InvalidInput
from lamina.graph.history import copy_text
from lamina.graph.ops import CopyOp, Document
from lamina.graph.state import StageState, join_path

_URLS = ("http://", "https://")


def copy_op(state: StageState, copy: Copy | Add, source: tuple[int | None, str]) -> tuple[CopyOp, str]:
    """What a COPY or ADD does, and its line of history. InvalidInput for a bad --chmod or source."""

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
    stage, image = source
    op = CopyOp(
        name=copy.keyword,
        sources=tuple(join_path("/", path)[1:] for path in sources),
        documents=documents,
        dest=_destination(state.config.working_dir or "/", dest),
        chown=chown,
        chmod=chmod,
        stage=stage,
        image=image,
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
