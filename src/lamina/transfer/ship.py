"""ship: documents and blobs from a Source to a Sink (transfer.ends) as they are, so that digests stay equal.

`plan_of` says what the sink lacks of an image, `send_all` moves it. What the sink has is not moved, nor what
it can take from another repository; blobs go in parallel, then the documents from the innermost to the root,
so that nothing is ever named before it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.events import Notice, Progress, ignore
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci.digest import short
from lamina.oci.manifest import Index

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.events import Observer
    from lamina.fetch.stopping import Stop
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest
    from lamina.oci.manifest import Manifest
    from lamina.transfer.ends import Sink, Source

EXISTS, MOUNTED, PUSHED = "Layer already exists", "Mounted from", "Pushed"
_MAX_NESTING = 4


class Document(NamedTuple):
    """A manifest or an index that is to move."""

    descriptor: Descriptor
    data: bytes


class Plan(NamedTuple):
    """What has to go to the sink: documents, the inner ones first, and the blobs that they name."""

    documents: tuple[Document, ...]
    blobs: tuple[Descriptor, ...]


def send_all(source: Source, sink: Sink, plan: Plan, stop: Stop, observer: Observer = ignore) -> None:
    """The blobs of a plan, several at once, then its documents."""
    from lamina.transfer.downloads import Downloads  # threading: not where only types are wanted

    def send(descriptor: Descriptor) -> None:
        name = short(descriptor.digest)
        state = send_blob(source, sink, descriptor, lambda done, total: observer(Progress(name, done, total)))
        observer(Notice(f"{name}: {state}"))

    with Downloads(plan.blobs, send, stop) as under_way:
        for blob in plan.blobs:
            under_way.wait(blob.digest)
    for document in plan.documents:
        stop.check()
        sink.put_document(document.descriptor, document.data)


def send_blob(
    source: Source, sink: Sink, descriptor: Descriptor, progress: Callable[[int, int], object]
) -> str:
    """One blob to the sink, by the cheapest way; which one that was, in Docker's words."""
    if sink.has(descriptor):
        return EXISTS
    place = sink.mount(descriptor, source.places(descriptor.digest))
    if place:
        return mounted(place)
    sink.put(descriptor, lambda: source.open(descriptor), progress)
    return PUSHED


def plan_of(source: Source, sink: Sink, root: Descriptor) -> Plan:
    """What the sink lacks of `root`. A document that it has counts with all that it names."""
    documents: dict[Digest, Document] = {}
    blobs: dict[Digest, Descriptor] = {}

    def visit(descriptor: Descriptor, depth: int) -> None:
        if descriptor.digest in documents or sink.has_document(descriptor.digest):
            return
        if depth > _MAX_NESTING:
            raise InvalidInput(f"{source.shown}: indexes in indexes, more than {_MAX_NESTING} deep")
        data = source.document(descriptor)
        parsed = parse(data, descriptor, source.shown)
        if isinstance(parsed, Index):
            for each in parsed.manifests:
                visit(each, depth + 1)
        else:
            blobs.update((each.digest, each) for each in named_by(parsed))
        documents[descriptor.digest] = Document(descriptor, data)

    visit(root, 0)
    return Plan(tuple(documents.values()), tuple(blobs.values()))


def parse(data: bytes, descriptor: Descriptor, shown: str) -> Manifest | Index:
    """Reads a document of `shown`. InvalidInput says whose it is."""
    try:
        return manifests.parse(data, descriptor.media_type)
    except InvalidInput as error:
        raise InvalidInput(f"manifest of {shown}: {error.message}", hint=error.hint) from None


def named_by(manifest: Manifest) -> list[Descriptor]:
    """The blobs that a manifest names and that move with it: layers that are had elsewhere (urls) do not."""
    return [each for each in (*manifest.layers, manifest.config) if not is_elsewhere(each)]


def is_elsewhere(descriptor: Descriptor) -> bool:
    """Whether a layer may not be given on, and is fetched from its URLs by everybody."""
    return bool(descriptor.urls) and media.is_foreign(descriptor.media_type)


def mounted(place: str) -> str:
    """Docker's word for a blob that another repository of the registry had: `place` in full."""
    return f"{MOUNTED} {place.partition('/')[2]}"
