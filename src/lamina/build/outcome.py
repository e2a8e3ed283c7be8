"""Outcome: what is done with an image right after its build belongs to the build's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.build.records import plain
from lamina.db import recorded
from lamina.errors import Cancelled, LaminaError

if TYPE_CHECKING:
    from types import TracebackType

    from lamina.layers.context import Layers


class Outcome:
    """`with Outcome(ctx, build_id):` an error in here (of an output, say) is that build's in its record."""

    def __init__(self, ctx: Layers, build_id: str) -> None:
        self._ctx = ctx
        self._build_id = build_id

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        stopped = isinstance(error, Cancelled) or not isinstance(error, Exception)
        text = error.message if isinstance(error, LaminaError) else str(error) or type(error).__name__
        try:
            with self._ctx.db.write(durable=False) as tx:
                status = recorded.CANCELED if stopped else recorded.ERROR
                recorded.fail(tx, self._build_id, status, plain(text))
        except LaminaError:
            pass  # the error itself is what matters
