"""purl: package URLs, the names that tools of the supply chain give to packages and images (purl-spec)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci import reference as references

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:")


def purl(
    kind: str, namespace: str, name: str, version: str = "", qualifiers: Mapping[str, str] | None = None
) -> str:
    """`pkg:KIND/NAMESPACE/NAME@VERSION?QUALIFIERS`; empty parts are left out, qualifiers sorted by key."""
    path = [quoted(part) for part in (*namespace.split("/"), name) if part]
    text = f"pkg:{kind}/" + "/".join(path)
    if version:
        text += "@" + quoted(version)
    pairs = [f"{key}={quoted(value)}" for key, value in sorted((qualifiers or {}).items()) if value]
    return text + ("?" + "&".join(pairs) if pairs else "")


def image_purl(name: str, platform: str = "") -> str:
    """An image's name (as users write it) as BuildKit puts it into attestations. InvalidInput for no name.

    The familiar name is the path, the tag is the version, and a digest is a qualifier.
    """
    reference = references.parse(name).with_default_tag()
    namespace, _, last = reference.familiar_name.rpartition("/")
    qualifiers = {"digest": reference.digest or "", "platform": platform}
    return purl("docker", namespace, last, reference.tag, qualifiers)


def quoted(text: str) -> str:
    """A part of a package URL: all but letters, digits and `-._~:` as %XX of its UTF-8."""
    data = text.encode("utf-8", "surrogateescape")
    return "".join([chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data])
