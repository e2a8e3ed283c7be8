"""Where a repository is to be had: its registry and the mirrors of it, as URLs."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from lamina.oci import reference as references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.oci.reference import Reference
    from lamina.registry.settings import Rule, Settings

_HUB_HOST = "registry-1.docker.io"  # where Docker Hub's own API is


class Endpoint(NamedTuple):
    """One place of a repository. `insecure`: it is said that it needs no TLS, or may have any certificate."""

    host: str  # host[:port]
    path: str
    insecure: bool
    is_mirror: bool = False

    def url(self, scheme: str) -> str:
        """The beginning of all that is asked about the repository."""
        return f"{scheme}://{self.host}/v2/{self.path}"


def endpoints(reference: Reference, settings: Settings) -> Iterator[Endpoint]:
    """The places to ask, in this order: mirrors first, the registry itself last."""
    reference = settings.lies(reference)
    rule = settings.rule_for(reference.name)
    for mirror in rule.mirrors:
        yield _endpoint(reference, rule, mirror.location, mirror.insecure, True)
    yield _endpoint(reference, rule, rule.location or rule.prefix, rule.insecure, False)


def _endpoint(reference: Reference, rule: Rule, location: str, insecure: bool, is_mirror: bool) -> Endpoint:
    """The rule's prefix is replaced by the location, as Podman does."""
    if rule.prefix.startswith("*.") and location == rule.prefix:
        name = reference.name
    else:
        prefix = reference.domain if rule.prefix.startswith("*.") else rule.prefix
        name = location + reference.name.removeprefix(prefix)
    host, _, path = name.partition("/")
    return Endpoint(_HUB_HOST if host == references.DOCKER_HUB else host, path, insecure, is_mirror)


def is_local(host: str) -> bool:
    """Whether host[:port] is this machine by its name or address, where Docker does without TLS."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
