"""The canary: one file is shown by a recording, read through it, and must have been seen."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, NoReturn

from lamina.db.connect import Database
from lamina.mount.types import Mount
from lamina.trace import mounting
from lamina.trace.daemon import Daemon
from lamina.trace.index import Index, Layer

if TYPE_CHECKING:
    from lamina.trace.wire import Setting

_SONG = b"all is well"
_ABSENT = "silence"
_SEEN = b"\0".join(sorted([b"", b"song", os.fsencode(_ABSENT)]))


def sing(folder: str, options: str, setting: Setting) -> str:
    """Tries a recording in the new folder `folder`: "" when it works, else what is wrong. OSError.

    `options` are those of the overlay mounts here.
    """
    data, upper, work = (f"{folder}/{name}" for name in ("data", "upper", "work"))
    for path in (folder, data, f"{data}/layer", upper, work):
        os.mkdir(path, 0o700)
    with open(f"{data}/layer/song", "xb") as file:
        file.write(_SONG)
    fuse, names = mounting.connect()
    ours, theirs = socket.socketpair()
    daemon = os.fork()
    if daemon == 0:
        os.close(names)
        ours.close()
        _answer(fuse, theirs, setting)
    os.close(fuse)
    theirs.close()
    try:
        try:
            heard = _listen(Mount("overlay", "", "overlay", (), upper, work, options=options), names, data)
        finally:
            os.close(names)  # now that it is mounted nowhere, the daemon says what it saw, and ends
        with ours:
            seen = ours.recv(4096)
    finally:
        os.waitpid(daemon, 0)
    if heard != _SONG:
        return "a file has not its content there"
    return "" if seen == _SEEN else "not all that is read is seen"


def _listen(mount: Mount, names: int, data: str) -> bytes:
    root = mounting.overlay(mount, names, data)
    try:
        try:
            os.stat(_ABSENT, dir_fd=root)
        except FileNotFoundError:
            pass
        song = os.open("song", os.O_RDONLY, dir_fd=root)
        try:
            return os.read(song, 100)
        finally:
            os.close(song)
    finally:
        os.close(root)


def _answer(fuse: int, peer: socket.socket, setting: Setting) -> NoReturn:
    """The daemon, over a store in memory; never returns."""
    try:
        c = Database.open("/dev/null/store", create=False).read()  # not there: one in memory
        c.execute("INSERT INTO diffs VALUES (1, '', '', 0, 0, 1, NULL, '')")
        c.execute(
            "INSERT INTO files VALUES (1, x'', ?, 'f', 420, 0, 0, ?, 0, x'', 0, x'', x'', 0)",
            (b"song", len(_SONG)),
        )
        daemon = Daemon(fuse, Index(c, [Layer(1, b"layer")], setting))
        daemon.serve()
        peer.send(b"\0".join(sorted(daemon.looked_up)))
    finally:
        os._exit(0)
