"""COPY, ADD and WORKDIR: layers that are written straight from their sources; nothing is mounted or run."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, cast

from lamina.build.adopting import Seen
from lamina.build.errors import Swept
from lamina.build.layersource import LayerSource
from lamina.build.placing import Placement, Style
from lamina.build.unpacking import is_archive, unpack
from lamina.errors import Corrupt, InvalidInput
from lamina.graph.chmod import parse_mode
from lamina.layers.absent import absent, bring
from lamina.layers.readsets import Observing
from lamina.layers.write import write_layer
from lamina.store.guard import guard
from lamina.tree.entry import FILES, Kind
from lamina.tree.readset import pack
from lamina.tree.tree import ancestors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from lamina.build.adopting import Adoption
    from lamina.build.sources import CopySources
    from lamina.build.stagerun import StageRun, Work
    from lamina.graph.ingredients import Picked
    from lamina.graph.ops import CopyOp, WorkdirOp
    from lamina.layers.lookup import Lookup
    from lamina.layers.write import LayerItem

_SECOND = 1_000_000_000


def copy_layer(run: StageRun, work: Work, adoption: Adoption) -> None:
    """Makes the layer of a COPY or ADD. InvalidInput when the destination cannot take what comes; Swept."""
    below = lookup_below(run, cast("CopyOp", work.op))
    if work.sources is not None and isinstance(work.sources.source, LayerSource):
        _bring(run, work.sources.source, work.sources.picked)
    root = run.session.ctx.layout.root
    # Unlinked from the start: a build that is killed leaves nothing of it.
    with guard(root), tempfile.TemporaryFile(dir=root) as spool:
        _write(run, copied(run, work, below, spool), below, adoption)


def _bring(run: StageRun, source: LayerSource, picked: Sequence[Sequence[Picked]]) -> None:
    """Brings those of the layers copied from that are elsewhere and have some of the files, all at once."""
    if not absent(run.session.ctx, source.chain):
        return
    places = [(one.path, entry) for matches in picked for one in matches for entry in one.entries]
    files = [(path, entry) for path, entry in places if entry.kind in FILES]
    found = [source.layer_of(b"/".join(filter(None, (path, entry.path)))) for path, entry in files]
    bring(run.session.ctx, [diff_id for diff_id in found if diff_id is not None])


def copied(run: StageRun, work: Work, below: Lookup, spool: BinaryIO) -> list[LayerItem]:
    """What a COPY or ADD puts over `below`; `spool` keeps what archives hold. Errors as of copy_layer."""
    op = cast("CopyOp", work.op)
    sources = work.sources
    if sources is None:  # it was in the cache when it was looked up
        raise Swept
    if sources.commits:
        from lamina.build.adding import check_out_sources  # only for ADD of a Git repository

        sources = check_out_sources(run.session, work.instruction, op, sources)
    style = Style(
        owner=work.owner,
        mode=parse_mode(op.chmod) if op.chmod else None,
        time=_newest(sources) or _time_of(below, op.dest),
        epoch=_epoch(run),
    )
    placement = Placement(below, style)
    _check_destination(op, sources, placement)
    for matches in sources.picked:
        for picked in matches:
            _place(op, sources, picked, placement, spool)
    for document in op.documents:
        placement.add_document(document.name, document.content.encode(errors="surrogateescape"), op.dest)
    return placement.items()


def lookup_below(run: StageRun, op: CopyOp) -> Observing:
    """What a COPY sees of the stage: with --link nothing at all."""
    return Observing(run.session.ctx, () if op.link else run.chain())


def _write(run: StageRun, items: list[LayerItem], below: Observing, adoption: Adoption) -> None:
    """Commits a layer, with what was looked at for it in the layers below: see the rule independent."""

    def seen(*_: object) -> Seen:
        try:
            read_set = below.read_set()
        except Corrupt as error:
            return Seen(0, None, error.message)
        return Seen(len(read_set.observed), pack(read_set))

    adoption.seen = seen
    write_layer(run.session.ctx, items, parent=below, also=adoption)


def _place(op: CopyOp, sources: CopySources, picked: Picked, placement: Placement, spool: BinaryIO) -> None:
    """Copies one match, or unpacks it when ADD finds an archive."""
    source, first = sources.source, picked.entries[0]
    assert source is not None
    if _may_unpack(op, picked) and first.kind is Kind.FILE and first.size:
        at = first._replace(path=picked.path)
        if is_archive(lambda: source.open(at)):
            unpack(lambda: source.open(at), placement, op.dest, spool, picked.name.decode(errors="replace"))
            return
    placement.copy(source, picked, op.dest)


def _may_unpack(op: CopyOp, picked: Picked) -> bool:
    if not op.remotes:
        return op.unpacks
    from lamina.build.adding import may_unpack  # only for ADD of what lies elsewhere

    return may_unpack(op, picked)


def workdir_layer(run: StageRun, work: Work, adoption: Adoption) -> None:
    """Makes the layer of a WORKDIR: the folders that are missing, or nothing at all."""
    below = Observing(run.session.ctx, run.chain())
    _write(run, made_folders(run, work, below), below, adoption)


def made_folders(run: StageRun, work: Work, below: Lookup) -> list[LayerItem]:
    """What a WORKDIR puts over `below`."""
    op = cast("WorkdirOp", work.op)
    placement = Placement(below, Style(work.owner, None, _time_of(below, op.path), _epoch(run)))
    placement.make_folders(placement.resolve(op.path))
    return placement.items()


def _check_destination(op: CopyOp, sources: CopySources, placement: Placement) -> None:
    """Several things need a folder to go to: otherwise each would replace the one before."""
    files = sum(not picked.is_folder for matches in sources.picked for picked in matches)
    if files + len(op.documents) < 2 or op.dest.endswith("/"):
        return
    if not placement.is_folder(placement.resolve(op.dest)):
        raise InvalidInput(
            f"when using {op.name} with more than one source file, the destination must be a directory",
            hint=f"write {op.dest}/ with a slash at its end",
        )


def _newest(sources: CopySources) -> int:
    """The newest time of all that is copied, so that equal sources give equal layers."""
    return max(_times(sources), default=0)


def _times(sources: CopySources) -> Iterator[int]:
    return (entry.mtime for matches in sources.picked for picked in matches for entry in picked.entries)


def _time_of(below: Lookup, path: str) -> int:
    """The time of the folder that a new one would lie in; 1970 where there is none."""
    encoded = path.strip("/").encode(errors="surrogateescape")
    for place in (encoded, *ancestors(encoded), b""):
        entry = below.get(place)
        if entry is not None:
            return entry.mtime
    return 0


def _epoch(run: StageRun) -> int | None:
    seconds = run.state.scope.epoch
    return None if seconds is None else seconds * _SECOND
