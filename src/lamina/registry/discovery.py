"""What a repository has: blobs, tags, referrers of a manifest (distribution-spec, "Content Discovery")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput, NotFound
from lamina.fetch.exchange import Request
from lamina.fetch.failures import FetchFailed
from lamina.oci import manifest as manifest_json
from lamina.oci import media
from lamina.oci.digest import short
from lamina.registry import manifests
from lamina.registry.failures import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.fetch.ask import Answer
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.registry.reach import Reached

_PAGE = 1000  # tags in one answer, where we may choose
_MOST_PAGES = 10_000


def has_blob(at: Reached, reference: Reference, digest: Digest) -> bool:
    """Whether a blob is there. Denied, FetchFailed."""
    shown = f"blob {short(digest)} of {reference.familiar_name}"
    request = Request(f"{at.url}/blobs/{digest}", "HEAD", shown=shown, verb="look for", follow=False)
    answer = at.ask(request)
    if answer.ok or 300 <= answer.status < 400:  # storage elsewhere has it, and is often open to GET alone
        return True
    if answer.status == 404:
        return False
    raise refused(answer, reference, at.host, shown, verb="look for")


def tags(at: Reached, reference: Reference) -> list[str]:
    """All tags, over as many pages as there are."""
    found: dict[str, None] = {}
    shown = f"the tags of {reference.familiar_name}"
    for answer in _pages(at, reference, f"{at.url}/tags/list?n={_PAGE}", shown):
        try:
            page = json.loads(answer.body).get("tags") or []
        except (ValueError, AttributeError, RecursionError):
            page = None
        if not isinstance(page, list) or not all(isinstance(tag, str) for tag in page):
            raise InvalidInput(f"{shown}: {at.host} sent what is no list of tags")
        found.update(dict.fromkeys(page))
    return list(found)


def referrers(at: Reached, reference: Reference, digest: Digest, artifact_type: str) -> list[Descriptor]:
    """What refers to a manifest, of this kind if one is given."""
    from urllib.parse import quote

    shown = f"the referrers of {short(digest)} in {reference.familiar_name}"
    query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
    found: list[Descriptor] = []
    try:
        for answer in _pages(at, reference, f"{at.url}/referrers/{digest}{query}", shown):
            if answer.media_type != media.INDEX:
                raise NotFound(f"{shown}: {at.host} has no such list")
            found += manifest_json.parse_index(answer.body, media.INDEX).manifests
    except NotFound:
        found = list(in_fallback_tag(at, reference, digest))
    return [each for each in found if artifact_type in ("", each.artifact_type)]


def keeps_referrers(at: Reached, digest: Digest) -> bool:
    """Whether the registry has the API for referrers; else they are in the fallback tag."""
    request = Request(f"{at.url}/referrers/{digest}", shown=f"the referrers of {short(digest)}")
    answer = at.ask(request)
    return answer.ok and answer.media_type == media.INDEX


def fallback_tag(digest: Digest) -> str:
    """The tag that keeps the referrers of a manifest where the registry does not."""
    return digest.replace(":", "-")


def in_fallback_tag(at: Reached, reference: Reference, digest: Digest) -> tuple[Descriptor, ...]:
    """The referrers in the fallback tag; none where it is not there, or is no index. Denied, FetchFailed."""
    tag = fallback_tag(digest)
    try:
        found = manifests.get(at, reference._replace(tag=tag, digest=None), tag)
        return manifest_json.parse_index(found.data, found.media_type).manifests
    except (NotFound, InvalidInput):
        return ()


def _pages(at: Reached, reference: Reference, url: str, shown: str) -> Iterator[Answer]:
    """The answer, and the next ones that it links to: at the same registry only, and never one twice."""
    seen: set[str] = set()
    while url:
        if url in seen or len(seen) >= _MOST_PAGES:
            raise FetchFailed(f"cannot fetch {shown}: {at.host} sends a page again, or has no last one")
        seen.add(url)
        answer = at.ask(Request(url, shown=shown))
        if not answer.ok:
            raise refused(answer, reference, at.host, shown)
        yield answer
        url = _next(at, answer, url, shown)


def _next(at: Reached, answer: Answer, url: str, shown: str) -> str:
    """The URL of the header Link with rel="next" (RFC 8288); "" on the last page."""
    import re  # only where there are pages
    from urllib.parse import urljoin

    from lamina.fetch.headers import is_same_server

    for target, said in re.findall(r"<([^>]*)>([^<]*)", answer.headers.get("link", "")):
        if not re.search(r"""\brel\s*=\s*(next\b|"(\S+ )*next( \S+)*")""", said, re.I):
            continue
        try:
            found = str(urljoin(url, target))
        except ValueError:
            found = ""
        if not is_same_server(at.url, found):
            raise FetchFailed(f"cannot fetch {shown}: {at.host} names another server for the rest of them")
        return found
    return ""
