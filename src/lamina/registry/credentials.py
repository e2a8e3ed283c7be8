"""Credentials as Docker and Podman keep them: config.json and auth.json, and the helpers that these name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, cast

from lamina.errors import InvalidInput
from lamina.registry import helpers
from lamina.registry.settings import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lamina.registry.settings import Settings

HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HUB_KEY = "https://index.docker.io/v1/"  # what Docker calls its Hub in config.json
TOKEN_USER = "<token>"  # a helper's word for: this is an identity token


class Credentials(NamedTuple):
    """A user with a password, or an identity token (Docker's name for an OAuth2 refresh token)."""

    user: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"  # for no log and no traceback


def credentials_for(host: str, path: str, settings: Settings) -> Credentials | None:
    """What is kept for the repository `path` of a registry, the first file that knows it; None for none.

    InvalidInput for a file that cannot be understood, Denied for a helper that fails.
    """
    for place in settings.credentials:
        data = read(place)
        if data is None:
            continue
        try:
            document = json.loads(data)
            found = _in_helper(document, host, settings) or _in_auths(document, host, path)
        except (AttributeError, TypeError, ValueError, RecursionError):  # its text is secret
            raise InvalidInput(f"{place}: cannot be understood", hint="log in again") from None
        if found is not None:
            return found
    return None


def _in_auths(document: Mapping[str, object], host: str, path: str) -> Credentials | None:
    """The entry for the repository, the part of the registry around it, or the registry."""
    auths = cast("dict[str, Mapping[str, object]]", document.get("auths") or {})
    entries = {bare(key): value for key, value in auths.items()}
    for key in _keys(host, path):
        entry = entries.get(key)
        if entry:
            found = _of_entry(entry)
            if found is not None:
                return found
    return None


def _keys(host: str, path: str) -> Iterator[str]:
    hosts = (host, *sorted(HUB - {host})) if host in HUB else (host,)
    for name in hosts:
        parts = path.split("/")
        for count in range(len(parts), -1, -1):
            yield "/".join([name, *parts[:count]])


def bare(key: str) -> str:
    """A key without what old versions of Docker wrote around the host."""
    key = key.partition("://")[2] if "://" in key else key
    return key.removesuffix("/").removesuffix("/v1").removesuffix("/v2").removesuffix("/")


def _of_entry(entry: Mapping[str, object]) -> Credentials | None:
    import base64

    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    token = str(entry.get("identitytoken") or "")
    if entry.get("auth"):
        user, _, password = base64.b64decode(str(entry["auth"]), validate=True).decode().partition(":")
        password = password.rstrip("\0")
    return Credentials(user, password, token) if user or token else None


def _in_helper(document: Mapping[str, object], host: str, settings: Settings) -> Credentials | None:
    """What the program says that the file names for this registry, or for all."""
    name = helper_of(document, host)
    return _ask_helper(name, server_of(host), settings) if name else None


def helper_of(document: Mapping[str, object], host: str) -> str:
    """The program that a file names for a registry, or for all; "" for none."""
    named = cast("dict[str, str]", document.get("credHelpers") or {})
    names = sorted(HUB) if host in HUB else [host]
    return str(next((named[each] for each in names if each in named), document.get("credsStore") or ""))


def server_of(host: str) -> str:
    """What Docker calls a registry in its file, and where it speaks with helpers."""
    return _HUB_KEY if host in HUB else host


def _ask_helper(name: str, server: str, settings: Settings) -> Credentials | None:
    """`docker-credential-NAME get`. None when it knows nothing of the server."""
    answer = helpers.call(name, "get", server, settings)
    if answer is None:
        return None
    found = json.loads(answer)
    user, secret = str(found.get("Username", "")), str(found.get("Secret", ""))
    if user == TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(user, secret) if user else None
