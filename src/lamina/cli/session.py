"""What a command is given besides its arguments: the Engine, opened when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.engine.engine import Engine


class Session:
    """The global flags and the environment of one call of the program."""

    def __init__(self, environ: Mapping[str, str], engine: Engine | None = None) -> None:
        self.environ = environ
        self.root = ""
        self.snapshotter = ""
        self.debug = False
        self._engine = engine

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
            )
        return self._engine

    def close(self) -> None:
        """Closes the Engine if it was opened."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
