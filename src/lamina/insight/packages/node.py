"""Node: the package.json of each package in a node_modules folder, nested ones too."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from lamina.insight.packages.distro import Distro
from lamina.insight.packages.history import shown, warn
from lamina.insight.packages.package import NODE, BadDatabase, Package
from lamina.oci.purl import purl
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.insight.packages.view import View

PACKAGE = re.compile(rb"(?:\A|/)node_modules/(?:@[^/]+/)?[^@./][^/]*/package\.json\Z")
_LONE = re.compile("[\ud800-\udfff]")  # half a character: JSON can write it, UTF-8 cannot
MAX_SIZE = 4 << 20


def node(view: View, distro: Distro) -> Iterator[Package]:
    """The packages that npm, yarn or pnpm unpacked."""
    for file in view.named(lambda path: PACKAGE.search(path) is not None, (b"package.json",)):
        try:
            package = parse(view.read(file, MAX_SIZE), file.path)
        except BadDatabase as error:
            warn(view, file.path, error)
            continue
        if package is not None:
            yield package._replace(layer=file.diff_id)


def all_owned(view: View) -> Iterator[tuple[bytes, Package]]:
    """Each file in a package's folder, with the package."""
    for package in node(view, Distro()):
        for path in owned(view, package):
            yield path, package


def owned(view: View, package: Package) -> list[bytes]:
    """The files in the package's folder; not those of packages nested in it."""
    folder = package.path.strip("/").rpartition("/")[0].encode("utf-8", "surrogateescape")
    nested = folder + b"/node_modules/"
    entries = view.top.walk(folder)
    return [each.path for each in entries if each.kind is not Kind.DIR and not each.path.startswith(nested)]


def parse(data: bytes, path: bytes) -> Package | None:
    """The package of a package.json at `path`; None for one that only says how to read the files beside it.

    BadDatabase.
    """
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadDatabase(f"it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadDatabase("it is not a JSON object")
    name, version = _text(document.get("name")), _text(document.get("version"))
    if not name or not version:
        return None
    scope, _, last = name.rpartition("/")
    return Package(
        kind=NODE,
        name=name,
        version=version,
        licence=_licence(document),
        maintainer=_person(document.get("author")),
        homepage=_text(document.get("homepage")),
        description=_text(document.get("description")).partition("\n")[0],
        purl=purl(NODE, scope.lower(), last.lower(), version),
        path=shown(path),
    )


def _licence(document: dict[str, object]) -> str:
    """`license` as text or {type}, or the old `licenses`, a list of those."""
    one = document.get("license")
    many = document.get("licenses")
    values = [one] if one else many if isinstance(many, list) else [many]
    names = [_text(value.get("type") if isinstance(value, dict) else value) for value in values]
    return " AND ".join(sorted({name for name in names if name}))


def _person(value: object) -> str:
    """`NAME <EMAIL>`, or an object of both."""
    if not isinstance(value, dict):
        return _text(value)
    email = _text(value.get("email"))
    return " ".join(part for part in (_text(value.get("name")), f"<{email}>" if email else "") if part)


def _text(value: object) -> str:
    return _LONE.sub("\N{REPLACEMENT CHARACTER}", value.strip()) if isinstance(value, str) else ""
