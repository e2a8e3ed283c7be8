"""What a COPY or ADD copies: its source, and what it matches there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.build.selecting import select
from lamina.dockerfile import has_wildcard
from lamina.errors import InvalidInput, NotFound
from lamina.events import Notice
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.build.context import Context
    from lamina.build.session import Session
    from lamina.build.source import Source
    from lamina.build.stagerun import StageRun
    from lamina.dockerfile import Instruction
    from lamina.graph.ingredients import Picked
    from lamina.graph.ops import CopyOp


class CopySources(NamedTuple):
    """`picked` has, for each source as written, what it matched in `source`."""

    source: Source | None  # None when there are only here-documents
    picked: tuple[tuple[Picked, ...], ...]


def copy_sources(
    session: Session, instruction: Instruction, op: CopyOp, others: Mapping[int, StageRun]
) -> CopySources:
    """Finds all sources of a COPY, with the files' digests. DockerfileError at the one that is missing."""
    if not op.sources:
        return CopySources(None, ())
    if op.stage is None and not op.image:
        with session.context_lock:
            return _from_context(session, instruction, op, session.context())
    source = _layers(session, instruction, op, others)
    picked = tuple(_select(session, instruction, op, source, path) for path in op.sources)
    return CopySources(source, picked)


def _layers(session: Session, instruction: Instruction, op: CopyOp, others: Mapping[int, StageRun]) -> Source:
    from lamina.build.layersource import LayerSource  # only for COPY --from
    from lamina.layers.lookup import Lookup

    if op.stage is not None:
        return LayerSource(others[op.stage].lookup())
    if op.image == "scratch":
        return LayerSource(Lookup(session.ctx, ()))
    base = session.base(op.image, instruction)
    return LayerSource(Lookup(session.ctx, base.config.diff_ids[::-1]))


def _from_context(session: Session, instruction: Instruction, op: CopyOp, context: Context) -> CopySources:
    picked = tuple(_select(session, instruction, op, context, path) for path in op.sources)
    for number, matches in enumerate(picked):
        try:
            _check_no_device(context, matches)
        except InvalidInput as error:
            raise session.locate(instruction, error, at=_as_written(instruction, number)) from None
    return CopySources(context, picked)


def _check_no_device(context: Context, matches: tuple[Picked, ...]) -> None:
    for match in matches:
        for entry in match.entries:
            if entry.kind in (Kind.CHAR, Kind.BLOCK):
                name = context.name(match.path + b"/" + entry.path if entry.path else match.path)
                raise InvalidInput(
                    f"{name} is a device: a build context holds files, folders and links",
                    hint="leave it out with a line in .dockerignore",
                )


def _select(
    session: Session, instruction: Instruction, op: CopyOp, source: Source, path: str
) -> tuple[Picked, ...]:
    written = _as_written(instruction, op.sources.index(path))
    try:
        picked = select(source, path)
    except NotFound:
        raise session.locate(instruction, _missing(session, op, path), at=written) from None
    except InvalidInput as error:
        raise session.locate(instruction, error, at=written) from None
    if not picked and has_wildcard(path):
        session.observer(Notice(f"[Warning] {op.name} {written}: the wildcard matches nothing"))
    return picked


def _as_written(instruction: Instruction, index: int) -> str:
    """The source in the user's words, before expansion."""
    sources: tuple[str, ...] = getattr(instruction, "sources", ())
    return sources[index] if index < len(sources) else ""


def _missing(session: Session, op: CopyOp, path: str) -> NotFound:
    if op.stage is not None:
        return NotFound(f'"/{path}": not found in stage {session.plan.stages[op.stage].label}')
    if op.image:
        return NotFound(f'"/{path}": not found in image {op.image}')
    context = session.context()
    if context.is_ignored(path.encode(errors="surrogateescape")):
        return NotFound(
            f'"/{path}": excluded from the build context by .dockerignore',
            hint="take it out of .dockerignore, or bring it back with a line that begins with !",
        )
    return NotFound(
        f'"/{path}": not found in the build context {session.request.context}',
        hint="paths are relative to the context, and none leads out of it",
    )
