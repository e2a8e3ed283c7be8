"""Machines of a fleet: kitchens that share a registry, and a base that is in it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.build.given import CacheFrom, CacheTo
from lamina.db import names
from lamina.events import Notice
from lamina.layers.absent import is_here
from lamina.oci import reference
from lamina.registry.settings import Settings
from lamina.transfer.lazy import Lazy
from lamina.transfer.push import push
from tests.build.kitchen import Kitchen, opened
from tests.machine import quick_place
from tests.registry.distribution import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.build.request import BuildResult
    from tests.registry.distribution import Registry


STAGES = """\
FROM {base} AS tools
RUN echo tool > /tool
COPY seed /seed
RUN cat /seed /tool > /made
FROM {base}
WORKDIR /app
COPY --from=tools /made .
RUN rm /etc/group && echo $(cat made) > /home/worker/all
"""


class Fleet:
    """Machines that share a registry. `base` is a busybox there, `cache` a cache that is only read."""

    def __init__(self, registry: Registry, stack: ExitStack, name: str, kind: type[Kitchen]) -> None:
        self.registry = registry
        self.kind = kind
        self._stack = stack
        self._name = name
        self._common = f"common-{kind.__name__.lower()}"
        self.base = registry.name(f"{self._common}/base:1")
        self.cache = registry.name(f"{self._common}/cache:main")
        self._mark = (
            registry.folder / f"{self._common}.image"
        )  # made once: tests may be processes of their own
        if not self._mark.exists():
            first = self.machine()
            Kitchen.add_busybox(first)
            self.push(first, "busybox", self.base)
            self._mark.write_text(
                self.build(first, cache_to=(CacheTo("registry", self.cache, "max"),)).image_id
            )
        registry.requests.clear()

    @property
    def image_id(self) -> str:
        """What the first machine built, when it made `cache`."""
        return self._mark.read_text()

    def machine(self) -> Kitchen:
        """A machine that has nothing yet."""
        made = self._stack.enter_context(opened(self.kind))
        made.registries = Settings()
        made.ctx = made.ctx._replace(fetch=lambda: Lazy(Settings))
        return made

    def name(self, path: str) -> str:
        """In the registry, apart from what other tests put there."""
        return self.registry.name(f"{self._name}/{path}")

    def build(
        self, machine: Kitchen, text: str = STAGES, seed: str = "seed\n", **more: object
    ) -> BuildResult:
        """Builds on a machine; `registry.requests` are those of this build."""
        machine.write({"seed": seed})
        self.registry.requests.clear()
        return machine.build(text.format(base=self.base), **more)

    def push(self, machine: Kitchen, name: str, to: str) -> None:
        """As `lamina push`."""
        found = names.resolve_image(machine.db.read(), name)
        push(machine.ctx, found, reference.parse(to), Settings())

    def to(self, name: str = "cache:main", **options: object) -> CacheTo:
        """--cache-to type=registry, with mode=max unless the test says otherwise."""
        return CacheTo("registry", self.name(name), **({"mode": "max"} | options))  # type: ignore[arg-type]

    def source(self, name: str = "") -> CacheFrom:
        """--cache-from NAME; without one it is `cache`."""
        return CacheFrom("registry", self.name(name) if name else self.cache)

    def moved(self) -> tuple[int, int]:
        """Bytes up and down since the last time."""
        requests = self.registry.requests
        found = requests.up, requests.down
        requests.clear()
        return found


@contextmanager
def counting() -> Iterator[Registry]:
    """A registry that counts what it is asked, for all tests of a file; nothing is left of it."""
    folder = tempfile.mkdtemp(prefix="lamina-shared-", dir=quick_place())
    try:
        with running(Path(folder) / "registry", count=True) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fleet_of(registry: Registry, name: str, kind: type[Kitchen] = Kitchen) -> Iterator[Fleet]:
    """A fleet whose own names in the registry begin with `name`; nothing is left of its machines."""
    with ExitStack() as stack:
        yield Fleet(registry, stack, name, kind)


def here(kitchen: Kitchen, result: BuildResult) -> list[bool]:
    """Of each layer of an image, bottom first, whether its files are in the store."""
    return [is_here(kitchen.ctx, each) for each in kitchen.config(result.image_id).diff_ids]


def told(kitchen: Kitchen) -> list[str]:
    """What the last build told, without what moved."""
    return [event.text for event in kitchen.events if isinstance(event, Notice)]
