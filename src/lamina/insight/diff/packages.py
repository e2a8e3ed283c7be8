"""Packages that one side has and the other has not, or in another version."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.insight.packages import distro
from lamina.insight.packages.managers import manager_of
from lamina.insight.packages.packages import packages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.events import Observer
    from lamina.insight.packages.package import Package
    from lamina.insight.states import State
    from lamina.layers.context import Layers


class PackageChange(NamedTuple):
    """One package: added (A), deleted (D), or changed (C): there in another version.

    Of a name that a side has in several versions, or at several places, each one counts.
    """

    kind: str
    package_kind: str  # deb, apk, rpm, pypi or npm
    name: str
    architecture: str
    old: tuple[str, ...]  # versions
    new: tuple[str, ...]


def is_database(path: bytes) -> bool:
    """Whether packages may differ where this file (as in Entry) does."""
    return manager_of(path) != "" or path in distro.PLACES


def package_changes(ctx: Layers, old: State, new: State, tell: Observer) -> tuple[PackageChange, ...]:
    """What differs, sorted by kind and name. A database that cannot be read is told, and left out."""
    before, after = _versions(ctx, old, tell), _versions(ctx, new, tell)
    found = []
    for key in sorted({*before, *after}):
        versions = before.get(key, ()), after.get(key, ())
        if versions[0] != versions[1]:
            kind = "A" if not versions[0] else "D" if not versions[1] else "C"
            found.append(PackageChange(kind, *key, *versions))
    return tuple(found)


def _versions(ctx: Layers, state: State, tell: Observer) -> dict[tuple[str, str, str], tuple[str, ...]]:
    lines = state.created_by or ("",) * len(state.diff_ids)
    found: dict[tuple[str, str, str], list[str]] = {}
    packages: Sequence[Package] = packages_of(ctx, list(zip(state.diff_ids, lines, strict=True)), tell)
    for package in packages:
        found.setdefault((package.kind, package.name, package.architecture), []).append(package.version)
    return {key: tuple(sorted(versions)) for key, versions in found.items()}
