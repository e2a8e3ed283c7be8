"""An image that is removed while somebody saves it is saved whole."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from lamina import Engine

if TYPE_CHECKING:
    from tests.e2e.lamina_command import Lamina


class _Removing(io.BytesIO):
    """A file; with the first bytes that are written to it the image is removed."""

    def __init__(self, lamina: Lamina) -> None:
        super().__init__()
        self._lamina = lamina
        self._done = False

    def write(self, data: object, /) -> int:
        if not self._done:
            self._done = True
            self._lamina("rmi", "-f", "busybox")
        return super().write(data)  # type: ignore[arg-type]


def test_save_while_removed(busybox: Lamina) -> None:
    sink = _Removing(busybox)
    busybox("flatten", "busybox", "-t", "flat")  # layers without the archive that they came in
    busybox("tag", "flat", "busybox")
    busybox("rmi", "-f", "flat")
    with Engine.open(str(busybox.root)) as engine:
        engine.save(["busybox"], sink)
    sink.seek(0)
    with tarfile.open(fileobj=sink) as tar:
        assert "manifest.json" in tar.getnames()
