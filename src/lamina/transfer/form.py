"""Form: how an output of a build packs an image: what the options of --output say, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput, Unsupported
from lamina.gobool import truth
from lamina.oci import annotations as notes
from lamina.oci import reference as references
from lamina.transfer.packing import CHUNKED, GZIP, KINDS, UNCOMPRESSED, Packing, check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.annotations import Annotation

_IMAGES = frozenset(
    {
        "name",
        "compression",
        "compression-level",
        "force-compression",
        "rewrite-timestamp",
        "oci-mediatypes",
        "oci-artifact",
    }
)
# The options that each type of output has, beside type and dest.
_OPTIONS: dict[str, frozenset[str]] = {
    "oci": _IMAGES | {"tar"},
    "docker": _IMAGES | {"tar"},
    "image": _IMAGES | {"push", "push-by-digest", "store", "unpack"},
    "local": frozenset({"platform-split", "mode", "attestation-prefix"}),
    "tar": frozenset({"platform-split", "attestation-prefix"}),
    "cacheonly": frozenset(),
}
_LEVELS = {"gzip": range(10), "zstd": range(23), CHUNKED: range(23)}


class Form(NamedTuple):
    """How an image is packed.

    `compression` is "" (as the store has it), "uncompressed", "gzip" or "zstd", of the layers that came
    uncompressed or were built here; of all with `force`. `level` None is the usual one. `oci` False writes
    Docker's media types. `names` are full names in place of the build's tags, () for those.
    """

    compression: str = ""
    level: int | None = None
    force: bool = False
    oci: bool = True
    annotations: tuple[Annotation, ...] = ()
    names: tuple[str, ...] = ()
    rewrite: bool = False  # times that are later than SOURCE_DATE_EPOCH
    artifact: bool = False  # attestations as OCI artifacts
    tar: bool = True  # else a folder
    indexed: bool = False  # an index also of one image
    split: bool | None = None  # a folder for each platform; None: where there are several
    delete: bool = False  # what else is in the folder
    prefix: str = ""  # of the names of attestations beside files
    push: bool = False  # the names go to their registries too
    by_digest: bool = False  # there without a tag


def form_of(kind: str, options: Mapping[str, str], flags: tuple[Annotation, ...] = ()) -> Form:
    """What the options of an output of type `kind` say; `flags` are the annotations of the whole build.

    InvalidInput for options that this type does not have, and for values that mean nothing; Unsupported.
    """
    known = _OPTIONS[kind]
    own = []
    for name, value in options.items():
        annotation = notes.parse_option(name, value) if "compression" in known else None
        if annotation is not None:
            own.append(annotation)
        elif name not in known:
            raise InvalidInput(
                f"unknown option {name!r} of output type {kind}",
                hint="it has " + (", ".join(sorted(known)) or "none"),
            )
    compression = _compression(kind, options)
    form = Form(
        compression=compression,
        level=_level(options, compression),
        force=_flag(options, "force-compression", default=False),
        oci=compression in ("zstd", CHUNKED) or _flag(options, "oci-mediatypes", default=True),
        annotations=(*flags, *own) if "compression" in known else (),
        names=_names(options.get("name", "")),
        rewrite=_flag(options, "rewrite-timestamp", default=False),
        artifact=_flag(options, "oci-artifact", default=False),
        tar=_flag(options, "tar", default=True),
        split=_flag(options, "platform-split", default=False) if "platform-split" in options else None,
        delete=_mode(options) == "delete",
        prefix=_prefix(options.get("attestation-prefix", "")),
        push=_flag(options, "push", default=False) or _flag(options, "push-by-digest", default=False),
        by_digest=_flag(options, "push-by-digest", default=False),
    )
    _check_store(options, form)
    return form


def packing_of(form: Form) -> Packing:
    """How the layers of an output that is pushed are packed on their way."""
    types = "" if form.oci else "docker"
    level = None if form.compression == UNCOMPRESSED else form.level
    return Packing(form.compression or (GZIP if form.force else ""), level, form.force, types)


def _compression(kind: str, options: Mapping[str, str]) -> str:
    value = options.get("compression", "")
    if value == "estargz":
        raise Unsupported("compression=estargz is not supported", hint="gzip, zstd or uncompressed")
    if value == "none":  # as people say it
        return "uncompressed"
    if value == CHUNKED and "push" not in options:
        raise Unsupported(f"compression={CHUNKED} is for what is pushed", hint="push=true, or type=registry")
    if value not in ("", *KINDS):
        raise InvalidInput(f"unsupported compression type {value}", hint="gzip, zstd or uncompressed")
    if value:
        return value
    return {"oci": "gzip", "docker": "uncompressed"}.get(kind, "")


def _level(options: Mapping[str, str], compression: str) -> int | None:
    text = options.get("compression-level")
    if text is None:
        return None
    levels = _LEVELS.get(compression or "gzip", range(10))
    if not text.isascii() or not text.isdigit() or int(text) not in levels:
        raise InvalidInput(
            f"invalid compression-level {text!r}",
            hint=f"0 to {levels[-1]} for {compression or 'gzip'}",
        )
    return int(text)


def _flag(options: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = options.get(name)
    if value is None:
        return default
    said = truth(value)
    if said is None:
        raise InvalidInput(f"non-bool value specified for {name}: {value!r}", hint="true or false")
    return said


def _names(text: str) -> tuple[str, ...]:
    return tuple(str(references.parse_tagged(name)) for name in text.split(",") if name)


def _mode(options: Mapping[str, str]) -> str:
    mode = options.get("mode", "copy")
    if mode not in ("copy", "delete"):
        raise InvalidInput(f"invalid mode {mode!r} of output type local", hint="copy or delete")
    return mode


def _prefix(text: str) -> str:
    if "/" in text or "\0" in text:
        raise InvalidInput(f"invalid attestation-prefix {text!r}", hint="it begins the name of a file")
    return text


def _check_store(options: Mapping[str, str], form: Form) -> None:
    """What type=image may say of where the image goes: into the store, unpacked, and to its registry."""
    if form.push:
        check(packing_of(form))
    if not _flag(options, "store", default=True):
        raise Unsupported(
            "store=false is not supported: the image is in the store", hint="type=cacheonly keeps no image"
        )
    _flag(options, "unpack", default=True)  # layers are always unpacked
