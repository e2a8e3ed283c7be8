"""Pushing: names of the store to a registry, as `lamina push` and outputs of a build ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.engine import joined
from lamina.errors import InvalidInput, NotFound
from lamina.events import Notice, Progress
from lamina.oci import reference as references

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.db.names import Named
    from lamina.engine.opened import Opened
    from lamina.events import Event, Observer
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.reference import Reference
    from lamina.registry.settings import Settings
    from lamina.transfer.form import Form
    from lamina.transfer.push import Pushed


class PushRequest(NamedTuple):
    """What to push: `name` in the store, to `destination`, which is the same name where it is "".

    `all_tags`: every tag of the repository `name`. `compression` is gzip, zstd, zstd:chunked or uncompressed,
    for layers that did not come compressed, or for all with `force`; `level` is that tool's own. `types`:
    "oci" or "docker" media types in place of those that the manifest has.
    """

    name: str
    destination: str = ""
    all_tags: bool = False
    platform: str = ""
    compression: str = ""
    level: int | None = None
    force: bool = False
    types: str = ""


def target_of(request: PushRequest) -> Reference:
    """The name in the registry, with the tag `latest` where it has none. InvalidInput."""
    text = request.destination or request.name
    target = references.parse(text)
    if target.digest is not None:
        raise InvalidInput("cannot push a digest reference", hint="give it a tag; the digest is told then")
    if request.all_tags:
        if target.tag or references.parse(request.name).tag:
            raise InvalidInput("tag can't be used with --all-tags/-a", hint="write the name without a tag")
        return target
    return target.with_default_tag()


def push(opened: Opened, request: PushRequest, observer: Observer) -> list[Pushed]:
    """Pushes; what each tag stands for now. NotFound when the store has no such image."""
    from lamina.transfer.packing import Packing
    from lamina.transfer.push import Pushes

    target = target_of(request)
    platform = joined.platform(request.platform)
    packing = Packing(request.compression, request.level, request.force, request.types)
    found = _tags(opened, request) if request.all_tags else [(target.tag, _found(opened, request))]
    with Pushes(opened.ctx, target, opened.registries(), packing, observer=observer) as pushes:
        return [pushes.push(named, tag, platform) for tag, named in found]


def push_built(
    ctx: Layers, names: Sequence[str], settings: Settings, form: Form, observer: Observer
) -> tuple[Descriptor, tuple[str, ...]]:
    """The outputs of a build: what the last name stands for there, and all names with their digests."""
    from lamina.db import names as known
    from lamina.transfer.form import packing_of
    from lamina.transfer.push import push as push_one

    def tell(event: Event) -> None:
        if isinstance(event, Progress):  # what becomes of each layer is too much between the steps
            observer(event._replace(what=f"pushing {event.what}"))

    done = []
    for name in names:
        target = references.parse_tagged(name)
        observer(Notice(f"pushing {target.familiar()}"))
        found = known.resolve_image(ctx.db.read(), str(target))
        pushed = push_one(
            ctx, found, target, settings, packing_of(form), by_digest=form.by_digest, observer=tell
        )
        shown = target.name if form.by_digest else str(target)
        done.append((pushed.descriptor, f"{shown}@{pushed.descriptor.digest}"))
    return done[-1][0], tuple([text for _, text in done])


def _found(opened: Opened, request: PushRequest) -> Named:
    from lamina.db import imagedb, names

    c = opened.ctx.db.read()
    try:
        return names.resolve_image(c, request.name)
    except NotFound as error:
        meant = references.parse(request.name).with_default_tag()
        repository = meant.name + ":"
        if meant.tag and any(tag.startswith(repository) for tag, _ in imagedb.all_tags(c)):
            raise NotFound(f"tag does not exist: {meant.familiar()}", hint=error.hint) from None
        raise _not_here(meant) from None


def _tags(opened: Opened, request: PushRequest) -> list[tuple[str, Named]]:
    """Every tag of a repository, with what it stands for."""
    from lamina.db import imagedb, names

    c = opened.ctx.db.read()
    repository = references.parse(request.name).name + ":"
    tags = [tag for tag, _ in imagedb.all_tags(c) if tag.startswith(repository)]
    if not tags:
        raise _not_here(references.parse(request.name))
    return [(tag.removeprefix(repository), names.resolve_image(c, tag)) for tag in tags]


def _not_here(meant: Reference) -> NotFound:
    """In Docker's words."""
    return NotFound(f"An image does not exist locally with the tag: {meant.familiar_name}")
