"""--cache-from and --cache-to of `build`, read as buildx reads them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn, TypedDict

from lamina.build.given import CacheFrom, CacheTo
from lamina.errors import InvalidInput, Unsupported
from lamina.gobool import truth
from lamina.oci import digest as digests
from lamina.oci import reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OTHERS = ("gha", "s3", "azblob")  # places that only BuildKit writes to
_FROM_HINT = "type=registry,ref=NAME or type=local,src=FOLDER; NAME alone is the first"
_TO_HINT = "type=registry,ref=NAME, type=local,dest=FOLDER or type=inline"
_MODES = ("min", "max")


class SharedCaches(TypedDict, total=False):
    """The fields of a BuildRequest that these flags give."""

    cache_from: tuple[CacheFrom, ...]
    cache_to: tuple[CacheTo, ...]


def parse_from(texts: Sequence[str]) -> Iterator[CacheFrom]:
    """--cache-from. InvalidInput, Unsupported."""
    for kind, fields in _entries(texts, "cache-from"):
        if kind == "registry":
            found = CacheFrom(kind, _reference(fields, "cache-from"))
        elif kind == "local":
            tag, digest = fields.pop("tag", "latest"), fields.pop("digest", "")
            place = _path(fields, "src", "cache-from")
            found = CacheFrom(kind, place, tag, digests.parse(digest) if digest else None)
        elif kind == "inline":
            raise InvalidInput(
                "--cache-from type=inline: an inline cache is read from its image",
                hint="type=registry,ref=IMAGE, or the name of the image alone",
            )
        else:
            _refuse(kind, "cache-from", _FROM_HINT)
        _check_rest(fields, f"cache-from type={kind}")
        yield found


def parse_to(texts: Sequence[str]) -> Iterator[CacheTo]:
    """--cache-to. InvalidInput, Unsupported."""
    for kind, fields in _entries(texts, "cache-to"):
        if kind == "inline":
            fields.pop("mode", "")  # it has one, as in BuildKit
            _check_rest(fields, "cache-to type=inline")
            yield CacheTo(kind)
            continue
        if kind == "registry":
            place, tag = _reference(fields, "cache-to"), "latest"
            if "@" in place:
                raise InvalidInput(f"--cache-to cannot write to a digest: {place}", hint="give it a tag")
        elif kind == "local":
            place, tag = _path(fields, "dest", "cache-to"), fields.pop("tag", "latest")
        else:
            _refuse(kind, "cache-to", _TO_HINT)
        found = CacheTo(kind, place, _mode(fields), *_packing(fields), _flag(fields, "ignore-error"), tag)
        for name in ("oci-mediatypes", "image-manifest"):  # what is written is an OCI image manifest always
            _flag(fields, name)
        _check_rest(fields, f"cache-to type={kind}")
        yield found


def _entries(texts: Sequence[str], flag: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Types and their options; names alone are references."""
    from lamina.cli.build_flags import fields_of

    for text in texts:
        if "=" not in text:
            yield from (("registry", {"ref": name}) for name in text.split(",") if name)
            continue
        fields = fields_of(text, flag)
        kind = fields.pop("type", "")
        if not kind:
            raise InvalidInput(
                f"--{flag} {text}: type is required", hint=_TO_HINT if flag == "cache-to" else _FROM_HINT
            )
        yield kind, fields


def _reference(fields: dict[str, str], flag: str) -> str:
    ref = fields.pop("ref", "")
    if not ref:
        raise InvalidInput(f"--{flag} type=registry needs ref", hint="type=registry,ref=NAME")
    reference.parse(ref)
    return ref


def _path(fields: dict[str, str], name: str, flag: str) -> str:
    path = fields.pop(name, "")
    if not path:
        raise InvalidInput(f"--{flag} type=local needs {name}", hint=f"type=local,{name}=FOLDER")
    return os.path.abspath(path)


def _mode(fields: dict[str, str]) -> str:
    mode = fields.pop("mode", "min").lower()
    if mode not in _MODES:
        raise InvalidInput(f"--cache-to: invalid mode {mode!r}", hint="min or max")
    return mode


def _packing(fields: dict[str, str]) -> tuple[str, int | None, bool]:
    """How layers are packed: compression, level, force."""
    from lamina.transfer import packing  # with all that packs: who only reads caches does without

    compression, level = fields.pop("compression", ""), fields.pop("compression-level", "")
    if compression == "estargz":
        raise Unsupported(
            "--cache-to: compression=estargz is not written by Lamina",
            hint="gzip, zstd, zstd:chunked or uncompressed",
        )
    if level and not (level.isascii() and level.isdigit()):
        raise InvalidInput(f"--cache-to: invalid compression-level {level!r}", hint="a number")
    found = packing.Packing(compression, int(level) if level else None, _flag(fields, "force-compression"))
    packing.check(found)
    return found.compression, found.level, found.force


def _flag(fields: dict[str, str], name: str) -> bool:
    value = fields.pop(name, "false")
    said = truth(value)
    if said is None:
        raise InvalidInput(f"--cache-to: {name}={value} is neither true nor false")
    return said


def _refuse(kind: str, flag: str, hint: str) -> NoReturn:
    if kind in _OTHERS:
        hint = f"a registry serves as well: {hint}"
    raise Unsupported(f"--{flag} type={kind} is not supported", hint=hint)


def _check_rest(fields: dict[str, str], what: str) -> None:
    if fields:
        raise InvalidInput(f"--{what} has no option {next(iter(fields))!r}")
