"""Asking: the questions that an Engine answers; nothing that they touch changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.db import containerdb
from lamina.engine import joined
from lamina.engine.base import Base
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.build.plan import BuildPlan
    from lamina.build.request import BuildRequest
    from lamina.containers.changes import ContainerChange
    from lamina.containers.stdio import Stdio
    from lamina.db.usersql import Answer, Value
    from lamina.engine.attesting import Bill
    from lamina.engine.bisecting import Bisected, BisectQuery
    from lamina.engine.context import ContextQuestions
    from lamina.engine.files import Files
    from lamina.engine.opened import Opened
    from lamina.engine.records import Records
    from lamina.engine.steps import StepRef
    from lamina.events import Observer
    from lamina.gc.usage import Usage
    from lamina.insight.baseimage import BaseImage
    from lamina.insight.blame import Blame, Wanted
    from lamina.insight.containers import ContainerSummary
    from lamina.insight.diff.change import FileChange
    from lamina.insight.diff.diff import Asked, Diff
    from lamina.insight.history import HistoryItem
    from lamina.insight.images import ImageSummary
    from lamina.insight.info import Info, MountSummary
    from lamina.insight.layers import LayerItem
    from lamina.insight.report.report import Report
    from lamina.insight.textblame import BlamedLine
    from lamina.insight.waste import Waste
    from lamina.insight.who.answer import Who
    from lamina.oci.digest import ImageID


class Asking(Base):
    """Questions, one method each."""

    @property
    def records(self) -> Records:
        """The builds that were: their steps, logs, and what a step left."""
        from lamina.engine.records import Records

        return Records(self._inside, lambda: self._opened)

    @property
    def files(self) -> Files:
        """The files of an image, or of a state between its layers: ls, find, grep, tree, cat, owners."""
        from lamina.engine.files import Files

        return Files(self._inside, lambda: self._opened)

    @property
    def context(self) -> ContextQuestions:
        """What is in a build context: ls, why. Neither looks into the store."""
        from lamina.engine.context import ContextQuestions

        return ContextQuestions()

    def images(self) -> list[ImageSummary]:
        """All images, the newest first."""
        from lamina.insight.images import images

        return images(self._opened.rows)

    def bisect(self, query: BisectQuery, stdio: Stdio | None = None, observer: Observer = ignore) -> Bisected:
        """Runs a command on states between the layers of an image: the first layer after which it fails.

        About log2(layers) runs, each told of by a Notice; an image that the store lacks is pulled. Exit code
        125 says nothing of a state. InvalidInput when the ends are not what they should be.
        """

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Bisected:
            from lamina.engine.bisecting import bisect_image

            return bisect_image(opened, query, stdio, tell)

        return self._inside(work, observer)

    def plan(self, request: BuildRequest) -> BuildPlan:
        """What `build` would reuse and what it would do, and why. Nothing is changed, fetched or run.

        A store that is read-only, or another user's, will do. DockerfileError, Unsupported.
        """
        return joined.plan(self._opened, request)

    def history(self, name: str, *, platform: str = "", counted: bool = True) -> list[HistoryItem]:
        """What made an image, the newest instruction first; `counted`: how many paths each layer changed."""
        from lamina.insight.history import history

        return history(self._opened.rows, self._image(name, platform), counted=counted)

    def layers(self, name: str, *, platform: str = "", counted: bool = True) -> list[LayerItem]:
        """The layers of an image, the bottom first; `counted`: how many paths each one changed."""
        from lamina.insight.layers import layers

        return layers(self._opened.rows, self._image(name, platform), counted=counted)

    def base_images(self, name: str, *, platform: str = "") -> list[BaseImage]:
        """The images that an image stands on, the highest first: by layers, recorded builds, annotations."""
        from lamina.insight.baseimage import base_images
        from lamina.insight.config import config_of

        rows, image_id = self._opened.rows, self._image(name, platform)
        return base_images(rows, image_id, config_of(rows, image_id))

    def blame(
        self,
        name: str,
        paths: Sequence[str] = ("/",),
        observer: Observer = ignore,
        *,
        wanted: Wanted | None = None,
        packages: bool = False,
        platform: str = "",
    ) -> Iterator[Blame]:
        """Which layers wrote or deleted each path; of a folder, each file in it with the layer that has it.

        `packages` adds the package that owns a path: layers that are elsewhere may be fetched for that.
        """
        from lamina.insight.blame import Wanted, answers

        image_id = self._image(name, platform)
        owned = joined.owners(self._inside, image_id, observer) if packages else None
        return answers(self._opened.rows, image_id, paths, wanted or Wanted(), owned)

    def blame_lines(
        self, name: str, path: str, observer: Observer = ignore, *, platform: str = ""
    ) -> list[BlamedLine]:
        """Which layer each line of a text file is of; layers that are elsewhere are fetched."""
        image_id = self._image(name, platform)

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> list[BlamedLine]:
            from lamina.engine.reading import reading
            from lamina.insight.stack import stack
            from lamina.insight.textblame import blame_lines

            with reading(opened) as ctx:
                return blame_lines(ctx, stack(opened.rows, image_id), path)

        return self._inside(work, observer)

    def sbom(self, name: str, observer: Observer = ignore, *, created: str = "") -> Bill:
        """The packages of an image with the layers that brought them, and the SPDX document of them."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Bill:
            from lamina.engine.attesting import bill
            from lamina.engine.reading import reading

            with reading(opened) as ctx:
                return bill(ctx, name, created, tell)

        return self._inside(work, observer)

    def report(self, name: str, observer: Observer = ignore, *, platform: str = "") -> Report:
        """All that is known of an image; lamina.insight.report.page makes one HTML page of it."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Report:
            from lamina.engine.reading import reading
            from lamina.insight.report.report import report

            with reading(opened) as ctx:
                return report(ctx, self._image(name, platform), tell)

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

        containerdb.find(self._opened.rows.connection, container)  # what is none leaves the store as it is
        return self._inside(work)

    def compare(
        self,
        old: str | StepRef,
        new: str = "",
        asked: Asked | None = None,
        observer: Observer = ignore,
        found: Callable[[FileChange], None] | None = None,
        *,
        platform: str = "",
    ) -> Diff:
        """What differs between two images, layers (IMAGE#N), containers or steps of builds (BUILD#N).

        Without `new`: between what `old` stands on and `old`: the base of an image, the layer below. With
        `found` each change of a file goes there, and none is kept. NotFound, Conflict, InvalidInput.
        """
        from lamina.engine.states import compared, handed_over

        direct = found if self._in_place() else None  # a worker can only send the answer as a whole

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Diff:
            return compared(opened, (old, new, platform), asked, tell, direct)

        diff = self._inside(work, observer)
        return handed_over(diff, found) if found and not direct else diff

    def waste(self, name: str, *, platform: str = "") -> Waste:
        """The bytes that a smaller image would not carry, and the changes that save them."""
        from lamina.insight.waste import waste

        return waste(self._opened.rows, self._image(name, platform))

    def who(self, text: str, kind: str = "", observer: Observer = ignore) -> Who:
        """Which images, layers and containers of the store hold a file or a package, and where it is visible.

        `text` is a SHA-256 or the beginning of one, a path, a file's name, or a package as NAME[@VERSION];
        `kind` says which (hash, path, name, package) where `text` alone does not. What package managers wrote
        in layers that came since the last such question is read now; nothing is fetched. InvalidInput.
        """
        from lamina.engine.who import ask

        return ask(self._inside, lambda: self._opened, text, kind, observer)

    def sql(
        self, query: str, values: Sequence[Value] = (), observer: Observer = ignore, *, seconds: float = 0
    ) -> Answer:
        """The rows that a SELECT on the views of docs/database.md gives; it can change nothing.

        `values` take the places of `?`; after `seconds` it is stopped, if not 0. InvalidInput, Denied.
        """
        from lamina.db.usersql import ask
        from lamina.engine.who import learn_for

        self._opened.layout.exists()  # Denied when it is someone else's, which else could look empty
        learn_for(self._inside, lambda: self._opened, query, observer)
        return ask(self._opened.layout.database, query, values, seconds=seconds)

    def views(self) -> dict[str, tuple[str, ...]]:
        """The views that `sql` may read, with their columns."""
        from lamina.db.usersql import columns

        return columns(self._opened.layout.database)

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
        return joined.image_id(self._opened.rows, name, platform)
