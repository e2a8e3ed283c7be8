"""Where the store is: the one place that reads the environment for it (DESIGN.md, "On disk")."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping


def root_folder(given: str | None, environ: Mapping[str, str]) -> str:
    """The absolute path of the root: `given`, else LAMINA_ROOT, else the default for this user."""
    chosen = given or environ.get("LAMINA_ROOT")
    if chosen:
        return os.path.abspath(chosen)
    if os.geteuid() == 0:
        return "/var/lib/lamina"
    data = environ.get("XDG_DATA_HOME") or os.path.join(environ.get("HOME", ""), ".local", "share")
    if not os.path.isabs(data):
        raise InvalidInput(
            "no folder for the store: HOME is not set", hint="set LAMINA_ROOT to a folder of yours"
        )
    return os.path.join(data, "lamina")
