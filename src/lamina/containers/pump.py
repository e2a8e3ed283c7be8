"""Copies bytes between our descriptors and a process's pipes or terminal, until the process has ended.

Nothing here blocks on one descriptor while another has something to do: what cannot be written yet waits.
"""

from __future__ import annotations

import errno
import os
import select
from typing import TYPE_CHECKING

from lamina.sandbox.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.sandbox.protocol import Process

_CHUNK = 1 << 16
_END = (errno.EIO, errno.EPIPE, errno.ECONNRESET)  # EIO: nobody has the other end of a terminal any more


class Route:
    """From `source` to `sink`; one of them is the process's, which is `owned` when it is a pipe.

    An owned end is closed when nothing more can come or go, so that the process finds out.
    """

    def __init__(self, source: int, sink: int, *, into_process: bool, owned: bool = False) -> None:
        self.source = source
        self.sink = sink
        self.into_process = into_process
        self.owned = owned
        self.pending = b""
        self.done = False

    @property
    def waits_for(self) -> tuple[int, int]:
        """The descriptor and the poll event that lets it go on."""
        return (self.sink, select.POLLOUT) if self.pending else (self.source, select.POLLIN)

    def move(self) -> None:
        """Does what can be done now."""
        try:
            if not self.pending:
                self.pending = os.read(self.source, _CHUNK)
                if not self.pending:
                    self.finish()
                    return
            self.pending = self.pending[os.write(self.sink, self.pending) :]
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno not in _END:
                raise
            self.finish()

    def finish(self) -> None:
        """Nothing more comes."""
        self.done = True
        self.pending = b""
        if self.owned:
            os.close(self.sink if self.into_process else self.source)
            self.owned = False


def pump(process: Process, routes: Sequence[Route]) -> None:
    """Copies until the process has ended and all that it wrote has arrived."""
    for route in routes:
        if route.into_process:
            os.set_blocking(route.sink, False)
    ended = False
    while True:
        active = [route for route in routes if not (route.done or (ended and route.into_process))]
        if ended and not active:
            break
        poller = select.poll()
        for route in active:
            poller.register(*route.waits_for)
        if not ended:
            poller.register(process.fileno(), select.POLLIN)
        ready = {fd for fd, _ in wait_for(poller)}
        ended = ended or process.fileno() in ready
        for route in active:
            if route.waits_for[0] in ready:
                route.move()
    for route in routes:
        route.finish()
