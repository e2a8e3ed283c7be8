"""What tests need of the machine they run on: a quick place to write, a static busybox, user IDs."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from lamina.mount import userns

REPOSITORY = Path(__file__).resolve().parents[1]
THOROUGH = bool(os.environ.get("LAMINA_PEERS"))  # ./test --peers: what takes long has all its cases
_PACKAGE = REPOSITORY / ".cache/tests/busybox-static"


def quick_place() -> str | None:
    """tmpfs where there is one: creating files on the disks of test machines is slow and uneven.

    None stands for the usual place, as in `tempfile`.
    """
    return "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None


@functools.cache
def busybox() -> str:
    """The path of a static busybox: the machine's, else Debian's package, fetched and not installed."""
    installed = shutil.which("busybox", path="/bin:/usr/bin")
    if installed is not None:
        return installed
    if not _fetched():
        subprocess.run([REPOSITORY / "scripts/apt-fetch", _PACKAGE, "busybox-static"], check=True)
    return str(_fetched()[0])


@functools.cache
def has_sub_ids() -> bool:
    """Whether this user has more than one user ID to give: root, or newuidmap and rows in /etc/subuid."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 1 if userns.enter().single else 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _fetched() -> list[Path]:
    return [path for path in (_PACKAGE / "usr/bin/busybox", _PACKAGE / "bin/busybox") if path.is_file()]
