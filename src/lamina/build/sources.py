"""What a COPY or ADD copies: its source, and what it matches there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.build.selecting import select
from lamina.dockerfile import IgnoreFile, has_wildcard
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
    from lamina.graph.ops import CopyOp, RunMount


class CopySources(NamedTuple):
    """`picked` has, for each source as written, what it matched in `source`.

    Of a Git repository only the commit is known first: `commits` has what counts of it, by its number.
    """

    source: Source | None  # None when there are only here-documents
    picked: tuple[tuple[Picked, ...], ...]
    commits: Mapping[int, str] = {}

    def counted(self) -> list[tuple[Picked, ...] | str]:
        """What counts of each source."""
        return [self.commits.get(number, found) for number, found in enumerate(self.picked)]


def copy_sources(
    session: Session, instruction: Instruction, op: CopyOp, others: Mapping[int, StageRun]
) -> CopySources:
    """Finds all sources of a COPY, with the files' digests. DockerfileError at the one that is missing."""
    if len(op.documents) > 1 and _has_twins(op, ()):
        _check_collisions(session, instruction, op, None, ())
    if not op.sources:
        return CopySources(None, ())
    if op.remotes:
        from lamina.build.adding import add_sources  # with all that fetches

        return add_sources(session, instruction, op)
    if op.stage is None and not op.image:
        with session.context_lock:
            context = session.contexts.files(op.context) if op.context else session.context()
            return from_context(session, instruction, op, context)
    source = _layers(session, instruction, op, others)
    return CopySources(source, _select_all(session, instruction, op, source))


def _layers(session: Session, instruction: Instruction, op: CopyOp, others: Mapping[int, StageRun]) -> Source:
    from lamina.build.layersource import LayerSource  # only for COPY --from
    from lamina.layers.lookup import Lookup

    if op.stage is not None:
        return LayerSource(others[op.stage].lookup())
    if op.image == "scratch":
        return LayerSource(Lookup(session.ctx, ()))
    base = session.base(op.image, instruction)
    return LayerSource(Lookup(session.ctx, base.config.diff_ids[::-1]))


def from_context(session: Session, instruction: Instruction, op: CopyOp, context: Context) -> CopySources:
    """Those sources that lie in a context. DockerfileError at the one that is missing."""
    picked = _select_all(session, instruction, op, context)
    for number, matches in enumerate(picked):
        try:
            _check_no_device(context, matches)
        except InvalidInput as error:
            raise session.locate(instruction, error, at=as_written(instruction, number)) from None
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


def _select_all(
    session: Session, instruction: Instruction, op: CopyOp, source: Source
) -> tuple[tuple[Picked, ...], ...]:
    """What each source of a COPY matches, less what --exclude leaves out."""
    try:
        exclude = IgnoreFile.of(op.exclude) if op.exclude else None
    except InvalidInput as error:
        raise session.locate(instruction, error, at="--exclude") from None
    picked = tuple(
        () if path in op.remotes else _select(session, instruction, op, source, path, exclude)
        for path in op.sources
    )
    check_twins(session, instruction, op, source, picked)
    return picked


def check_twins(
    session: Session,
    instruction: Instruction,
    op: CopyOp,
    source: Source,
    picked: tuple[tuple[Picked, ...], ...],
) -> None:
    """DockerfileError when one file would silently take the place of another."""
    if _has_twins(op, picked):
        _check_collisions(session, instruction, op, source, picked)


def _select(
    session: Session,
    instruction: Instruction,
    op: CopyOp,
    source: Source,
    path: str,
    exclude: IgnoreFile | None,
) -> tuple[Picked, ...]:
    written = as_written(instruction, op.sources.index(path))
    try:
        if op.parents:
            from lamina.build.selecting import select_parents

            picked = select_parents(source, path, exclude)
        else:
            picked = select(source, path, exclude)
    except NotFound as error:
        missing = error.message if op.parents else path
        raise session.locate(instruction, not_found(session, op, missing), at=written) from None
    except InvalidInput as error:
        raise session.locate(instruction, error, at=written) from None
    may_be_empty = op.parents or exclude is not None
    if all(may_be_empty and found.is_folder and len(found.entries) == 1 for found in picked):
        _note_nothing(session, op, path, written, exclude is not None)
    return picked


def _note_nothing(session: Session, op: CopyOp, path: str, written: str, excludes: bool) -> None:
    """Warns of a source that gives nothing, other than a folder that is empty."""
    if excludes:
        session.observer(Notice(f"[Warning] {op.name} {written}: --exclude leaves nothing of it"))
    elif has_wildcard(path):
        session.observer(Notice(f"[Warning] {op.name} {written}: the wildcard matches nothing"))


def _has_twins(op: CopyOp, picked: tuple[tuple[Picked, ...], ...]) -> bool:
    """Whether any name of a file comes twice."""
    names = [document.name.encode(errors="surrogateescape") for document in op.documents]
    for matches in picked:
        for found in matches:
            if op.parents:
                names += found.named
            elif not found.is_folder:
                names.append(found.name)
    return len(set(names)) < len(names)


def _check_collisions(
    session: Session,
    instruction: Instruction,
    op: CopyOp,
    source: Source | None,
    picked: tuple[tuple[Picked, ...], ...],
) -> None:
    from lamina.build.collisions import Collision, check_collisions, check_documents

    try:
        if source is None:
            check_documents(op)
        else:
            check_collisions(op, source, picked)
    except Collision as error:
        written = None if error.source is None else as_written(instruction, error.source)
        raise session.locate(instruction, error, at=written) from None


def as_written(instruction: Instruction, index: int) -> str:
    """The source in the user's words, before expansion."""
    sources: tuple[str, ...] = getattr(instruction, "sources", ())
    return sources[index] if index < len(sources) else ""


def not_found(session: Session, op: CopyOp | RunMount, path: str) -> NotFound:
    """What to say of a source that is not where it should be."""
    if op.stage is not None:
        return NotFound(f'"/{path}": not found in stage {session.plan.stages[op.stage].label}')
    if op.image:
        return NotFound(f'"/{path}": not found in image {op.image}')
    if op.context:
        value = session.contexts.value(op.context)
        return NotFound(f'"/{path}": not found in the build context {op.context} ({value})')
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
