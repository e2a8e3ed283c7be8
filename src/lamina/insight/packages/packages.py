"""packages: what all package managers of an image installed, each package with the layer that brought it.

Read from the layers: nothing is mounted, no process runs. The rows of files say where databases are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.events import ignore
from lamina.insight.packages import apk, dpkg, node, python, rpm
from lamina.insight.packages.distro import Distro, distro
from lamina.insight.packages.package import APK, DEB, NODE, PYTHON, RPM, Package
from lamina.insight.packages.view import View
from lamina.oci import config as configs
from lamina.oci.digest import DiffID, Digest
from lamina.oci.history import pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.config import History
    from lamina.oci.digest import ImageID

_READERS: tuple[Callable[[View, Distro], Iterator[Package]], ...] = (
    dpkg.dpkg,
    apk.apk,
    rpm.rpm,
    python.python,
    node.node,
)
_OWNED = {DEB: dpkg.owned, APK: apk.owned, RPM: rpm.owned, PYTHON: python.owned, NODE: node.owned}


def packages(
    ctx: Layers, image_id: ImageID, tell: Observer = ignore, *, lines: Mapping[str, int] = {}
) -> tuple[Package, ...]:
    """The packages of an image, sorted by kind, name, version and path. NotFound, Corrupt for the image.

    `lines` are lines of a Dockerfile by diff ID, where they are known. A database that cannot be read gives a
    Notice to `tell`, and its packages are left out.
    """
    return packages_of(ctx, layers_of(ctx, image_id), tell, lines=lines)


def packages_of(
    ctx: Layers,
    layers: Sequence[tuple[DiffID, str]],
    tell: Observer = ignore,
    *,
    lines: Mapping[str, int] = {},
) -> tuple[Package, ...]:
    """The same for a stack of layers, which need be no image: diff IDs with what made them, bottom first."""
    made = dict(reversed(layers))  # of two layers that are the same, the lower one counts
    view = View(ctx, [diff_id for diff_id, _ in layers][::-1], tell)
    where = distro(view)
    found = [
        package._replace(created_by=made.get(DiffID(package.layer), ""), line=lines.get(package.layer, 0))
        for read in _READERS
        for package in read(view, where)
    ]
    return tuple(sorted(found, key=lambda package: (*package.key, package.path)))


def layers_of(ctx: Layers, image_id: ImageID) -> list[tuple[DiffID, str]]:
    """The layers of an image, bottom first, each with the instruction that made it."""
    config = configs.parse(ctx.blobs.read(Digest(image_id), configs.MAX_SIZE))
    return made_by(config.history, config.diff_ids)


def made_by(history: Sequence[History], diff_ids: Sequence[DiffID]) -> list[tuple[DiffID, str]]:
    """Diff IDs, bottom first, each with the instruction that made it."""
    return [(diff_id, entry.created_by) for entry, diff_id in pair(history, diff_ids) if diff_id is not None]


def files_of(ctx: Layers, image_id: ImageID, package: Package) -> list[bytes]:
    """The paths that are the package's, as its database says, relative as in Entry; [] where it does not.

    BadDatabase when the database cannot be read.
    """
    owned = _OWNED.get(package.kind)
    chain = [diff_id for diff_id, _ in layers_of(ctx, image_id)][::-1]
    return owned(View(ctx, chain, ignore), package) if owned else []
