"""Repository: one repository of a registry, for reading: what a name means there, manifests and blobs.

OCI distribution-spec 1.1, "Pull" and "Content Discovery"; the same in Docker's API v2. Everything is checked
against its digest as it comes; of what does not fit, nothing is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar, cast

from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError, NotFound, Unsupported
from lamina.fetch import stream
from lamina.fetch.exchange import Request
from lamina.fetch.failures import FetchFailed
from lamina.fetch.http import fetch
from lamina.fetch.stopping import NeverStops
from lamina.oci.digest import short
from lamina.registry import discovery, manifests
from lamina.registry.failures import LOGIN
from lamina.registry.reach import MAX_MANIFEST as MAX_MANIFEST
from lamina.registry.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.fetch.stopping import Stopper
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.registry.manifests import Document
    from lamina.registry.reach import Reached
    from lamina.registry.settings import Settings
    from lamina.store.blobs import BlobStore

Result = TypeVar("Result")
_PASSED_OVER = (NotFound, Denied, FetchFailed, InvalidInput, Corrupt)  # then the next place is asked


class Receiver(Protocol):
    """What takes the bytes of a blob; a BlobWriter of the store is one."""

    def write(self, data: bytes, /) -> object:
        """The next bytes."""

    def restart(self) -> None:
        """The blob comes all over again: forget what was written."""


class Repository:
    """The repository of `reference`, at the first of its places that has it. Threads may ask for blobs.

    `with Repository(...) as it:` keeps connections for the time of the block.
    """

    def __init__(self, reference: Reference, settings: Settings, stopper: Stopper | None = None) -> None:
        self.reference = reference.with_default_tag()
        self._stopper = stopper or NeverStops()
        self._reach = Reach(self.reference, settings, self._stopper)
        self._at: Reached | None = None
        self._known: dict[Digest, Document] = {}
        self._streams: dict[Digest, stream.Place] = {}

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_: object) -> None:
        self._reach.close()

    # --- manifests

    def resolve(self) -> Digest:
        """The digest of what the reference means now; no more than that is fetched where possible.

        The mirrors are asked first; the error is the registry's own. NotFound, Denied, FetchFailed.
        """
        last: LaminaError = NotFound(f"{self.reference.familiar()} has no registry")
        for endpoint in self._reach.places():
            try:
                at = self._reach.at(endpoint)
                digest = self._resolve(at)
            except _PASSED_OVER as error:
                last = error
                continue
            self._at = at
            return digest
        raise last

    def _resolve(self, at: Reached) -> Digest:
        reference = self.reference
        if reference.digest is not None:
            if not reference.digest.startswith("sha256:"):
                raise Unsupported(f"{reference.familiar()}: digests here are of SHA-256")
            return self._get(at, reference.digest).digest
        _, digest = manifests.head(at, reference, reference.tag)
        # It does not say, or not why it refuses: an answer to HEAD has no body.
        return digest or self._get(at, reference.tag).digest

    def document(self, digest: Digest) -> Document:
        """A manifest or an index by its digest. NotFound, Denied, FetchFailed, Corrupt.

        InvalidInput for what is none; Unsupported for one of the kind that Docker had before 1.10.
        """
        if digest not in self._known:
            self._from_places(lambda at: self._get(at, digest))
        return self._known[digest]

    def _get(self, at: Reached, name: str) -> Document:
        found = manifests.get(at, self.reference, name)
        self._known[found.digest] = found
        return found

    # --- blobs

    def blob(self, descriptor: Descriptor, blobs: BlobStore, progress: Callable[[int, int], object]) -> bool:
        """Puts a blob into the store; False when it was there. `progress` is told bytes done, and all.

        NotFound, Denied, FetchFailed; Corrupt when it is not what the descriptor says; NoSpace, Cancelled.
        """

        def bring(at: Reached) -> bool:
            with blobs.writer(descriptor.digest) as out:
                if out.present:
                    return False
                self._receive(at, descriptor, out, progress)
                try:
                    out.commit(descriptor.digest, descriptor.size)
                except Corrupt as error:
                    raise self._other(at, descriptor, error) from None
            return True

        return self._from_places(bring)

    def receive(self, descriptor: Descriptor, out: Receiver, progress: Callable[[int, int], object]) -> None:
        """Writes a blob to `out`, which checks its digest itself (one hash, not two); `restart` begins anew.

        Errors as of `blob`; Corrupt when it is not of the descriptor's size.
        """
        self._from_places(lambda at: self._receive(at, descriptor, out, progress))

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A blob as a stream, which goes on where a connection breaks; close it. Errors as of `blob`.

        Corrupt instead of the last bytes when they are not what the descriptor says.
        """
        return stream.open_whole(self._stream(descriptor), descriptor.size, descriptor.digest)

    def part(self, descriptor: Descriptor, start: int, end: int) -> bytes:
        """Bytes `start` to `end` (not with it) of a blob, unverified. NoRanges when there are no parts."""
        with self.open_part(descriptor, start, end) as found:
            return found.read(end - start)

    def open_part(self, descriptor: Descriptor, start: int, end: int) -> BinaryIO:
        """As `part`, as a stream, for long parts; NoRanges when it is read."""
        if not 0 <= start <= end <= descriptor.size:
            raise InvalidInput(f"bytes {start} to {end} are not in a blob of {descriptor.size}")
        return stream.open_part(self._stream(descriptor), start, end, descriptor.size)

    def has_blob(self, digest: Digest) -> bool:
        """Whether the registry says that it has the blob (HEAD). Denied, FetchFailed."""
        return discovery.has_blob(self._place(), self.reference, digest)

    def _receive(
        self, at: Reached, descriptor: Descriptor, out: Receiver, progress: Callable[[int, int], object]
    ) -> None:
        url = f"{at.url}/blobs/{descriptor.digest}"
        try:
            fetched = fetch(
                url,
                cast("BinaryIO", _Sink(out)),
                access=at.access(url),
                limit=descriptor.size,
                stopper=self._stopper,
                progress=lambda done, _: progress(done, descriptor.size),
                connections=at.connections,
                shown=self._shown(descriptor),
                immutable=True,
            )
            assert fetched is not None
            if fetched.size != descriptor.size:
                raise Corrupt(f"it has {fetched.size} bytes, and should have {descriptor.size}")
        except (NotFound, Denied) as error:  # what fetching hints at is not for registries
            raise type(error)(error.message, hint=LOGIN) from None
        except (InvalidInput, Corrupt) as error:
            raise self._other(at, descriptor, error) from None

    def _other(self, at: Reached, descriptor: Descriptor, error: LaminaError) -> Corrupt:
        return Corrupt(f"{self._shown(descriptor)} is not what the manifest says: {at.host}: {error.message}")

    def _stream(self, descriptor: Descriptor) -> stream.Place:
        known = self._streams.get(descriptor.digest)
        if known is not None:
            return known
        at = self._place()
        url = f"{at.url}/blobs/{descriptor.digest}"
        made = stream.Place(
            url, self._shown(descriptor), lambda: at.access(url), self._stopper, at.connections, LOGIN
        )
        return self._streams.setdefault(descriptor.digest, made)

    def _shown(self, descriptor: Descriptor) -> str:
        return f"blob {short(descriptor.digest)} of {self.reference.familiar()}"

    # --- what there is

    def tags(self) -> list[str]:
        """All tags of the repository, in the registry's order. NotFound, Denied, FetchFailed.

        The registry itself is asked; a mirror, which may know less, only where that cannot be reached.
        """
        return self._of_registry(lambda at: discovery.tags(at, self.reference))

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """What refers to a manifest (its `subject`): by the API, else by the fallback tag; [] for nothing.

        Denied, FetchFailed; InvalidInput for an answer that is no index.
        """
        return self._of_registry(lambda at: discovery.referrers(at, self.reference, digest, artifact_type))

    # --- places

    def _place(self) -> Reached:
        """Where the reference was found; else the first place that knows it, or the registry itself."""
        if self._at is None:
            places = self._reach.places()
            for endpoint in places[:-1]:
                try:
                    at = self._reach.at(endpoint)
                    if at.ask(Request(f"{at.url}/tags/list?n=1", attempts=1)).ok:
                        self._at = at
                        break
                except _PASSED_OVER:
                    continue
            else:
                self._at = self._reach.at(places[-1])
        assert self._at is not None
        return self._at

    def _candidates(self) -> Iterator[Reached]:
        """Where it was found first, then the registry itself."""
        at = self._place()
        yield at
        if at.endpoint.is_mirror:
            yield self._reach.at(self._reach.places()[-1])

    def _from_places(self, ask: Callable[[Reached], Result]) -> Result:
        """What a mirror lacks, or has wrong, the registry itself may have."""
        last: LaminaError | None = None
        for at in self._candidates():
            try:
                return ask(at)
            except _PASSED_OVER as error:
                last = error
        assert last is not None
        raise last

    def _of_registry(self, ask: Callable[[Reached], Result]) -> Result:
        *mirrors, registry = self._reach.places()
        try:
            return ask(self._reach.at(registry))
        except FetchFailed as error:
            for endpoint in mirrors:
                try:
                    return ask(self._reach.at(endpoint))
                except _PASSED_OVER:
                    continue
            raise error from None


class _Sink:
    """A receiver as the file that `fetch` writes to, and begins again where it must."""

    def __init__(self, out: Receiver) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        self._out.write(data)
        return len(data)

    def flush(self) -> None:
        pass

    def seek(self, _: int) -> None:
        pass

    def truncate(self) -> None:
        self._out.restart()
