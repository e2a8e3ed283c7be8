"""Repository: one repository of a registry: what a name means there, its manifests and its blobs.

OCI distribution-spec 1.1, "Pull"; the same in Docker's API v2. Everything is checked against its digest as it
comes; of what does not fit, nothing is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError, NotFound, Unsupported
from lamina.fetch.ask import Answer, ask
from lamina.fetch.exchange import Connections, Request
from lamina.fetch.failures import FetchFailed
from lamina.fetch.http import fetch
from lamina.fetch.stopping import NeverStops
from lamina.oci import digest as digests
from lamina.oci import media
from lamina.oci.digest import Digest, sha256
from lamina.registry.auth import Authority
from lamina.registry.credentials import credentials_for
from lamina.registry.endpoints import endpoints, is_local
from lamina.registry.failures import LOGIN, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.fetch.stopping import Stopper
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.reference import Reference
    from lamina.registry.endpoints import Endpoint
    from lamina.registry.settings import Settings
    from lamina.store.blobio import BlobWriter
    from lamina.store.blobs import BlobStore

MAX_MANIFEST = 4 << 20  # bytes: what the distribution-spec asks registries to take
_ACCEPT = ", ".join((media.INDEX, media.MANIFEST, media.DOCKER_INDEX, media.DOCKER_MANIFEST))
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"
_SAYS_NOTHING = frozenset({"", "application/json", "application/octet-stream", "text/plain"})


class Document(NamedTuple):
    """A manifest or an index. `media_type` is as announced, "" where nothing was said."""

    digest: Digest
    media_type: str
    data: bytes


class _Reached(NamedTuple):
    """A place of the repository that answers; `url` begins all that is asked there."""

    endpoint: Endpoint
    url: str
    connections: Connections
    authority: Authority


class Repository:
    """The repository of `reference`, at the first of its places that has it. Threads may ask for blobs."""

    def __init__(self, reference: Reference, settings: Settings, stopper: Stopper | None = None) -> None:
        self.reference = reference.with_default_tag()
        self._settings = settings
        self._stopper = stopper or NeverStops()
        self._at: _Reached | None = None
        self._opened: list[Connections] = []
        self._known: dict[Digest, Document] = {}

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_: object) -> None:
        while self._opened:
            self._opened.pop().close()

    def resolve(self) -> Digest:
        """The digest of what the reference means now; no more than that is fetched where possible.

        The mirrors are asked first; the error is the registry's own. NotFound, Denied, FetchFailed.
        """
        last: LaminaError = NotFound(f"{self.reference.familiar()} has no registry")
        for endpoint in endpoints(self.reference, self._settings):
            try:
                at = self._reach(endpoint)
                digest = self._resolve(at)
            except (NotFound, Denied, FetchFailed, InvalidInput, Corrupt) as error:
                last = error
                continue
            self._at = at
            return digest
        raise last

    def document(self, digest: Digest) -> Document:
        """A manifest or an index by its digest, after `resolve`. NotFound, Denied, FetchFailed, Corrupt.

        InvalidInput for what is none; Unsupported for one of the kind that Docker had before 1.10.
        """
        if digest not in self._known:
            assert self._at is not None
            self._get(self._at, digest)
        return self._known[digest]

    def blob(self, descriptor: Descriptor, blobs: BlobStore, progress: Callable[[int, int], object]) -> bool:
        """Puts a blob into the store; False when it was there. `progress` is told bytes done, and all.

        NotFound, Denied, FetchFailed; Corrupt when it is not what the descriptor says; NoSpace, Cancelled.
        """
        at = self._at
        assert at is not None
        url = f"{at.url}/blobs/{descriptor.digest}"
        shown = f"blob {_short(descriptor.digest)} of {self.reference.familiar()}"
        with blobs.writer(descriptor.digest) as out:
            if out.present:
                return False
            try:
                fetch(
                    url,
                    cast("BinaryIO", _Sink(out)),
                    access=at.authority.access(url),
                    limit=descriptor.size,
                    stopper=self._stopper,
                    progress=lambda done, _: progress(done, descriptor.size),
                    connections=at.connections,
                    shown=shown,
                )
                out.commit(descriptor.digest, descriptor.size)
            except (NotFound, Denied) as error:  # what fetching hints at is not for registries
                raise type(error)(error.message, hint=LOGIN) from None
            except (InvalidInput, Corrupt) as error:
                raise Corrupt(
                    f"{shown} is not what the manifest says: {at.endpoint.host}: {error.message}"
                ) from None
        return True

    # --- manifests

    def _resolve(self, at: _Reached) -> Digest:
        reference = self.reference
        if reference.digest is not None:
            if not reference.digest.startswith("sha256:"):
                raise Unsupported(f"{reference.familiar()}: digests here are of SHA-256")
            return self._get(at, reference.digest)
        answer = self._ask(at, "HEAD", reference.tag)
        text = answer.headers.get("docker-content-digest", "")
        if answer.ok and text.startswith("sha256:"):
            try:
                return digests.parse(text)
            except InvalidInput:
                pass  # we take the digest of what it sends
        # It does not say, or not why it refuses: an answer to HEAD has no body.
        return self._get(at, reference.tag)

    def _get(self, at: _Reached, name: str) -> Digest:
        """Fetches a manifest by its tag or digest; returns its digest."""
        answer = self._ask(at, "GET", name)
        if not answer.ok:
            what = "manifest" if name in (self.reference.tag, self.reference.digest) else f"manifest {name}"
            raise refused(answer, self.reference, at.endpoint.host, what)
        shown, host = self.reference.familiar(), at.endpoint.host
        media_type = answer.media_type
        if media_type.startswith(_SCHEMA_1):
            raise Unsupported(
                f"{shown}: its manifest is of schema 1, which Docker gave up",
                hint="push the image again with a current tool",
            )
        if media_type not in media.MANIFESTS | media.INDEXES:
            if media_type not in _SAYS_NOTHING:
                raise InvalidInput(
                    f"manifest of {shown}: {host} sent {media_type[:100]!r}, which is no manifest",
                    hint=f"is {host} a registry?",
                )
            media_type = ""
        digest = sha256(answer.body)
        if name != self.reference.tag and digest != name:
            raise Corrupt(f"manifest of {shown}: what {host} sent is {digest}, and should be {name}")
        self._known[digest] = Document(digest, media_type, answer.body)
        return digest

    def _ask(self, at: _Reached, method: str, name: str) -> Answer:
        url = f"{at.url}/manifests/{name}"
        shown = f"the manifest of {self.reference.familiar()}"
        request = Request(url, method, {"Accept": _ACCEPT}, shown=shown)
        return ask(
            request,
            at.authority.access(url),
            limit=MAX_MANIFEST,
            stopper=self._stopper,
            connections=at.connections,
        )

    # --- places

    def _reach(self, endpoint: Endpoint) -> _Reached:
        """How a place is asked: with TLS; where that need not be, without it if there is none."""
        made = self._reached(endpoint, "https")
        if not endpoint.plain or self._speaks_tls(made):
            return made
        return self._reached(endpoint, "http")

    def _reached(self, endpoint: Endpoint, scheme: str) -> _Reached:
        proxies = {} if is_local(endpoint.host) else self._settings.proxies
        connections = Connections(proxies, verify=not endpoint.plain)
        self._opened.append(connections)
        authority = Authority(
            self.reference.familiar_name,
            f"repository:{endpoint.path}:pull",
            connections,
            lambda: credentials_for(endpoint.host, endpoint.path, self._settings),
            self._stopper,
        )
        return _Reached(endpoint, endpoint.url(scheme), connections, authority)

    def _speaks_tls(self, at: _Reached) -> bool:
        request = Request(f"https://{at.endpoint.host}/v2/", attempts=1)
        try:
            ask(request, limit=MAX_MANIFEST, stopper=self._stopper, connections=at.connections)
        except (FetchFailed, InvalidInput):
            return False
        return True


class _Sink:
    """A writer of the blob store as the file that `fetch` writes to, and begins again where it must."""

    def __init__(self, out: BlobWriter) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        return self._out.write(data)

    def flush(self) -> None:
        pass

    def seek(self, _: int) -> None:
        pass

    def truncate(self) -> None:
        self._out.restart()


def _short(digest: str) -> str:
    return digest.partition(":")[2][:12]
