"""A blob that goes straight from one repository to another: who of the two failed is told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from lamina.errors import Corrupt, Denied, LaminaError, NotFound
from lamina.fetch.failures import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.descriptor import Descriptor
    from lamina.registry.repository import Repository

Result = TypeVar("Result")


def from_elsewhere(source: Repository, descriptor: Descriptor) -> BinaryIO:
    """A blob as a stream, verified as it is read. NotThere for whatever goes wrong with reading it."""
    return cast("BinaryIO", _FromElsewhere(source, descriptor))


class NotThere(LaminaError):
    """A repository that was to give a blob does not."""


class _FromElsewhere:
    """A blob of a repository as a stream: what goes wrong with it is told apart from what we send it to."""

    def __init__(self, source: Repository, descriptor: Descriptor) -> None:
        self._stream = self._asked(lambda: source.open(descriptor))

    def read(self, size: int = -1) -> bytes:
        return self._asked(lambda: self._stream.read(size))

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> _FromElsewhere:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _asked(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except (NotFound, Denied, FetchFailed, Corrupt) as error:
            raise NotThere(error.message) from None
