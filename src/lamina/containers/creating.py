"""create: a container that has not run yet: a row, and a writable layer over its image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.containers import names, settings, volumes
from lamina.containers.request import NoImage
from lamina.db import cachedb, containerdb, imagedb, layerdb
from lamina.db.names import for_platform, resolve_image
from lamina.errors import NotFound
from lamina.layers.absent import bring
from lamina.layers.clock import now
from lamina.mount.holder import start_time
from lamina.oci import config as configs
from lamina.oci.digest import Digest
from lamina.snapshot import probe

if TYPE_CHECKING:
    import sqlite3

    from lamina.containers.context import Containers
    from lamina.containers.request import RunRequest
    from lamina.containers.settings import Settings
    from lamina.db.containerdb import Container
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import ChainID, DiffID, ImageID
    from lamina.snapshot.protocol import Snapshotter


class Created(NamedTuple):
    """A container and how it is to be run."""

    row: Container
    settings: Settings


def _image(c: sqlite3.Connection, request: RunRequest) -> ImageID:
    try:
        found = resolve_image(c, request.image)
        if request.platform:
            from lamina.oci import platform as platforms  # few containers are of another platform

            wanted = platforms.parse(request.platform, platforms.host(os.uname().machine))
            found = for_platform(c, found, wanted)
    except NotFound as error:
        hint = "`lamina images` lists what is there; `lamina pull` and `lamina build` bring images in"
        raise NoImage(error.message, hint=error.hint or hint) from None
    return found.image_id


def create(ctx: Containers, request: RunRequest) -> Created:
    """Makes a container. NotFound without the image, Conflict when the name is taken, InvalidInput.

    Layers that are elsewhere are brought: errors as of layers.absent.bring.
    """
    layers, snapshotter = ctx.layers, ctx.snapshotter()
    container_id = os.urandom(32).hex()
    c = layers.db.read()
    image_id = _image(c, request)
    chosen = settings.merge(image_config(ctx, image_id).config, request, container_id)
    volumes.parse(chosen.volumes, chosen.tmpfs)  # what is wrong with them is said before anything is made
    chain = imagedb.layers_of(c, image_id)
    below = _stack(c, chain[-1] if chain else None)
    bring(layers, below)  # before anything is made
    row = containerdb.Container(
        id=container_id,
        name=_name(ctx, request.name),
        image_id=image_id,
        image_name=request.image,
        chain_id=chain[-1] if chain else None,
        config_json=chosen.to_text(),
        snapshotter=snapshotter.name,
        state=containerdb.CREATED,
        pid=os.getpid(),
        pid_start=start_time(os.getpid()),
        exit_code=None,
        created=now(),
        started="",
        finished="",
        command=_command(chosen.args),
    )
    with layers.db.write() as tx:
        imagedb.need_image(tx, image_id)  # not removed meanwhile
        containerdb.create(tx, row)
        cachedb.put_writable(tx, cachedb.Writable(container_id, row.chain_id, row.created, ""))
    try:
        snapshotter.prepare(container_id, [layers.layout.diff_dir(diff_id) for diff_id in below])
    except BaseException:
        with layers.db.write() as tx:
            containerdb.delete(tx, container_id)
        raise
    return Created(row, chosen)


def diffs(ctx: Containers, row: Container) -> tuple[DiffID, ...]:
    """The layers of the container's image, top first."""
    return _stack(ctx.layers.db.read(), row.chain_id)


def _stack(c: sqlite3.Connection, top: ChainID | None) -> tuple[DiffID, ...]:
    return tuple([layer.diff_id for layer in reversed(layerdb.chain(c, top))])


def snapshotter_of(ctx: Containers, row: Container) -> Snapshotter:
    """The one that made the container's writable layer."""
    return probe.named(row.snapshotter, ctx.layers.layout)


def image_config(ctx: Containers, image_id: ImageID) -> ImageConfig:
    """The config of an image in the store."""
    return configs.parse(ctx.layers.blobs.read(Digest(image_id), configs.MAX_SIZE))


def _command(args: tuple[str, ...]) -> str:
    """The command line as `ps` shows it, by Docker's rule for quotes."""
    words = (args[0], *(f"'{word}'" if " " in word else word for word in args[1:]))
    return " ".join(words).encode(errors="backslashreplace").decode()


def _name(ctx: Containers, wanted: str) -> str:
    if wanted:
        return names.check(wanted)
    return names.make_up({row.name for row in containerdb.containers(ctx.layers.db.read())})
