"""What the tests of RUN --mount share: a stage to mount, a build's output, an SSH agent."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from .test_run import leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from .kitchen import Kitchen

STAGES = """FROM busybox AS made
RUN mkdir -p /out/deep && echo one > /out/one && echo two > /out/deep/two && ln -s one /out/link \
    && ln -s /out/deep /shortcut && chmod 700 /out/deep && chown 7:8 /out/deep/two
FROM busybox
"""


def shown(kitchen: Kitchen, dockerfile: str, **options: object) -> str:
    """What the processes of a build wrote."""
    kitchen.build(dockerfile, **options)
    assert leftovers(kitchen) == []
    return kitchen.output


class Agent:
    """Answers every request in capitals, as a real agent never would."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(4)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(stream,), daemon=True).start()

    def _answer(self, stream: socket.socket) -> None:
        with stream:
            while data := stream.recv(100):
                stream.sendall(data.upper())
