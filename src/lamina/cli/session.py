"""What a command is given besides its arguments: the Engine, opened when it is first used."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.cli.progress.transfer import Transfer
    from lamina.engine.engine import Engine
    from lamina.events import Event


class Session:
    """The global flags and the environment of one call of the program."""

    def __init__(self, environ: Mapping[str, str], engine: Engine | None = None) -> None:
        self.environ = environ
        self.root = ""
        self.snapshotter = ""
        self.debug = False
        self._engine = engine
        self._shown: Transfer | None = None

    @property
    def engine(self) -> Engine:
        """The Engine on the root that was asked for."""
        if self._engine is None:
            from lamina.engine.engine import Engine  # help, usage errors and `dockerfile parse` do without

            self._engine = Engine.open(
                self.root or None,
                snapshotter=self.snapshotter or None,
                environ=self.environ,
                own_process=True,
                observer=self._fetched,
            )
        return self._engine

    def _fetched(self, event: Event) -> None:
        """Tells of layers that a command needs, and that were elsewhere, beside its own output."""
        if self._shown is None:
            from lamina.cli.progress.transfer import Transfer  # most layers are here

            self._shown = Transfer(sys.stderr, "", "Fetching", is_terminal=sys.stderr.isatty())
        self._shown(event)

    def close(self) -> None:
        """Closes the Engine if it was opened."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
