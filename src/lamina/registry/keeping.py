"""Keeping: credentials into the files where Docker and Podman look for them, and out of these again."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, NamedTuple, cast

from lamina.errors import Denied, InvalidInput, NoSpace
from lamina.registry import helpers
from lamina.registry.credentials import HUB, TOKEN_USER, bare, credentials_for, helper_of, server_of
from lamina.registry.settings import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.registry.credentials import Credentials
    from lamina.registry.settings import Settings

_PODMANS = "auth.json"  # in which Docker Hub has another key


class Kept(NamedTuple):
    """Where credentials are now: a file, or the helper that it names."""

    place: str
    helper: str = ""


def keep(host: str, path: str, found: Credentials, settings: Settings) -> Kept:
    """Keeps credentials for a registry, or for the part `path` of it.

    In the file that has some for it already, else in Docker's, or with the helper which that file names.
    InvalidInput when there is no place for them, or a file that cannot be understood; Denied, NoSpace.
    """
    place = _place(host, path, settings)
    document = _document(place)
    helper = helper_of(document, host)
    name = _name(place, host, path)
    if helper:
        told = {"ServerURL": server_of(host), "Username": found.user, "Secret": found.password}
        if found.identity_token:
            told |= {"Username": TOKEN_USER, "Secret": found.identity_token}
        helpers.call(helper, "store", json.dumps(told), settings)
    _change(place, document, _without(document, host, path) | {name: {} if helper else _entry(found)})
    return Kept(place, helper)


def forget(host: str, path: str, settings: Settings) -> list[Kept]:
    """Removes what is kept for a registry from every file and helper that has it; where that was.

    InvalidInput for a file that cannot be understood; Denied, NoSpace.
    """
    gone = []
    for place in settings.credentials:
        if read(place) is None:
            continue
        document = _document(place)
        helper = helper_of(document, host)
        known = credentials_for(host, path, settings._replace(credentials=(place,))) is not None
        if known and helper:
            helpers.call(helper, "erase", server_of(host), settings)
        left = _without(document, host, path)
        if left != _auths(document):
            _change(place, document, left)
            known = True
        if known:
            gone.append(Kept(place, helper))
    return gone


def _place(host: str, path: str, settings: Settings) -> str:
    """The first file that knows the registry, so that what is kept is also what counts; else Docker's."""
    if not settings.credentials:
        raise InvalidInput(
            "there is no place to keep credentials", hint="set HOME, DOCKER_CONFIG or REGISTRY_AUTH_FILE"
        )
    for place in settings.credentials:
        document = _document(place)
        if helper_of(document, host) or _without(document, host, path) != _auths(document):
            return place
    return settings.credentials[-1]


def _name(place: str, host: str, path: str) -> str:
    """The key of a registry as the file's own program writes it."""
    name = server_of(host)
    if host in HUB and os.path.basename(place) == _PODMANS:
        name = "docker.io"
    return f"{name}/{path}" if path else name


def _entry(found: Credentials) -> dict[str, str]:
    made = {"auth": base64.b64encode(f"{found.user}:{found.password}".encode()).decode()}
    return made | ({"identitytoken": found.identity_token} if found.identity_token else {})


def _auths(document: Mapping[str, object]) -> dict[str, object]:
    return dict(cast("dict[str, object]", document.get("auths") or {}))


def _without(document: Mapping[str, object], host: str, path: str) -> dict[str, object]:
    """The entries of a file but those for just this registry, or this part of it, however written."""
    meant = {f"{each}/{path}" if path else each for each in (HUB if host in HUB else (host,))}
    return {key: value for key, value in _auths(document).items() if bare(key) not in meant}


def _document(place: str) -> dict[str, object]:
    data = read(place)
    try:
        document = json.loads(data) if data else {}
        if not isinstance(document, dict) or not isinstance(document.get("auths") or {}, dict):
            raise ValueError
    except ValueError:  # its text is secret
        raise InvalidInput(f"{place}: cannot be understood", hint="mend it, or remove it") from None
    return document


def _change(place: str, document: Mapping[str, object], auths: Mapping[str, object]) -> None:
    """Writes the file anew, for its owner's eyes only: complete, or as it was."""
    real = os.path.realpath(place)  # who keeps it as a link wants it to stay one
    temporary = f"{real}.{os.getpid()}.tmp"
    text = json.dumps({**document, "auths": dict(sorted(auths.items()))}, indent="\t", ensure_ascii=False)
    try:
        os.makedirs(os.path.dirname(real), 0o700, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, real)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        import errno

        kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else Denied
        raise kind(f"cannot write {place}: {error.strerror}") from None
