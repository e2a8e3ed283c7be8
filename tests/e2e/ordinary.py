"""Lamina as an ordinary user runs it, also where the tests run as root.

Root takes the part of `nobody`, by a wrapper script that gives up everything first. Whether that user has sub-IDs
is decided by what lies over /etc/subuid in the mount namespace of the wrapper: the machine's own file stays as it is.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

import lamina
from tests.e2e.lamina_command import Lamina
from tests.machine import busybox

Ids = Literal["one", "many"]
NOBODY = 65534
_FIRST_SUB_ID = 1_000_000  # any that nobody uses
_WITHOUT_SUB_IDS = "tests of root cover users without sub-IDs"


@dataclass(frozen=True)
class OrdinaryLamina(Lamina):
    """Lamina of an ordinary user, on a root in `folder`, which belongs to this user."""

    folder: Path
    command: tuple[str, ...]

    @property
    def environ(self) -> dict[str, str]:
        return super().environ | {"HOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}

    @property
    def argv(self) -> list[str]:
        return list(self.command)

    def owned(self, path: Path) -> Path:
        """Gives what lies at `path` to this user."""
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", path], check=True)
        return path


def ordinary_lamina(folder: Path, ids: Ids) -> OrdinaryLamina:
    """Lamina on a new root in the new folder `folder`; skips the test, with the reason, where it cannot be."""
    if os.geteuid() == 0:
        command = (str(_wrapper(folder, ids)),)
    else:
        if (ids == "many") != _has_sub_ids():
            pytest.skip("needs newuidmap and rows in /etc/subuid" if ids == "many" else _WITHOUT_SUB_IDS)
        command = (sys.executable, "-m", "lamina")
    made = OrdinaryLamina(folder / "root", folder, command)
    made.owned(folder)
    _add_busybox(made)
    return made


def _has_sub_ids() -> bool:
    from lamina.mount import userns

    rows = userns._sub_ids("/etc/subuid", os.geteuid())
    return bool(rows) and shutil.which("newuidmap") is not None


def _wrapper(folder: Path, ids: Ids) -> Path:
    """The script that runs Lamina as nobody; only root may run it."""
    if ids == "many" and shutil.which("newuidmap") is None:
        pytest.skip("newuidmap is not installed")
    rows = folder / "sub-ids"
    rows.write_text(f"nobody:{_FIRST_SUB_ID}:65536\n" if ids == "many" else "")
    python, packages = _program()
    shutil.copytree(packages, folder / "packages", symlinks=True)
    script = folder / "lamina"
    script.write_text(
        f"""#!/bin/sh
set -e
if [ -z "$PRIVATE" ]; then
    PRIVATE=1 exec unshare --mount "$0" "$@"
fi
for file in /etc/subuid /etc/subgid; do
    [ -e $file ] || [ ! -s {rows} ] || : >$file
    [ ! -e $file ] || mount --bind {rows} $file
done
unset PRIVATE
cd {folder}
export PYTHONPATH={folder}/packages
exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {shlex.quote(python)} -m lamina "$@"
"""
    )
    script.chmod(0o755)
    return script


def _add_busybox(made: OrdinaryLamina) -> None:
    base = made.folder / "base"
    base.mkdir()
    shutil.copy(busybox(), base / "busybox")
    (base / "Dockerfile").write_text(
        'FROM scratch\nCOPY --chmod=755 busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
    )
    made("build", "-q", "-t", "busybox", made.owned(base))
