"""Places: images wherever they are, as `engine.places`: copy; what Setting `copy` and `index` work in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lamina.engine import joined
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.engine.base import Inside
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.transfer.copying.copy import Copied
    from lamina.transfer.copying.sources import Setting

_SPOOL = "/var/tmp"  # for copies of compressed archives


def copy(
    opened: Opened,
    inside: Inside,
    environ: Mapping[str, str],
    source: str,
    target: str,
    observer: Observer = ignore,
    *,
    all: bool = False,
    platform: str = "",
    referrers: bool = False,
    format: str = "",
) -> Copied:
    """Copies an image; where the store is neither end of it, it is not opened."""
    from lamina.transfer.copying import copy as copying
    from lamina.transfer.copying import places as copyplaces

    wish = copying.Wish(all, joined.platform(platform), referrers, format)
    places = copyplaces.parse(source), copyplaces.parse(target)

    def work(store: Opened, tell: Observer, _: BinaryIO | None) -> Copied:
        return copying.copy(*places, wish, setting(store, environ), tell)

    if copyplaces.STORE in (places[0].kind, places[1].kind):
        return inside(work, observer)
    return work(opened, observer, None)


def setting(opened: Opened, environ: Mapping[str, str]) -> Setting:
    """What places are looked for in."""
    from lamina.oci.platform import host
    from lamina.transfer.copying.sources import Setting

    machine = host(os.uname().machine)
    return Setting(opened.registries, lambda: opened.ctx, machine, environ.get("TMPDIR") or _SPOOL)
