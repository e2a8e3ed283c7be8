"""Credentials as Docker and Podman keep them: config.json and auth.json, and the helpers that these name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, cast

from lamina.errors import Denied, InvalidInput
from lamina.registry.settings import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lamina.registry.settings import Settings

_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HUB_KEY = "https://index.docker.io/v1/"  # what Docker calls its Hub in config.json
_TOKEN_USER = "<token>"  # a helper's word for: this is an identity token
_PATIENCE = 30  # seconds for a helper


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
        except (AttributeError, TypeError, ValueError):  # its text is secret
            raise InvalidInput(f"{place}: cannot be understood", hint="log in again") from None
        if found is not None:
            return found
    return None


def _in_auths(document: Mapping[str, object], host: str, path: str) -> Credentials | None:
    """The entry for the repository, the part of the registry around it, or the registry."""
    auths = cast("dict[str, Mapping[str, object]]", document.get("auths") or {})
    entries = {_bare(key): value for key, value in auths.items()}
    for key in _keys(host, path):
        entry = entries.get(key)
        if entry:
            found = _of_entry(entry)
            if found is not None:
                return found
    return None


def _keys(host: str, path: str) -> Iterator[str]:
    hosts = (host, *sorted(_HUB - {host})) if host in _HUB else (host,)
    for name in hosts:
        parts = path.split("/")
        for count in range(len(parts), -1, -1):
            yield "/".join([name, *parts[:count]])


def _bare(key: str) -> str:
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
    helpers = cast("dict[str, str]", document.get("credHelpers") or {})
    names = sorted(_HUB) if host in _HUB else [host]
    name = next((helpers[each] for each in names if each in helpers), document.get("credsStore"))
    if not name:
        return None
    return _ask_helper(str(name), _HUB_KEY if host in _HUB else host, settings)


def _ask_helper(name: str, server: str, settings: Settings) -> Credentials | None:
    """`docker-credential-NAME get`. None when it knows nothing of the server."""
    import shutil  # only where helpers are used
    import subprocess

    program = shutil.which(f"docker-credential-{name}", path=settings.helpers) if "/" not in name else None
    if program is None:
        raise Denied(f"credential helper docker-credential-{name} is not installed", hint="is it in PATH?")
    environ = {"PATH": settings.helpers, "HOME": settings.home}
    try:
        done = subprocess.run(
            [program, "get"],
            input=server.encode(),
            capture_output=True,
            env=environ,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        what = "takes too long" if isinstance(error, subprocess.TimeoutExpired) else error.strerror
        raise Denied(f"credential helper docker-credential-{name}: {what}") from None
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        if "not found" in said:
            return None
        raise Denied(f"credential helper docker-credential-{name} failed: {said[:200]}")
    found = json.loads(done.stdout)
    user, secret = str(found.get("Username", "")), str(found.get("Secret", ""))
    if user == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(user, secret) if user else None
