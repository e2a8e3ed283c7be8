"""Asking: the questions that an Engine answers; nothing that they touch changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.db import containerdb
from lamina.engine import joined
from lamina.engine.base import Base
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.build.plan import BuildPlan
    from lamina.build.request import BuildRequest
    from lamina.containers.changes import ContainerChange
    from lamina.engine.attesting import Bill
    from lamina.engine.context import ContextQuestions
    from lamina.engine.opened import Opened
    from lamina.engine.records import Records
    from lamina.events import Observer
    from lamina.gc.usage import Usage
    from lamina.insight.containers import ContainerSummary
    from lamina.insight.history import HistoryItem
    from lamina.insight.images import ImageSummary
    from lamina.insight.info import Info, MountSummary
    from lamina.insight.layers import LayerItem
    from lamina.oci.digest import ImageID


class Asking(Base):
    """Questions, one method each."""

    @property
    def records(self) -> Records:
        """The builds that were: their steps, logs, and what a step left."""
        from lamina.engine.records import Records

        return Records(self._inside, lambda: self._opened)

    @property
    def context(self) -> ContextQuestions:
        """What is in a build context: ls, why. Neither looks into the store."""
        from lamina.engine.context import ContextQuestions

        return ContextQuestions()

    def images(self) -> list[ImageSummary]:
        """All images, the newest first."""
        from lamina.insight.images import images

        return images(self._opened.rows)

    def plan(self, request: BuildRequest) -> BuildPlan:
        """What `build` would reuse and what it would do, and why. Nothing is changed, fetched or run.

        A store that is read-only, or another user's, will do. DockerfileError, Unsupported.
        """
        return joined.plan(self._opened, request)

    def history(self, name: str, *, platform: str = "") -> list[HistoryItem]:
        """What made an image, the newest instruction first."""
        from lamina.insight.history import history

        return history(self._opened.rows, self._image(name, platform))

    def layers(self, name: str) -> list[LayerItem]:
        """The layers of an image, the bottom first."""
        from lamina.insight.layers import layers

        return layers(self._opened.rows, self._image(name))

    def sbom(self, name: str, observer: Observer = ignore, *, created: str = "") -> Bill:
        """The packages of an image with the layers that brought them, and the SPDX document of them."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Bill:
            from lamina.engine.attesting import bill

            return bill(opened.ctx, name, created, tell)

        return self._inside(work, observer)

    def inspect(self, name: str, kind: str | None = None, *, platform: str = "") -> dict[str, object]:
        """An image or a container (`kind` image or container; None: whichever there is) as Docker's JSON."""
        from lamina.insight.inspect import inspect

        if kind != "image":
            self._settle()
        return inspect(self._opened.rows, name, kind, joined.platform(platform))

    def ps(self, *, all: bool = False, size: bool = False) -> list[ContainerSummary]:
        """Containers, the newest first: running ones, or all."""
        from lamina.insight.containers import summary

        if size:
            return self._inside(lambda opened, _, __: joined.listed(opened, all=all, size=True))
        self._settle()
        rows = self._opened.rows
        found = [summary(rows, row) for row in containerdb.containers(rows.connection)]
        return [one for one in found if all or one.state == containerdb.RUNNING]

    def diff(self, container: str) -> Sequence[ContainerChange]:
        """What a container added, changed and deleted."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> Sequence[ContainerChange]:
            from lamina.containers.changes import changes

            return changes(joined.containers_of(opened), container)

        return self._inside(work)

    def mounts(self) -> list[MountSummary]:
        """What `mount` mounted and is still there."""
        from lamina.containers.mounting import mounts
        from lamina.insight.info import MountSummary

        return [MountSummary(*found) for found in mounts(joined.containers_of(self._opened))]

    def df(self) -> Usage:
        """What the store costs on disk, and what could be freed."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> Usage:
            from lamina.gc.context import Context
            from lamina.gc.usage import usage

            return usage(Context(*opened.ctx))

        return self._inside(work)

    def info(self) -> Info:
        """The store, and what this machine gives."""
        from lamina.engine.machine import info

        return self._inside(lambda opened, _, __: info(opened))

    def _settle(self) -> None:
        """Sets right what the rows say of containers that ran with a Lamina that died."""
        rows = self._opened.rows
        if any(row.state == containerdb.RUNNING for row in containerdb.containers(rows.connection)):
            self._inside(lambda opened, _, __: joined.listed(opened, all=True, size=False))

    def _image(self, name: str, platform: str = "") -> ImageID:
        from lamina.db.names import for_platform, resolve_image

        c = self._opened.rows.connection
        found, wanted = resolve_image(c, name), joined.platform(platform)
        return (for_platform(c, found, wanted) if wanted else found).image_id
