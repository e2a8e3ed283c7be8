"""Downloads: several blobs at once, by threads, while whoever needs them waits for one after the other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lamina.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.fetch.stopping import Stop
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest

_THREADS = 3  # as Docker
_STEP = 0.2  # seconds between two looks whether it is over
_PATIENCE = 5.0  # seconds for threads to end that were told to


class Downloads:
    """`with Downloads(...) as downloads:` the blobs come, in their order; the block's end stops what is left.

    The first failure stops all; `wait` raises it.
    """

    def __init__(self, todo: Sequence[Descriptor], fetch: Callable[[Descriptor], object], stop: Stop) -> None:
        self._todo = list(reversed({each.digest: each for each in todo}.values()))
        self._fetch = fetch
        self._stop = stop
        self._change = threading.Condition()
        self._done: set[Digest] = set()
        self._failure: BaseException | None = None
        count = min(_THREADS, len(self._todo))
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]

    def __enter__(self) -> Downloads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop.set()
        for thread in self._threads:
            thread.join(None if kind is None else _PATIENCE)

    def wait(self, digest: Digest) -> None:
        """Returns when the blob is there. Whatever failed first, and Cancelled."""
        with self._change:
            while digest not in self._done:
                self.check()
                self._change.wait(_STEP)

    def check(self) -> None:
        """Raises whatever failed first, and Cancelled."""
        if self._failure is not None:
            raise self._failure
        self._stop.check()

    def _work(self) -> None:
        while True:
            with self._change:
                if not self._todo or self._failure is not None:
                    return
                descriptor = self._todo.pop()
            try:
                self._fetch(descriptor)
            except BaseException as error:
                self._fail(error)
                return
            with self._change:
                self._done.add(descriptor.digest)
                self._change.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._change:
            if self._failure is None and not isinstance(error, Cancelled):
                self._failure = error
            self._change.notify_all()
        self._stop.set()
