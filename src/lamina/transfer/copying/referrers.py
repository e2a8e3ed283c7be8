"""What refers to an image: SBOMs, signatures and other artifacts, found at a Source to be copied with it.

Manifests with the image as their `subject` (distribution-spec 1.1, "Listing Referrers"), and those that
cosign names by tags: sha256-HEX.sig, .att and .sbom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.archive import oci_layout
from lamina.archive.files import MAX_JSON
from lamina.errors import InvalidInput, Unsupported
from lamina.registry.repository import Repository
from lamina.transfer.copying.ends import LayoutSource
from lamina.transfer.registry_ends import RegistrySource
from lamina.transfer.ship import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.fetch.stopping import Stop
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest
    from lamina.registry.settings import Settings
    from lamina.transfer.ends import Source

_COSIGN = ("sig", "att", "sbom")
_MOST = 1000  # of one copy


class Referrer(NamedTuple):
    """A manifest that refers to an image; `tag` is the name that it must have, "" for none."""

    descriptor: Descriptor
    tag: str = ""


def referrers_of(
    source: Source,
    digests: Iterable[Digest],
    settings: Callable[[], Settings],
    stop: Stop,
    *,
    nested: bool = True,
) -> list[Referrer]:
    """All that refers to these manifests and, if `nested`, what refers to that; each once.

    Unsupported for a source that keeps no referrers; InvalidInput for more than anybody has.
    """
    if isinstance(source, RegistrySource):
        ask = _OfRegistry(source, settings(), stop).ask
    elif isinstance(source, LayoutSource):
        ask = _OfLayout(source).ask
    else:
        raise Unsupported(
            f"{source.shown}: referrers are kept by registries and OCI layouts alone",
            hint="copy without --referrers; attestations of an index go with it",
        )
    found: dict[Digest, Referrer] = {}
    todo = list(dict.fromkeys(digests))
    for subject in todo:
        for each in ask(subject):
            if each.descriptor.digest in found:
                continue
            found[each.descriptor.digest] = each
            if nested:
                todo.append(each.descriptor.digest)  # the loop comes to it
            if len(found) > _MOST:
                raise InvalidInput(f"{source.shown}: more than {_MOST} referrers")
    return list(found.values())


class _OfRegistry:
    def __init__(self, source: RegistrySource, settings: Settings, stop: Stop) -> None:
        self._source = source
        self._settings = settings
        self._stop = stop
        self._tags: set[str] | None = None

    def ask(self, subject: Digest) -> list[Referrer]:
        repository = self._source.repository
        if self._tags is None:
            self._tags = {tag for tag in repository.tags() if tag.startswith("sha256-")}
        found = [Referrer(each) for each in repository.referrers(subject)]
        tags = [tag for tag in _cosign_tags(subject) if tag in self._tags]
        return [*found, *(Referrer(self._tagged(tag), tag) for tag in tags)]

    def _tagged(self, tag: str) -> Descriptor:
        reference = self._source.reference._replace(tag=tag, digest=None)
        with Repository(reference, self._settings, self._stop) as repository:
            return RegistrySource(repository).root()


class _OfLayout:
    """A layout has no list of referrers: every manifest that index.json names is looked at."""

    def __init__(self, source: LayoutSource) -> None:
        self._by_subject: dict[Digest, list[Referrer]] = {}
        self._by_tag: dict[str, Descriptor] = {}
        for row in oci_layout.read_rows(source.files):
            plain = row._replace(annotations={}, platform=None)
            tag = row.annotations.get(oci_layout.REF_NAME, "")
            if tag.startswith("sha256-"):
                self._by_tag[tag] = plain
            subject = parse(oci_layout.read_blob(source.files, row, MAX_JSON), row, source.shown).subject
            if subject is not None:
                self._by_subject.setdefault(subject.digest, []).append(Referrer(plain))

    def ask(self, subject: Digest) -> list[Referrer]:
        tags = [Referrer(self._by_tag[tag], tag) for tag in _cosign_tags(subject) if tag in self._by_tag]
        return [*self._by_subject.get(subject, ()), *tags]


def _cosign_tags(digest: Digest) -> list[str]:
    return [f"{digest.replace(':', '-')}.{kind}" for kind in _COSIGN]
