"""What there is: tags of a repository, repositories, and what refers to a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from lamina.db import hosted
from lamina.oci import canonical, media
from lamina.oci.manifest import Index
from lamina.serving.blobs import digest_of
from lamina.serving.failures import NAME_UNKNOWN, Failure
from lamina.serving.messages import Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.serving.messages import Request
    from lamina.serving.routes import Repository
    from lamina.serving.site import Site

_JSON = ("Content-Type", "application/json")
_MOST = 1000  # names in one answer, unless more are asked for
_ALL_TAGS = 100_000


def tags(site: Site, request: Request, repository: Repository) -> Response:
    """The tags, with `n` and `last` (distribution-spec, Listing Tags)."""
    found = site.shelf.tags(repository.name)
    if found is None:
        raise Failure(NAME_UNKNOWN, details=[repository.shown])
    page, headers = _page(request, found, f"/v2/{repository.shown}/tags/list", _ALL_TAGS)
    return Response(200, headers, canonical.dumps({"name": repository.shown, "tags": page}))


def catalog(site: Site, request: Request) -> Response:
    """The names of all repositories, with `n` and `last` (Docker's API v2)."""
    page, headers = _page(request, site.shelf.repositories(), "/v2/_catalog", _MOST)
    return Response(200, headers, canonical.dumps({"repositories": page}))


def referrers(site: Site, request: Request, repository: Repository, text: str) -> Response:
    """An index of what refers to a manifest, there or not (distribution-spec, Listing Referrers)."""
    digest = digest_of(text)
    rows = hosted.referrers(site.ctx.db.read(), repository.name, digest)
    headers = [("Content-Type", media.INDEX)]
    kind = request.query.get("artifactType", "")
    if kind:
        rows = [row for row in rows if row.artifact_type == kind]
        headers.append(("OCI-Filters-Applied", "artifactType"))
    return Response(200, tuple(headers), Index(tuple([row.descriptor for row in rows])).to_bytes())


def _page(
    request: Request, names: Sequence[str], path: str, most: int
) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """One page of sorted names, and the headers; a link to the next page if there is one."""
    asked = request.number("n")
    count = most if asked is None else asked
    last = request.query.get("last", "")
    rest = [name for name in names if name > last] if last else list(names)
    page = rest[:count]
    if not page or len(page) == len(rest):
        return page, (_JSON,)
    return page, (_JSON, ("Link", f'<{path}?last={quote(page[-1], safe="")}&n={count}>; rel="next"'))
