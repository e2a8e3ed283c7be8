"""Destination: a repository that is written to: blobs, manifests, tags; and what is deleted from it.

OCI distribution-spec 1.1, "Push" and "Content Management"; the same in Docker's API v2. Only the registry
itself is asked, never a mirror. Threads may use one Destination at once; its connections are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlencode

from lamina.errors import Corrupt, Denied, LaminaError, NotFound, Unsupported
from lamina.fetch.exchange import Request
from lamina.fetch.failures import FetchFailed
from lamina.fetch.stopping import NeverStops
from lamina.oci import reference as references
from lamina.oci.digest import sha256, short
from lamina.registry import discovery, fallback, manifests
from lamina.registry.failures import LOGIN, ManifestRefused, codes, refused, told
from lamina.registry.reach import Reach
from lamina.registry.uploading import Session, Upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.fetch.ask import Answer
    from lamina.fetch.stopping import Stopper
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.registry.reach import Reached
    from lamina.registry.settings import Settings

_UNSUPPORTED = frozenset({400, 405, 415, 501})
_REFUSED = frozenset({400, 404, 409, 413, 415, 422})


class Destination:
    """`with Destination(reference, settings, stopper) as it:` what `reference.name` is in its registry.

    All methods: Denied (no right to it), FetchFailed (the registry cannot be reached, or fails), Cancelled;
    messages name the host, the repository and the step.
    """

    def __init__(self, reference: Reference, settings: Settings, stopper: Stopper | None = None) -> None:
        self.reference = reference.with_default_tag()
        self._reach = Reach(self.reference, settings, stopper or NeverStops(), "pull,push")
        self._sessions: dict[Digest, Session] = {}  # begun by a mount that was none

    def __enter__(self) -> Destination:
        return self

    def __exit__(self, *_: object) -> None:
        self._reach.close()

    @property
    def _at(self) -> Reached:
        return self._reach.at(self._reach.places()[-1])

    # --- blobs

    def has_blob(self, digest: Digest) -> bool:
        """Whether the repository has the blob (HEAD)."""
        return discovery.has_blob(self._at, self.reference, digest)

    def mount(self, digest: Digest, from_path: str) -> bool:
        """Takes the blob from another repository of this registry (`library/app`), without sending it.

        False when the registry does not: it has none there, or we may not read it. Then `upload` it.
        """
        session = self._session(digest)
        session.at.authority.also(f"repository:{from_path}:pull")
        try:
            answer = session.begin("?" + urlencode({"mount": digest, "from": from_path}, safe=":/"))
        except (Denied, NotFound, FetchFailed):
            session.at.authority.forget(f"repository:{from_path}:pull")
            return False
        if answer.status == 201:
            return True
        self._sessions[digest] = session
        return False

    def upload(
        self, descriptor: Descriptor, open: Callable[[], BinaryIO], progress: Callable[[int, int], object]
    ) -> None:
        """Sends a blob whose digest is known; `open` gives its bytes anew, for each attempt.

        One request where the registry takes it, else pieces; goes on where it broke off, where it can.
        `progress` is told bytes sent (it may fall back), and all. Corrupt when the bytes are not
        `descriptor.size` many, or not what the registry hashes.
        """
        session = self._sessions.pop(descriptor.digest, None) or self._session(descriptor.digest)
        Upload(session, descriptor, open, progress).run()

    def stream(
        self, fill: Callable[[Callable[[bytes], object]], None], progress: Callable[[int, int], object]
    ) -> tuple[Digest, int]:
        """Sends a blob whose digest is known only at its end, in pieces: `fill(write)` writes it.

        `fill` is called again, for all of it, when the registry has forgotten what it had. `progress` is told
        bytes sent, and 0. Two pieces of 5 MiB (or what the registry asks for) are in memory at most.
        Returns digest and size.
        """
        from lamina.registry.streaming import send_stream  # threads: only where they are used

        shown = f"a new blob to {self.reference.familiar_name}"
        return send_stream(lambda: Session(self._at, self.reference, shown), fill, progress)

    def delete_blob(self, digest: Digest) -> None:
        """Removes a blob of this repository. NotFound; Unsupported when deletes are off."""
        self._delete(f"blobs/{digest}", f"blob {short(digest)} of {self.reference.familiar_name}")

    def _session(self, digest: Digest) -> Session:
        return Session(self._at, self.reference, f"blob {short(digest)} to {self.reference.familiar_name}")

    # --- manifests

    def manifest_digest(self, name: str) -> Digest | None:
        """The digest of the manifest with this tag or digest; None when there is none."""
        at, named = self._at, self._named(name)
        answer, digest = manifests.head(at, named, name)
        if answer.status == 404:
            return None
        if digest is not None:
            return digest
        try:  # it does not say: not the digest, or not why it refuses
            return manifests.get(at, named, name).digest
        except NotFound:
            return None

    def put_manifest(self, data: bytes, media_type: str, name: str) -> Digest:
        """Stores a manifest or an index under a tag or its digest; all that it names must be there.

        Where it has a subject and the registry keeps no referrers, they are kept in the fallback tag.
        ManifestRefused when the registry does not want it as it is (`status`, `codes` say why).
        """
        at = self._at
        answer = self._put_manifest(at, data, media_type, name)
        subject = fallback.subject_of(data, media_type)
        if subject is not None and answer.headers.get("oci-subject", "") != subject.digest:
            fallback.add(
                at, self.reference, subject.digest, data, media_type, lambda *it: self._put_manifest(at, *it)
            )
        return sha256(data)

    def delete_manifest(self, digest: Digest) -> None:
        """Removes a manifest, and so every tag of it. NotFound; Unsupported when deletes are off."""
        at = self._at
        subject = fallback.referring(at, self.reference, digest)
        self._delete(f"manifests/{digest}", f"manifest {short(digest)} of {self.reference.familiar_name}")
        if subject is not None and not discovery.keeps_referrers(at, subject):
            fallback.remove(at, self.reference, subject, digest, lambda *it: self._put_manifest(at, *it))

    def delete_tag(self, tag: str) -> None:
        """Removes a tag alone. NotFound; Unsupported where the registry has no such thing."""
        self._delete(f"manifests/{tag}", f"tag {self._named(tag).familiar()}")

    def _put_manifest(self, at: Reached, data: bytes, media_type: str, name: str) -> Answer:
        shown = f"the manifest of {self._named(name).familiar()}"
        request = Request(
            f"{at.url}/manifests/{name}",
            "PUT",
            {"Content-Type": media_type},
            data,
            shown,
            verb="push",
            hint=LOGIN,
        )
        answer = at.ask(request)
        if not answer.ok:
            raise self._refusal(answer, at, shown)
        said = answer.headers.get("docker-content-digest", "")
        if said.startswith("sha256:") and said != sha256(data):
            raise Corrupt(f"cannot push {shown}: {at.host} says that it is {said[:100]}")
        if not said and answer.status != 201 and self.manifest_digest(name) != sha256(data):
            raise FetchFailed(f"cannot push {shown}: {at.host} answered {answer.status} and has it not")
        return answer

    def _refusal(self, answer: Answer, at: Reached, shown: str) -> LaminaError:
        said = codes(answer)
        if answer.status not in _REFUSED or "NAME_UNKNOWN" in said:
            return refused(answer, self.reference, at.host, shown, verb="push")
        message = f"cannot push {shown}: {at.host} answered {answer.status}: {told(answer)}"
        return ManifestRefused(message, answer.status, tuple(said))

    def _delete(self, what: str, shown: str) -> None:
        at = self._at
        at.authority.also(f"repository:{at.endpoint.path}:delete")
        answer = at.ask(Request(f"{at.url}/{what}", "DELETE", shown=shown, verb="delete", hint=LOGIN))
        if answer.ok:
            return
        if answer.status in _UNSUPPORTED:
            hint = "a tag goes with its manifest: delete NAME@sha256:..." if shown.startswith("tag ") else ""
            raise Unsupported(
                f"cannot delete {shown}: {at.host} does not do that: {told(answer)}",
                hint=hint or "deletes may be off there",
            )
        if answer.status == 404:
            raise NotFound(f"{shown} not found: {at.host}: {told(answer)}")
        raise refused(answer, self.reference, at.host, shown, verb="delete")

    def _named(self, name: str) -> Reference:
        """The reference with this tag or digest. InvalidInput for what is neither."""
        return references.parse(f"{self.reference.name}{'@' if ':' in name else ':'}{name}")
