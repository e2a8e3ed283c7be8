"""Reach: the places of a repository as they are talked to: over which scheme, with which trust and rights."""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, NamedTuple

from lamina.fetch.ask import Answer, ask, ask_once
from lamina.fetch.connections import Connections
from lamina.fetch.exchange import Access, Request
from lamina.fetch.failures import FetchFailed
from lamina.fetch.headers import is_same_server
from lamina.registry import endpoints
from lamina.registry.auth import Authority
from lamina.registry.credentials import credentials_for
from lamina.registry.failures import check_online
from lamina.registry.trust import may_be_plain, trust_of

if TYPE_CHECKING:
    from lamina.fetch.connections import Trust
    from lamina.fetch.stopping import Stopper
    from lamina.oci.reference import Reference
    from lamina.registry.credentials import Credentials
    from lamina.registry.endpoints import Endpoint
    from lamina.registry.settings import Settings

MAX_MANIFEST = 4 << 20  # bytes: what the distribution-spec asks registries to take


class Reached(NamedTuple):
    """A place of the repository that is talked to; `url` begins all that is asked there."""

    endpoint: Endpoint
    url: str
    connections: Connections
    authority: Authority
    stopper: Stopper

    @property
    def host(self) -> str:
        """host[:port]"""
        return self.endpoint.host

    def access(self, url: str) -> Access:
        """How something at `url` is asked for: our rights are for this registry alone."""
        return self.authority.access(url) if is_same_server(self.url, url) else Access()

    def ask(self, request: Request, limit: int = MAX_MANIFEST) -> Answer:
        """The answer to a request, of any status. FetchFailed; InvalidInput above `limit` bytes."""
        return ask(
            request,
            self.access(request.url)._replace(stays=True),
            limit=limit,
            stopper=self.stopper,
            connections=self.connections,
        )

    def ask_once(self, request: Request, limit: int = MAX_MANIFEST) -> Answer:
        """The answer to one attempt, of any status. Retry when another one may have one."""
        return ask_once(
            request,
            self.access(request.url)._replace(stays=True),
            limit=limit,
            stopper=self.stopper,
            connections=self.connections,
        )


class Reach:
    """Makes `Reached` of the places of one repository, each once.

    `actions`: what we want to do, "pull,push"; "" for nothing but to log in. `credentials` are used in
    place of those that are kept.
    """

    def __init__(
        self,
        reference: Reference,
        settings: Settings,
        stopper: Stopper,
        actions: str = "pull",
        credentials: Credentials | None = None,
    ) -> None:
        self._reference = reference
        self._settings = settings
        self._stopper = stopper
        self._actions = actions
        self._credentials = credentials
        self._lock = allocate_lock()
        self._made: dict[Endpoint, Reached] = {}

    def close(self) -> None:
        """Ends all connections."""
        while self._made:
            self._made.popitem()[1].connections.close()

    def places(self) -> list[Endpoint]:
        """Where the repository is to be had: mirrors first, the registry itself last."""
        return list(endpoints.endpoints(self._reference, self._settings))

    def at(self, endpoint: Endpoint) -> Reached:
        """A place: with TLS; where that need not be, without it if there is none. FetchFailed offline."""
        check_online(self._reference, self._settings)
        with self._lock:
            made = self._made.get(endpoint)
            if made is None:
                made = self._reached(endpoint)
                if may_be_plain(endpoint, self._settings) and not _speaks_tls(made):
                    made = made._replace(url=endpoint.url("http"))
                self._made[endpoint] = made
            return made

    def _reached(self, endpoint: Endpoint) -> Reached:
        settings = self._settings
        proxies = {} if endpoints.is_local(endpoint.host) else settings.proxies

        def trust(host: str) -> Trust:
            return trust_of(host, settings, insecure=endpoint.insecure and host == endpoint.host)

        connections = Connections(proxies, trust)
        authority = Authority(
            self._reference.familiar_name,
            f"repository:{endpoint.path}:{self._actions}" if self._actions else "",
            connections,
            lambda: self._credentials or credentials_for(endpoint.host, endpoint.path, settings),
            self._stopper,
        )
        return Reached(endpoint, endpoint.url("https"), connections, authority, self._stopper)


def _speaks_tls(at: Reached) -> bool:
    request = Request(f"https://{at.host}/v2/", attempts=1)
    try:
        ask(request, limit=MAX_MANIFEST, stopper=at.stopper, connections=at.connections)
    except FetchFailed as error:
        return error.over_tls
    return True
