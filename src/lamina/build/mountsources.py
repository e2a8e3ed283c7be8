"""What the mounts of a RUN show: stages, images, contexts; and the cache key that comes of it.

What lies in layers is told by the layers first, which costs no look at any file, and by its files only when
the cache does not know the step that way (as in COPY --from).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.build.selecting import pick
from lamina.errors import InvalidInput, NotFound
from lamina.graph.ingredients import run_key
from lamina.graph.mounts import content_of, content_of_layers, mount_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lamina.build.session import Session
    from lamina.build.source import Source
    from lamina.build.stagerun import StageRun
    from lamina.dockerfile import DockerfileError, Instruction
    from lamina.graph.ingredients import Picked
    from lamina.graph.key import CacheKey, Ingredient
    from lamina.graph.mounts import Content
    from lamina.graph.ops import RunMount, RunOp
    from lamina.layers.lookup import Lookup
    from lamina.oci.digest import DiffID
    from lamina.oci.platform import Platform


class Layered(NamedTuple):
    """A mount's source in layers: their diff IDs, top first, and the content ID of them all."""

    chain: tuple[DiffID, ...]
    content_id: str


class Folder(NamedTuple):
    """A mount's source in a folder of the host, and what of it is shown."""

    source: Source
    picked: Picked


MountSource = Layered | Folder | None  # None: the mount shows nothing of elsewhere


class RunSources(NamedTuple):
    """The sources of a RUN's mounts, in their order, and the keys of the step, as in Work."""

    mounts: tuple[MountSource, ...]
    key: CacheKey
    alias: CacheKey | None


def run_sources(
    run: StageRun,
    instruction: Instruction,
    op: RunOp,
    others: Mapping[int, StageRun],
    is_cached: Callable[[CacheKey], bool],
) -> RunSources:
    """Finds what each mount shows. DockerfileError at the mount whose source is not there.

    `key` is the quick one, and there is no `alias`, when `is_cached` knows it.
    """
    session = run.session
    found = tuple(_find(session, instruction, mount, others) for mount in op.mounts)
    parent = run.top.content_id if run.top else ""
    platform, limits = run.state.scope.platform, session.limits()
    alias = None
    if any(isinstance(source, Layered) for source in found):
        quick = [_quick(mount, source) for mount, source in zip(op.mounts, found, strict=True)]
        alias = _key(op, parent, platform, limits, quick)
        if is_cached(alias):
            return RunSources(found, alias, None)
    pairs = zip(op.mounts, found, strict=True)
    contents = [_content(session, instruction, mount, source) for mount, source in pairs]
    return RunSources(found, _key(op, parent, platform, limits, contents), alias)


def _key(
    op: RunOp,
    parent: str,
    platform: Platform,
    limits: Sequence[Ingredient],
    contents: Sequence[Content | None],
) -> CacheKey:
    return run_key(op, parent, platform, limits, mount_parts(op.mounts, contents))


def _quick(mount: RunMount, source: MountSource) -> Content | None:
    if isinstance(source, Layered):
        return content_of_layers(mount, source.content_id)
    return None if source is None else content_of(mount, source.picked)


def _content(
    session: Session, instruction: Instruction, mount: RunMount, source: MountSource
) -> Content | None:
    if not isinstance(source, Layered):
        return _quick(mount, source)
    picked = _pick(session, instruction, mount, layer_source(session, source))
    return content_of(mount, picked)


def layer_source(session: Session, layered: Layered) -> Source:
    """The files of layers."""
    from lamina.build.layersource import LayerSource  # not for mounts of the context alone

    return LayerSource(_lookup(session, layered.chain))


def _lookup(session: Session, chain: tuple[DiffID, ...]) -> Lookup:
    from lamina.layers.lookup import Lookup

    return Lookup(session.ctx, chain)


def _find(
    session: Session, instruction: Instruction, mount: RunMount, others: Mapping[int, StageRun]
) -> MountSource:
    """What one mount is taken from."""
    if mount.type not in ("bind", "cache"):
        return None
    if mount.stage is not None:
        other = others[mount.stage]
        return Layered(other.chain(), other.top.content_id if other.top else "")
    if mount.image == "scratch":
        return Layered((), "") if mount.type == "bind" else None
    if mount.image:
        base = session.base(mount.image, instruction)
        return Layered(base.config.diff_ids[::-1], base.top.content_id if base.top else "")
    with session.context_lock:
        context = session.contexts.files(mount.context) if mount.context else session.context()
        return Folder(context, _pick(session, instruction, mount, context))


def _pick(session: Session, instruction: Instruction, mount: RunMount, source: Source) -> Picked:
    path = mount.source.encode(errors="surrogateescape")
    try:
        return pick(source, path)
    except NotFound:
        raise _missing(session, instruction, mount) from None
    except InvalidInput as error:
        raise session.locate(instruction, error, at=_word(instruction, mount)) from None


def _missing(session: Session, instruction: Instruction, mount: RunMount) -> DockerfileError:
    from lamina.build.sources import not_found  # says it as COPY does

    error = not_found(session, mount, mount.source)
    return session.locate(instruction, error, at=_word(instruction, mount))


def _word(instruction: Instruction, mount: RunMount) -> str:
    """How the Dockerfile names the source of a mount."""
    for name in ("source", "src"):
        if f"{name}={mount.source}" in instruction.original:
            return f"{name}={mount.source}"
    return "--mount"
