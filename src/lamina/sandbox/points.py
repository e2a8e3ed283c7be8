"""Mount points, as a folder to put below all layers: a process finds them, and none has to be made.

Where an image has something of the same name, that is seen; where it deleted the name, the runtime makes the
point after all (Process.stubs).
"""

from __future__ import annotations

import os

from lamina.store.guard import guard

_FOLDERS = ("", "/dev", "/etc", "/proc", "/sys")
_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")


def lay_points(folder: str) -> None:
    """Makes the folder `folder`, with a mount point for all that every process gets. NoSpace, Denied."""
    with guard(folder):
        for name in _FOLDERS:
            os.mkdir(folder + name)
            os.chmod(folder + name, 0o755)  # whatever the umask is
        for name in _FILES:
            with open(folder + name, "xb") as file:
                os.fchmod(file.fileno(), 0o644)
