"""Reference: the name of an image (the grammar of distribution/reference, with Docker's short names).

Parsed by hand: a regular expression for this grammar takes longer to compile than a build to plan.
"""

from __future__ import annotations

from typing import NamedTuple

from lamina.errors import InvalidInput
from lamina.oci.digest import Digest

DOCKER_HUB = "docker.io"
_OLD_DOCKER_HUB = "index.docker.io"
_OFFICIAL = "library/"
_DEFAULT_TAG = "latest"
_MAX_PATH = 255
_MAX_TAG = 128
_HEX = frozenset("0123456789abcdef")
_ALPHANUMERIC = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")
_DIGEST_SIZES = {"sha256": 64, "sha384": 96, "sha512": 128}


class Reference(NamedTuple):
    """A repository, with a tag, a digest, both or neither."""

    domain: str  # "docker.io", "localhost:5000"
    path: str  # "library/busybox"
    tag: str = ""
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """The repository in full: `docker.io/library/busybox`."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def familiar_name(self) -> str:
        """The repository as Docker shows it: `busybox`."""
        if self.domain != DOCKER_HUB:
            return self.name
        short = self.path.removeprefix(_OFFICIAL)
        return self.path if "/" in short else short

    def familiar(self) -> str:
        """The whole reference as Docker shows it: `busybox:latest`."""
        return self.familiar_name + self._suffix()

    def __str__(self) -> str:
        return self.name + self._suffix()

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def with_default_tag(self) -> Reference:
        """The same with the tag `latest` when it has neither tag nor digest."""
        return self if self.tag or self.digest else self._replace(tag=_DEFAULT_TAG)


def shortened(name: str) -> str:
    """A name in full as Docker shows it; `name` is known to be one, and is not checked."""
    short = name.removeprefix(f"{DOCKER_HUB}/")
    if short == name:
        return name
    bare = short.removeprefix(_OFFICIAL)
    return short if "/" in bare else bare


def parse(text: str) -> Reference:
    """Reads a name as a user types it. InvalidInput, in Docker's words, when it is not one.

    64 hex digits are an image ID and never a name; see `id_prefix`.
    """
    if len(text) == 64 and _HEX.issuperset(text):
        raise InvalidInput(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    if not text:
        raise InvalidInput("invalid reference format", hint="the name of an image is missing")
    domain, rest = _split_domain(text)
    remote = rest.partition(":")[0]
    if remote.lower() != remote:
        raise InvalidInput(
            f"invalid reference format: repository name ({remote[:_MAX_PATH]}) must be lowercase"
        )
    return _parse_canonical(domain, rest, text)


def parse_tagged(text: str) -> Reference:
    """A name to give to an image (`-t`, `tag`), `latest` by default. InvalidInput for a digest too."""
    made = parse(text)
    if made.digest:
        raise InvalidInput(f"refusing to create a tag with a digest reference: {text}")
    return made.with_default_tag()


def id_prefix(text: str) -> str | None:
    """The hex digits when `text` can be an image ID or its start, `sha256:` before it or not; else None.

    Such a text can be a name as well: Docker looks for the name first, unless `sha256:` is there.
    """
    digits = text.removeprefix("sha256:")
    return digits if 0 < len(digits) <= 64 and _HEX.issuperset(digits) else None


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash:
        return DOCKER_HUB, _OFFICIAL + text
    if first == _OLD_DOCKER_HUB:
        domain = DOCKER_HUB
    elif first == "localhost" or "." in first or ":" in first or first.lower() != first:
        domain = first
    else:
        domain, rest = DOCKER_HUB, text
    if domain == DOCKER_HUB and "/" not in rest:
        rest = _OFFICIAL + rest
    return domain, rest


def _parse_canonical(domain: str, rest: str, text: str) -> Reference:
    named, at, digest = rest.partition("@")
    path, colon, tag = named.partition(":")
    if not _is_domain(domain):  # "a_b.c/d": no host name, but a path all the same
        domain, path = "", f"{domain}/{path}"
    fits = _is_path(path) and (not colon or _is_tag(tag)) and (not at or _is_digest(digest))
    if not fits:
        if not domain and path.lower() != path and _is_path(path.lower()):
            raise InvalidInput("invalid reference format: repository name must be lowercase")
        raise InvalidInput("invalid reference format", hint=f"{text[:300]!r} is not the name of an image")
    if len(path) > _MAX_PATH:
        raise InvalidInput(f"repository name must not be more than {_MAX_PATH} characters")
    return Reference(domain, path, tag, _checked_digest(digest) if at else None)


def _is_domain(text: str) -> bool:
    if text.startswith("["):
        address, _, after = text[1:].partition("]")
        colon, port = after[:1], after[1:]
        host_fits = bool(address) and _HEX.union("ABCDEF:").issuperset(address) and colon in ("", ":")
    else:
        host, colon, port = text.partition(":")
        host_fits = all(_is_label(label) for label in host.split("."))
    return host_fits and (not colon or (port.isascii() and port.isdigit()))


def _is_label(text: str) -> bool:
    inner = text.replace("-", "")
    return inner.isascii() and inner.isalnum() and text[0] != "-" and text[-1] != "-"


def _is_path(text: str) -> bool:
    return all(_is_component(part) for part in text.split("/"))


def _is_component(text: str) -> bool:
    if not text or text[0] not in _ALPHANUMERIC or text[-1] not in _ALPHANUMERIC:
        return False
    separators = "".join(["/" if char in _ALPHANUMERIC else char for char in text]).split("/")
    return all(item in ("", ".", "_", "__") or not item.strip("-") for item in separators)


def _is_tag(text: str) -> bool:
    rest = text.replace("_", "").replace(".", "").replace("-", "")
    fits = not rest or (rest.isascii() and rest.isalnum())
    return fits and 0 < len(text) <= _MAX_TAG and text[0] not in ".-"


def _is_digest(text: str) -> bool:
    algorithm, colon, value = text.partition(":")
    for separator in "+._":
        algorithm = algorithm.replace(separator, "-")
    fits = all(part.isascii() and part.isalnum() and part[0].isalpha() for part in algorithm.split("-"))
    return fits and bool(colon) and len(value) >= 32 and _HEX.issuperset(value.lower())


def _checked_digest(text: str) -> Digest:
    algorithm, _, value = text.partition(":")
    if algorithm not in _DIGEST_SIZES:
        raise InvalidInput("invalid reference format: unsupported digest algorithm")
    if len(value) != _DIGEST_SIZES[algorithm]:
        raise InvalidInput("invalid reference format: invalid checksum digest length")
    if not _HEX.issuperset(value):
        raise InvalidInput("invalid reference format: invalid checksum digest format")
    return Digest(text)
