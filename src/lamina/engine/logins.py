"""Logins: credentials for registries, as `engine.credentials`: login, logout, check, knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import Denied, InvalidInput
from lamina.oci import reference as references

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.registry.keeping import Kept
    from lamina.registry.settings import Settings


class Logins:
    """What is kept in the files of Docker and Podman (docs/registries.md says which).

    A server is written HOST[:PORT][/PATH], with https:// or http:// before it or not. `authfile` is the only
    file to look at, where it is given. No store is opened.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def login(self, server: str, user: str, password: str, *, authfile: str = "") -> Kept:
        """Tries a user and a password, and keeps them; says where. Denied, FetchFailed, InvalidInput."""
        from lamina.registry.credentials import Credentials
        from lamina.registry.keeping import keep
        from lamina.registry.login import try_credentials

        host, path = _parts(server)
        if ":" in user or not user.isprintable() or not password.isprintable():
            raise InvalidInput("a user name has no colon, and neither it nor a password control characters")
        found, settings = Credentials(user, password), self._of(authfile)
        try_credentials(host, path, found, settings)
        return keep(host, path, found, settings)

    def logout(self, server: str, *, authfile: str = "") -> list[Kept]:
        """Removes what is kept for a registry; where that was, [] for nowhere. Denied, InvalidInput."""
        from lamina.registry.keeping import forget

        return forget(*_parts(server), self._of(authfile))

    def knows(self, server: str, *, authfile: str = "") -> bool:
        """Whether anything is kept for a registry. InvalidInput, Denied."""
        from lamina.registry.credentials import credentials_for

        return credentials_for(*_parts(server), self._of(authfile)) is not None

    def check(self, server: str, *, authfile: str = "") -> None:
        """Tries what is kept. Denied, also when there is nothing; FetchFailed."""
        from lamina.registry.credentials import credentials_for
        from lamina.registry.login import try_credentials

        host, path = _parts(server)
        settings = self._of(authfile)
        found = credentials_for(host, path, settings)
        if found is None:
            raise Denied(f"not logged in to {server}", hint=f"lamina login {server}")
        try_credentials(host, path, found, settings)

    def _of(self, authfile: str) -> Settings:
        settings = self._settings()
        return settings._replace(credentials=(authfile,)) if authfile else settings


def _parts(server: str) -> tuple[str, str]:
    """The registry and the part of it that is meant. InvalidInput."""
    text = server.partition("://")[2] if "://" in server else server
    host, _, path = text.removesuffix("/").partition("/")
    if path in ("v1", "v2"):  # as Docker wrote its Hub
        path = ""
    if host in ("index.docker.io", "registry-1.docker.io"):
        host = references.DOCKER_HUB
    try:
        meant = references.parse(f"{host}/{path or 'x'}")
    except InvalidInput:
        meant = None
    if meant is None or meant.domain != host or meant.tag or meant.digest:
        raise InvalidInput(f"{server[:200]!r} is no registry", hint="it is written HOST[:PORT]")
    return host, path
