"""Rebasing: which images a rebase is about, on each platform, and the operation itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb
from lamina.db.layernames import number_of, split_name
from lamina.engine.operating import Operated, Subject, Target, find, look, operate
from lamina.errors import Conflict, LaminaError, NotFound
from lamina.insight.diff.packages import package_changes
from lamina.insight.states import IMAGE, State
from lamina.oci import reference
from lamina.oci.annotations import BASE_DIGEST, BASE_NAME
from lamina.oci.config import ContainerConfig, ImageConfig
from lamina.oci.digest import ImageID, short
from lamina.surgery import oldbase
from lamina.surgery.findings import Findings, Weight
from lamina.surgery.parts import Parts, done, take_apart
from lamina.surgery.rebase import rebase

if TYPE_CHECKING:
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.insight.diff.packages import PackageChange
    from lamina.layers.context import Layers
    from lamina.surgery.merging import MergedValue

SCRATCH = "scratch"


class BaseUsed(NamedTuple):
    """A base as a report names it."""

    name: str
    image_id: str  # "" for scratch, and for the lower part of another image
    layers: int


class RebasedImage(NamedTuple):
    """What a rebase does to one image: which base it leaves for which, its config, and what could break."""

    platform: str
    image_id: ImageID
    old_base: BaseUsed
    found_by: str  # how the old base was found: annotations, layers or given
    new_base: BaseUsed
    layers: int  # of the image's own, which stay
    packages: tuple[PackageChange, ...]  # in which the bases differ
    config: tuple[MergedValue, ...]
    findings: Findings


class Rebasing(NamedTuple):
    """What came of a rebase; `made` is None where it was only looked at."""

    images: tuple[RebasedImage, ...]
    made: Operated | None


class Refused(Conflict):
    """Something would break for certain; `images` say what. Nothing was made."""

    images: tuple[RebasedImage, ...] = ()


class Request(NamedTuple):
    """`onto` and `base` (the old one, "" to find it) are names of images, `scratch`, or IMAGE#LAYER."""

    name: str
    onto: str
    base: str = ""
    force: bool = False
    dry_run: bool = False
    pull: bool = False  # ask the registry for the new base, also where it is here


class _Base(NamedTuple):
    used: BaseUsed
    parts: Parts
    digest: str = ""  # of its manifest, for the annotations


def run(opened: Opened, request: Request, target: Target, tell: Observer) -> Rebasing:
    """Rebases an image, or each of an index. Refused, unless forced, when something breaks for certain."""
    images: list[RebasedImage] = []

    def change(_: Layers, subject: Subject) -> Parts:
        parts, image = _rebased(opened, request, subject, tell)
        images.append(image)
        if image.findings.breaks and not (request.force or request.dry_run):
            raise _refused(images)
        return parts

    if request.dry_run:
        for subject in look(opened, request.name, target, tell)[1]:
            change(opened.ctx, subject)
        return Rebasing(tuple(images), None)
    made = operate(opened, request.name, target, change, tell)
    return Rebasing(tuple(images), made)


def _refused(images: list[RebasedImage]) -> Refused:
    last = images[-1]
    count = sum(finding.weight is Weight.BREAKS for finding in last.findings.listed)
    things = "1 thing breaks" if count == 1 else f"{count} things break"
    error = Refused(
        f"{things} on {last.new_base.name}: nothing was made",
        hint="--force makes the image all the same",
    )
    error.images = tuple(images)
    return error


def _rebased(
    opened: Opened, request: Request, subject: Subject, tell: Observer
) -> tuple[Parts, RebasedImage]:
    new = _base(opened, request.onto, subject, tell, fresh=request.pull)
    old, how = _old(opened, request, subject, new, tell)
    result = rebase(opened.ctx, subject.parts, old.parts, new.parts)
    own = len(subject.parts.diff_ids) - old.used.layers
    image = RebasedImage(
        str(subject.platform),
        subject.image_id,
        old.used,
        how,
        new.used,
        own,
        package_changes(opened.ctx, _state(old), _state(new), tell),
        result.config,
        result.findings,
    )
    if (old.parts.diff_ids, old.parts.config.config) == (new.parts.diff_ids, new.parts.config.config):
        return subject.parts, image
    comment = f"from {subject.image_id}: {_named(old.used)} replaced by {_named(new.used)}"
    line = done(f"lamina rebase --onto {request.onto}", subject.created, comment)
    parts = result.parts._replace(lines=(*result.parts.lines, line))
    return parts._replace(annotations=_annotations(subject, new)), image


def _state(base: _Base) -> State:
    return State(IMAGE, base.used.name, base.parts.diff_ids)


def _named(used: BaseUsed) -> str:
    count = "1 layer" if used.layers == 1 else f"{used.layers} layers"
    return f"{count} of {used.name}" + (f" ({used.image_id})" if used.image_id else "")


def _annotations(subject: Subject, new: _Base) -> tuple[tuple[str, str], ...]:
    """What the manifest says of its base is kept true, where it says anything."""
    if BASE_NAME not in subject.annotations or not new.digest:
        return ()
    return (BASE_NAME, str(reference.parse(new.used.name))), (BASE_DIGEST, new.digest)


def _old(opened: Opened, request: Request, subject: Subject, new: _Base, tell: Observer) -> tuple[_Base, str]:
    """The base that an image is taken from. NotFound when nothing says which that is."""
    if request.base:
        return _base(opened, request.base, subject, tell), oldbase.GIVEN
    ctx = opened.ctx
    onto = ImageID(new.used.image_id) if new.used.image_id else None
    found = oldbase.old_base(ctx.db.read(), subject.image_id, subject.annotations, subject.platform, onto)
    if found is not None:
        return _of_image(ctx, found.image_id), found.how
    named = oldbase.annotated(subject.annotations)
    if named:
        try:
            return _base(opened, named, subject, tell), oldbase.ANNOTATED
        except LaminaError:  # its registry is not there, or has it no more
            pass
    raise NotFound(
        f"the base of {subject.name} is not known: no image of the store has its lowest layers, and no more",
        hint="--from OLDBASE: pull the old base, or name its highest layer as IMAGE#LAYER",
    )


def _base(opened: Opened, name: str, subject: Subject, tell: Observer, *, fresh: bool = False) -> _Base:
    """A base as the user names it, for the platform of the image; it is pulled where it is not here."""
    ctx, platform = opened.ctx, subject.platform
    if name == SCRATCH:
        config = ImageConfig(platform.architecture, platform.os, variant=platform.variant)
        return _Base(BaseUsed(SCRATCH, "", 0), Parts(config, ()))
    image, layer = split_name(name)
    found = find(opened, image, str(platform), tell, fresh=fresh)
    whole = _of_image(ctx, found.image_id)
    if found.tag:
        whole = whole._replace(used=whole.used._replace(name=reference.parse(found.tag).familiar()))
    return _part(whole, layer, name) if layer else whole


def _part(base: _Base, layer: str, name: str) -> _Base:
    """The lower part of an image, up to a layer: what its config was then, nobody knows."""
    number = number_of(base.parts.diff_ids, layer)
    if number == len(base.parts.diff_ids):
        return base
    lines = base.parts.lines[: base.parts.at(number) + 1]
    config = base.parts.config._replace(config=ContainerConfig())
    return _Base(BaseUsed(name, "", number), Parts(config, lines))


def _of_image(ctx: Layers, image_id: ImageID) -> _Base:
    c = ctx.db.read()
    tags = imagedb.tags(c, image_id)
    name = reference.parse(tags[0]).familiar() if tags else short(image_id)
    parts = take_apart(ctx, image_id)
    return _Base(
        BaseUsed(name, image_id, len(parts.diff_ids)), parts, imagedb.need_image(c, image_id).manifest
    )
