"""Lamina as an ordinary user runs it, also where the tests run as root.

Root takes the part of `nobody`, by a wrapper script that gives up everything first. Whether that user has
sub-IDs is decided by what lies over /etc/subuid in the mount namespace of the wrapper: the machine's own file
stays as it is.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.e2e.lamina_command import Lamina
from tests.machine import busybox, has_sub_ids

Ids = Literal["one", "many"]
NOBODY = 65534
FIRST_SUB_ID = 1_000_000  # any that nobody uses

_SCRIPT = """\
#!/bin/sh
# Runs the arguments as nobody, whose sub-IDs are those in {rows} while it runs.
set -e
if [ -z "${{PRIVATE:-}}" ]; then
    PRIVATE=1 exec unshare --mount "$0" "$@"
fi
unset PRIVATE
for file in /etc/subuid /etc/subgid; do
    [ ! -e $file ] || mount --bind {rows} $file
done
cd {folder}
# setpriv itself still reads root's folders when it looks for the program; the second shell cannot.
exec setpriv --reuid={user} --regid={user} --clear-groups sh -c 'exec "$@"' sh "$@"
"""


@dataclass(frozen=True)
class OrdinaryLamina(Lamina):
    """Lamina of an ordinary user: `command` runs it; what it needs lies in `folder`, which the user owns."""

    folder: Path
    command: tuple[str, ...]

    @property
    def environ(self) -> dict[str, str]:
        return super().environ | {"HOME": str(self.folder), "PYTHONPATH": str(self.folder / "packages")}

    @property
    def argv(self) -> list[str]:
        return list(self.command)

    @property
    def uid(self) -> int:
        """The ID of this user, as everybody else sees it."""
        return os.geteuid() or NOBODY

    def owned(self, path: Path) -> Path:
        """Gives what lies at `path` to this user."""
        if os.geteuid() == 0:
            subprocess.run(["chown", "-hR", f"{NOBODY}:{NOBODY}", path], check=True)
        return path


def ordinary_lamina(folder: Path, ids: Ids) -> OrdinaryLamina:
    """Lamina with the image `busybox`, on a root in the new folder `folder`; skips where that cannot be."""
    if os.geteuid() == 0:
        command = _as_nobody(folder, ids)
    elif ids == ("many" if has_sub_ids() else "one"):
        command = (sys.executable, "-m", "lamina")
    else:
        pytest.skip(f"this user has {'no ' * (ids == 'many')}sub-IDs; the tests of root do both")
    made = OrdinaryLamina(folder / "root", folder, command)
    made.owned(folder)
    base = folder / "base"
    base.mkdir()
    shutil.copy(busybox(), base / "busybox")
    (base / "Dockerfile").write_text(
        "FROM scratch\nCOPY --chmod=755 busybox /bin/busybox\n"
        'RUN ["/bin/busybox", "--install", "-s", "/bin"]\nRUN mkdir -m 1777 /tmp\nENV PATH=/bin\n'
        "COPY <<EOF /etc/passwd\nroot:x:0:0::/:/bin/sh\nworker:x:33:44::/home:/bin/sh\nEOF\n"
        "COPY <<EOF /etc/group\nroot:x:0:\nworkers:x:44:\nstaff:x:50:worker\nEOF\n"
    )
    made("build", "-q", "-t", "busybox", made.owned(base))
    return made


def _as_nobody(folder: Path, ids: Ids) -> tuple[str, ...]:
    """The command that runs Lamina as nobody."""
    if ids == "many" and not (shutil.which("newuidmap") and os.path.exists("/etc/subuid")):
        pytest.skip("newuidmap is not installed")
    rows = folder / "sub-ids"
    rows.write_text(f"nobody:{FIRST_SUB_ID}:65536\n" if ids == "many" else "")
    script = folder / "as-nobody"
    script.write_text(_SCRIPT.format(rows=shlex.quote(str(rows)), folder=folder, user=NOBODY))
    script.chmod(0o755)
    # Root's Python and this checkout may lie where others cannot read: the package is copied.
    for name in ("lamina", "isal", "zstandard", "urllib3", "h11", "bcrypt"):
        found = importlib.util.find_spec(name)
        assert found is not None
        (place,) = found.submodule_search_locations or ()
        shutil.copytree(place, folder / "packages" / name)
    subprocess.run(
        ["chown", "-hR", f"{NOBODY}:{NOBODY}", folder], check=True
    )  # else nobody cannot look inside
    for python in (sys.executable, "/usr/bin/python3"):
        command = (str(script), python)
        if _suits((*command, "-c", "import isal.isal_zlib, zstandard"), folder / "packages"):
            return (*command, "-m", "lamina")
    version = ".".join(map(str, sys.version_info[:2]))
    pytest.skip(f"no Python {version} that nobody may run: {sys.executable} belongs to root")


def _suits(command: tuple[str, ...], packages: Path) -> bool:
    """Whether it can be run, and is of the version that the compiled parts of the packages were made for."""
    environ = os.environ | {"PYTHONPATH": str(packages)}
    return subprocess.run(command, capture_output=True, check=False, env=environ).returncode == 0
