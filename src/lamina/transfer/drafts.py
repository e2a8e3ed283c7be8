"""Draft: an index in the making: what is to be in it, where that is now, and what is said of it.

What a draft names need not be in the store; it is looked at when it is added, and moved when the index is
pushed (transfer.draftpush). An image of the store may get another digest then: its layers are compressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from lamina.errors import Conflict, Corrupt, InvalidInput, LaminaError, NotFound
from lamina.oci import canonical, media
from lamina.oci import descriptor as descriptors
from lamina.oci.manifest import Index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.oci.descriptor import Descriptor
    from lamina.oci.platform import Platform

_LEAST_DIGITS = 7  # of a digest that is not written in full


class Entry(NamedTuple):
    """One manifest of a draft: how the index describes it, where it is (copying.places), what was typed."""

    descriptor: Descriptor
    place: str
    given: str


class Draft(NamedTuple):
    """An index to be. `subject` is what it refers to, if anything."""

    entries: tuple[Entry, ...] = ()
    annotations: Mapping[str, str] = {}
    subject: Descriptor | None = None

    def document(self) -> Index:
        """What it is so far: Docker's manifest list where nothing but Docker's is in it, else OCI's index."""
        rows = tuple([entry.descriptor for entry in self.entries])
        plain = not self.annotations and self.subject is None and not any(row.annotations for row in rows)
        if rows and plain and all(row.media_type == media.DOCKER_MANIFEST for row in rows):
            return Index(rows, media.DOCKER_INDEX)
        return Index(rows, media.INDEX, dict(self.annotations), subject=self.subject)

    def added(self, entry: Entry) -> Draft:
        """With one more; one of the same digest, or typed in the same way, makes place for it."""
        kept = [
            each
            for each in self.entries
            if each.descriptor.digest != entry.descriptor.digest
            and (each.given != entry.given or each.descriptor.platform != entry.descriptor.platform)
        ]
        return self._replace(entries=(*kept, entry))

    def without(self, entry: Entry) -> Draft:
        """With one less."""
        return self._replace(entries=tuple([each for each in self.entries if each != entry]))

    def find(self, text: str) -> Entry:
        """The entry that a user means: by its digest, what was typed, or its platform. NotFound, Conflict."""
        for fits in (_is_digest, _is_given, _is_platform):
            found = [each for each in self.entries if fits(each, text)]
            if len(found) > 1:
                digests = ", ".join(each.descriptor.digest[:19] for each in found)
                raise Conflict(f"{text} is several in this index: {digests}", hint="name one by its digest")
            if found:
                return found[0]
        raise NotFound(f"{text} is not in this index", hint="`lamina index inspect` shows what is")


class IndexChanges(NamedTuple):
    """What `add` and `annotate` say of a manifest; None and {} say nothing."""

    os: str | None = None
    architecture: str | None = None
    variant: str | None = None
    os_version: str | None = None
    os_features: Sequence[str] | None = None
    features: Sequence[str] | None = None
    annotations: Mapping[str, str] = {}

    def of(self, found: Descriptor) -> Descriptor:
        """The descriptor as it is to be. InvalidInput for a platform that is none."""
        platform = found.platform
        said = (self.os, self.architecture, self.variant, self.os_version, self.os_features, self.features)
        if any(each is not None for each in said):
            platform = self._platform(platform)
        return found._replace(platform=platform, annotations={**found.annotations, **self.annotations})

    def _platform(self, old: Platform | None) -> Platform:
        from lamina.oci.platform import Platform

        old = old or Platform("", "")
        extra = dict(old.extra)
        if self.features is not None:
            extra["features"] = list(self.features)
        made = Platform(
            old.os if self.os is None else self.os,
            old.architecture if self.architecture is None else self.architecture,
            old.variant if self.variant is None else self.variant,
            old.os_version if self.os_version is None else self.os_version,
            old.os_features if self.os_features is None else tuple(self.os_features),
            extra,
        )
        if not made.os or not made.architecture:
            raise InvalidInput(
                "a platform has an operating system and an architecture", hint="--os and --arch"
            )
        return made


def write(draft: Draft) -> str:
    """The draft as its row keeps it."""
    value: dict[str, object] = {
        "annotations": dict(draft.annotations),
        "entries": [
            {"descriptor": each.descriptor.to_json(), "place": each.place, "given": each.given}
            for each in draft.entries
        ],
    }
    if draft.subject is not None:
        value["subject"] = draft.subject.to_json()
    return canonical.dumps(value).decode()


def read(text: str) -> Draft:
    """The draft of a row. Corrupt."""
    try:
        value = canonical.loads_object(text.encode(), "draft")
        rows = cast("list[dict[str, str]]", value["entries"])
        return Draft(
            tuple(
                [Entry(descriptors.from_json(row["descriptor"]), row["place"], row["given"]) for row in rows]
            ),
            cast("dict[str, str]", value["annotations"]),
            descriptors.from_json(value["subject"]) if "subject" in value else None,
        )
    except (LaminaError, KeyError, TypeError) as error:
        raise Corrupt(
            f"a draft of an index cannot be read: {error}", hint="`lamina index rm` removes it"
        ) from None


def _is_digest(entry: Entry, text: str) -> bool:
    wanted = text.rpartition("@")[2].removeprefix("sha256:")
    digits = entry.descriptor.digest.removeprefix("sha256:")
    return len(wanted) >= _LEAST_DIGITS and digits.startswith(wanted)


def _is_given(entry: Entry, text: str) -> bool:
    return text in (entry.given, entry.place)


def _is_platform(entry: Entry, text: str) -> bool:
    return entry.descriptor.platform is not None and str(entry.descriptor.platform) == text
