"""Authority: what a registry wants to see before it answers: nothing, Basic, or a token (Bearer).

Distribution's token protocol: a 401 names a realm, which gives a token for a scope to whoever may have it,
also to nobody in particular.
"""

from __future__ import annotations

import base64
import json
from _thread import allocate_lock
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from lamina.dockerfile.remotes import host_of, is_http
from lamina.errors import Denied
from lamina.fetch.ask import Answer, ask
from lamina.fetch.exchange import Access, Request
from lamina.registry.failures import LOGIN, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.fetch.connections import Connections
    from lamina.fetch.stopping import Stopper
    from lamina.registry.credentials import Credentials

_LIMIT = 1 << 20  # bytes of an answer with a token
_CLIENT = "lamina"
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


class Authority:
    """For one repository of one registry; threads may ask at once."""

    def __init__(
        self,
        name: str,
        scope: str,
        connections: Connections,
        find: Callable[[], Credentials | None],
        stopper: Stopper,
    ) -> None:
        """`name` is the repository's, for messages; `find` is asked when a registry wants credentials.

        A token is for `scope`, for what has been added with `also`, and for what the registry asks for.
        """
        self._name = name
        self._scopes: dict[str, set[str]] = {}
        _add(self._scopes, scope)
        self._connections = connections
        self._find = find
        self._stopper = stopper
        self._lock = allocate_lock()
        self._value = ""  # of the header Authorization

    def access(self, url: str) -> Access:
        """How something at `url` is asked for."""
        return Access(self._value, challenged=lambda challenge, used: self._answer(challenge, used, url))

    def also(self, scope: str) -> None:
        """From now on a token is for this scope too: `repository:PATH:ACTION,ACTION`."""
        with self._lock:
            if _add(self._scopes, scope) and self._value.startswith("Bearer "):
                self._value = ""  # the registry will say again where tokens come from

    def forget(self, scope: str) -> None:
        """Tokens are not for this resource any more: we may not have it."""
        with self._lock:
            self._scopes.pop(scope.rpartition(":")[0], None)

    def _answer(self, challenge: str, used: str, url: str) -> str:
        """The value to try with after a 401 to `used`; "" when there is none."""
        with self._lock:
            if self._value not in ("", used):
                return self._value  # another thread has a newer one
            asked = parse_challenges(challenge)
            if "bearer" in asked:
                self._value = self._token(asked["bearer"], url)
            elif "basic" in asked and not used:
                found = self._find()
                self._value = _basic(found) if found is not None and found.user else ""
            else:
                self._value = ""
            return self._value

    def _token(self, asked: Mapping[str, str], url: str) -> str:
        realm = asked.get("realm", "")
        if not is_http(realm) or not host_of(realm):
            raise Denied(f"{host_of(url)} wants a token, and does not say where to get it: {realm[:200]!r}")
        found = self._find()
        if found is not None and urlsplit(url).scheme == "https" and urlsplit(realm).scheme != "https":
            raise Denied(f"{host_of(url)} wants our password sent to {host_of(realm)} without TLS")
        for scope in asked.get("scope", "").split():
            _add(self._scopes, scope)
        scopes = [_scope(name, actions) for name, actions in self._scopes.items()]
        answer = self._ask(realm, asked.get("service", ""), scopes, found)
        if not answer.ok:
            raise Denied(
                f"{self._name}: {host_of(realm)} gives no token: {told(answer)}",
                hint=LOGIN,
            )
        try:
            body = json.loads(answer.body)
            token = body.get("token") or body.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            token = None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Denied(f"{self._name}: what {host_of(realm)} gives is no token")
        return "Bearer " + token

    def _ask(self, realm: str, service: str, scopes: list[str], found: Credentials | None) -> Answer:
        """By GET with user and password, or by POST with an identity token (OAuth2)."""
        shown = f"a token for {self._name}"
        if found is not None and found.identity_token:
            fields = {"service": service, "scope": " ".join(scopes), "client_id": _CLIENT}
            fields |= {"grant_type": "refresh_token", "refresh_token": found.identity_token}
            body = urlencode(fields).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            request = Request(realm, "POST", headers, body, shown)
            access = Access()
        else:
            pairs = [("service", service)] if service else []
            pairs += [("scope", scope) for scope in scopes]
            request = Request(realm + ("&" if "?" in realm else "?") + urlencode(pairs), shown=shown)
            access = Access(_basic(found) if found is not None else "")
        return ask(request, access, limit=_LIMIT, stopper=self._stopper, connections=self._connections)


def _scope(resource: str, actions: set[str]) -> str:
    return f"{resource}:{','.join(sorted(actions))}" if actions else resource


def _add(scopes: dict[str, set[str]], scope: str) -> bool:
    """Adds the actions of a scope to those of its resource; whether some are new."""
    if not scope:
        return False
    resource, colon, actions = scope.rpartition(":")
    if not colon:
        resource, actions = scope, ""
    known = scopes.setdefault(resource, set())
    before = len(known)
    known.update(action for action in actions.split(",") if action)
    return len(known) > before


def _basic(found: Credentials) -> str:
    return "Basic " + base64.b64encode(f"{found.user}:{found.password}".encode()).decode()


def parse_challenges(text: str) -> dict[str, dict[str, str]]:
    """WWW-Authenticate (RFC 9110, 11.6.1): the parameters of each scheme, both in small letters."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    at = 0
    while at < len(text):
        if text[at] not in _NAME:
            at += 1
            continue
        end = at
        while end < len(text) and text[end] in _NAME:
            end += 1
        word, at = text[at:end].lower(), end
        if text[at : at + 1] != "=":
            current = found.setdefault(word, {})
            continue
        value, at = _value(text, at + 1)
        current[word] = value
    return found


def _value(text: str, at: int) -> tuple[str, int]:
    """A value, quoted or not, and where it ends."""
    if text[at : at + 1] != '"':
        end = at
        while end < len(text) and text[end] not in ", \t":
            end += 1
        return text[at:end], end
    at += 1
    value = ""
    while at < len(text) and text[at] != '"':
        at += text[at] == "\\"
        value += text[at : at + 1]
        at += 1
    return value, at + 1
