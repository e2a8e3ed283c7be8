"""A store with images made of trees, builds of one step on them, and what their layers hold."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lamina.build.session import Tools
from lamina.db import cachedb
from lamina.graph.rules import UNTOUCHED
from lamina.layers.lookup import Lookup
from lamina.layers.write import write_layer
from lamina.oci.config import ContainerConfig, History, ImageConfig, RootFS
from lamina.oci.digest import DiffID
from lamina.trace.recorder import Recorder
from lamina.transfer.register import register_image
from tests.build.kitchen import HOST, Kitchen
from tests.build.untouched import probes
from tests.build.untouched.nodes import TIME, Node, Tree, built, copied, file, folder, items, link
from tests.machine import busybox
from tests.trace.places import missing, setting_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lamina.build.request import StepResult
    from lamina.oci.digest import ImageID
    from lamina.tree.entry import Entry

_APPLETS = """\
    awk basename cat chgrp chmod chown chroot cmp cp cut date dd dirname du echo env expr false find grep head
    id ls ln md5sum mkdir mkfifo mknod mv od printf pwd readlink realpath rm rmdir sed seq sh sha256sum sleep
    sort stat tail tar tee test touch tr true truncate uniq wc which whoami xargs
"""
_PASSWD = "root:x:0:0:root:/root:/bin/sh\nworker:x:1234:4321:w:/home/worker:/bin/sh\n"
_GROUP = "root:x:0:\nworkers:x:4321:\nothers:x:77:\n"
_DAY = 24 * 3600 * 10**9

Contents = dict[bytes, "Entry"]


class Parent(NamedTuple):
    """An image to build on; `layers` are above the base, bottom first."""

    layers: tuple[Mapping[str, Node], ...]
    time: int = TIME
    cwd: str = ""


class Lab(Kitchen):
    """A kitchen with a base of busybox and probes, where steps are recorded."""

    recorder: Recorder | None = None
    _records = True

    def tools(self) -> Tools:
        """As Kitchen's. Skips the test where nothing can be recorded."""
        if self.recorder is None:
            if reason := missing():
                pytest.skip(reason)
            self.recorder = Recorder(setting_of(self.ctx), self.layout.diff)
        made = super().tools()
        if not self._records:
            return made._replace(untraced="a test wants it so")
        if self.snapshotter == "native":
            return made._replace(untraced="the native snapshotter copies all files")
        return made._replace(recorder=self.recorder)

    @contextmanager
    def untraced(self) -> Iterator[None]:
        """Steps are not recorded meanwhile."""
        self._records = False
        try:
            yield
        finally:
            self._records = True

    def close(self) -> None:
        """As Kitchen's."""
        if self.recorder is not None:
            self.recorder.close()
        super().close()

    def make_base(self) -> None:
        """Makes the image that all parents are built on."""
        with open(busybox(), "rb") as opened:
            program = file(opened.read(), 0o755)
        tree: Tree = {f"bin/{applet}": link("busybox") for applet in _APPLETS.split()}
        tree |= {"bin/busybox": program, "tmp": folder(0o1777), "root": folder(0o700), "etc": folder()}
        tree |= {"etc/passwd": file(_PASSWD), "etc/group": file(_GROUP), "home/worker": folder(uid=1234)}
        self._base = [write_layer(self.ctx, items(tree)).diff_id]
        self._images: set[str] = set()
        self._layers: dict[str, DiffID] = {}

    def add_programs(self, *names: str) -> None:
        """Puts programs of probes.py on top of the base, with the libraries that they need."""
        tree: Tree = {f"bin/{name}": built(name) for name in names}
        for name in names:
            tree |= _libraries(str(probes.program(name)))
        self.add_to_base(tree)

    def add_host_programs(self, *paths: str) -> None:
        """The same for programs of this machine."""
        tree: Tree = {}
        for path in paths:
            tree |= {f"bin/{os.path.basename(path)}": copied(path), **_libraries(path)}
        self.add_to_base(tree)

    def add_to_base(self, tree: Mapping[str, Node]) -> None:
        """A further layer of the base."""
        self._base.append(write_layer(self.ctx, items(tree)).diff_id)

    def image(self, parent: Parent) -> str:
        """The name of the image that has these layers on the base."""
        name = "i" + hashlib.sha256(repr(parent).encode()).hexdigest()[:20]
        if name in self._images:
            return name
        diffs = (*self._base, *(self.layer(tree, parent.time) for tree in parent.layers))
        config = ContainerConfig(env=("PATH=/bin",), working_dir=parent.cwd)
        stamp = "2024-01-01T00:00:00Z"
        history = (History(stamp, "made by a test"),) * len(diffs)
        image = ImageConfig(HOST.architecture, "linux", RootFS(diffs), config, history, stamp)
        register_image(self.ctx, image._replace(variant=HOST.variant), diffs, [name])
        self._images.add(name)
        return name

    def layer(self, tree: Mapping[str, Node], time: int = TIME) -> DiffID:
        """A layer in the store."""
        key = repr((sorted(tree.items()), time))
        if key not in self._layers:
            self._layers[key] = write_layer(self.ctx, items(tree, time)).diff_id
        return self._layers[key]

    def step(self, parent: Parent, lines: str, **options: object) -> StepResult:
        """Builds `lines` on a parent; how the last step went."""
        return self.build(f"FROM {self.image(parent)}\n{lines}\n", **options).steps[-1]

    def contents(self, diff_id: str) -> Contents:
        """What a layer holds; all that counts of it, so without times."""
        rows = cachedb.files(self.db.read(), DiffID(diff_id))
        return {entry.path: entry._replace(mtime=0) for entry in rows}

    def tree(self, image: ImageID) -> Contents:
        """All files of an image, likewise; folders without their times anyway."""
        return {entry.path: _plain(entry) for entry in self.files(image).walk()}

    def top_file(self, step: StepResult, path: str) -> bytes:
        """A file of the layer of a step."""
        with Lookup(self.ctx, [DiffID(step.diff_id)]).open(path.encode()) as opened:
            return opened.read()


def _plain(entry: Entry) -> Entry:
    """Without times, and without what only says how a layer is made."""
    return entry._replace(mtime=0, opaque=False)


def with_other(tree: Mapping[str, Node], what: str) -> Tree:
    """The tree with a file beside it that no step looks at."""
    return {**tree, "srv/beside/other": file(what), "srv/beside": folder()}


def later(parent: Parent) -> Parent:
    """The same with all files written a day later."""
    return parent._replace(time=parent.time + _DAY)


def is_reused(step: StepResult) -> bool:
    """Whether rule 4 reused the step."""
    return step.cached and step.rule == UNTOUCHED


def _libraries(program: str) -> Tree:
    return {path.lstrip("/"): copied(path) for path in probes.libraries(program)}
