"""Gate: who may do what. Users come from htpasswd and may do all; others may read, if that is wanted.

Where anybody may read, clients are asked for a token (Docker's token authentication) and not for a password:
most cannot ask without one first, and with one later on.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import time
from typing import TYPE_CHECKING

from lamina.oci import canonical
from lamina.serving.failures import UNAUTHORIZED, UNSUPPORTED, Failure
from lamina.serving.messages import Response
from lamina.serving.routes import BASE, ROOT

if TYPE_CHECKING:
    from lamina.serving.htpasswd import Htpasswd
    from lamina.serving.messages import Request
    from lamina.serving.routes import Route

ANYBODY = ""
_LIFE = 300  # seconds of a token
_READING = ("GET", "HEAD")


class Gate:
    """Lets requests pass, or not. Without `users` anybody may do anything."""

    def __init__(self, users: Htpasswd | None, *, anonymous_pull: bool = False) -> None:
        self._users = users
        self._anonymous = anonymous_pull
        self._key = os.urandom(32)

    def check(self, request: Request, route: Route) -> str:
        """The user who asks, "" for anybody. Failure when it must not be done."""
        if self._users is None or route.kind == ROOT:
            return ANYBODY
        user = self._user(request)
        if user:
            return user
        shows_token = user is not None
        if self._anonymous and request.method in _READING and (shows_token or route.kind != BASE):
            return ANYBODY
        raise self._refusal(request, route)

    def token(self, request: Request) -> Response:
        """What a client shows from now on in place of its password, or of none."""
        if request.method not in _READING:  # OAuth's POST has the password in its body: clients ask again so
            raise Failure(UNSUPPORTED, headers=(("Allow", ", ".join(_READING)),))
        user = self._by_password(request.headers.get("authorization", "")) if self._users else ANYBODY
        if user is None and ("authorization" in request.headers or not self._anonymous):
            raise _basic()
        until = int(time.time()) + _LIFE
        body = {"token": self._signed(user or ANYBODY, until), "expires_in": _LIFE}
        headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
        return Response(200, headers, canonical.dumps({**body, "access_token": body["token"]}))

    def _user(self, request: Request) -> str | None:
        """Who asks: a user, anybody with a token of ours (""), or somebody who shows nothing (None)."""
        text = request.headers.get("authorization", "")
        scheme, _, value = text.partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(value.strip())
        return self._by_password(text)

    def _by_password(self, text: str) -> str | None:
        """The user; None when nothing is shown. Failure when it is wrong."""
        scheme, _, value = text.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _basic() from None
        if not user and not password:  # so some clients say that they have none
            return None
        if self._users is None or not self._users.is_right(user, password):
            raise _basic()
        return user

    def _by_token(self, token: str) -> str | None:
        name, _, rest = token.partition(".")
        until, _, _ = rest.partition(".")
        try:
            user = base64.urlsafe_b64decode(name.encode("ascii")).decode()
            fits = hmac.compare_digest(self._signed(user, int(until)), token)
        except (ValueError, UnicodeError):
            return None
        return user if fits and time.time() < int(until) else None

    def _signed(self, user: str, until: int) -> str:
        said = f"{base64.urlsafe_b64encode(user.encode()).decode()}.{until}"
        return f"{said}.{hmac.digest(self._key, said.encode(), 'sha256').hex()}"

    def _refusal(self, request: Request, route: Route) -> Failure:
        if not self._anonymous:
            return _basic()
        scheme = "https" if request.secure else request.headers.get("x-forwarded-proto", "http")
        host = request.headers.get("host", "localhost")
        said = f'Bearer realm="{_quoted(scheme)}://{_quoted(host)}/v2/token",service="lamina"'
        if route.repository is not None:
            actions = "pull" if request.method in _READING else "pull,push"
            said += f',scope="repository:{_quoted(route.repository.shown)}:{actions}"'
        if "authorization" in request.headers:  # a token, that of anybody, or one that is too old
            said += f',error="{"insufficient_scope" if self._user(request) == ANYBODY else "invalid_token"}"'
        return Failure(UNAUTHORIZED, headers=(("WWW-Authenticate", said),))


def _basic() -> Failure:
    return Failure(UNAUTHORIZED, headers=(("WWW-Authenticate", 'Basic realm="lamina registry"'),))


def _quoted(text: str) -> str:
    """What may stand between quotes in a header."""
    return "".join([char for char in text if char.isascii() and char.isprintable() and char not in '"\\ '])
