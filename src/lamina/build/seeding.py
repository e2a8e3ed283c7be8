"""RUN --mount=type=cache: what its folder has to be, and what it begins with (from=, source=)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lamina.build.mountsources import Layered, layer_source
from lamina.build.selecting import pick
from lamina.build.session import show
from lamina.cachemounts.wanted import CacheWanted
from lamina.errors import InvalidInput, NotFound
from lamina.fs.create import Builder
from lamina.graph.mounts import content_of, content_of_layers
from lamina.tree.entry import FILES, Kind

if TYPE_CHECKING:
    from lamina.build.mountsources import MountSource
    from lamina.build.source import Source
    from lamina.build.stagerun import StageRun, Work
    from lamina.graph.ingredients import Picked
    from lamina.graph.ops import RunMount


def cache_wanted(run: StageRun, work: Work, mount: RunMount, source: MountSource) -> CacheWanted:
    """The cache mount of a RUN in the words of build.cachemounts."""
    seed, seed_key = None, ""
    if isinstance(source, Layered):
        seed = partial(_from_layers, run, mount, source)
        seed_key = content_of_layers(mount, source.content_id).text
    elif source is not None:
        seed = partial(_fill, mount, source.source, source.picked)
        seed_key = content_of(mount, source.picked).text
    elif mount.source:
        raise NotFound(
            f'"/{mount.source}": not found', hint="source= needs from=, the stage or image to begin with"
        )
    space = run.session.request.build_args.get("BUILDKIT_CACHE_MOUNT_NS")
    return CacheWanted(
        id=f"{space}/{mount.id}" if space else mount.id,
        sharing=mount.sharing,
        mode=0o755 if mount.mode is None else mount.mode & 0o7777,
        uid=mount.uid or 0,
        gid=mount.gid or 0,
        seed=seed,
        seed_key=seed_key,
        created_by=show(work.instruction, run.stage),
        fresh=run.no_cache,
    )


def _from_layers(run: StageRun, mount: RunMount, layered: Layered, folder: str) -> None:
    source = layer_source(run.session, layered)
    try:
        picked = pick(source, mount.source.encode(errors="surrogateescape"))
    except NotFound:
        raise NotFound(f'"/{mount.source}": not found, and the cache mount is to begin with it') from None
    _fill(mount, source, picked, folder)


def _fill(mount: RunMount, source: Source, picked: Picked, folder: str) -> None:
    """Writes what is picked into the empty folder."""
    if not picked.is_folder:
        raise InvalidInput(f'"/{mount.source}" is a file: a cache mount begins with a folder')
    first = picked.entries[0]
    with Builder(folder) as builder:
        builder.put(
            first._replace(
                path=b"",
                mode=first.mode if mount.mode is None else mount.mode & 0o7777,
                uid=first.uid if mount.uid is None else mount.uid,
                gid=first.gid if mount.gid is None else mount.gid,
            )
        )
        for entry in picked.entries[1:]:
            if entry.kind not in FILES:
                builder.put(entry)
                continue
            place = b"/".join(filter(None, (picked.path, entry.path)))
            with source.open(entry._replace(path=place)) as content:
                builder.put(entry._replace(kind=Kind.FILE, link=b""), content)
        builder.finish()
