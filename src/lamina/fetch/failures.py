"""How fetching fails: FetchFailed, and what each kind of failure is called."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from lamina.dockerfile.remotes import host_of
from lamina.errors import Denied, LaminaError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 200  # characters of what the system says
_ABOUT_NAMES = {
    socket.EAI_NONAME: "no such host",
    socket.EAI_AGAIN: "the name server does not answer",
    socket.EAI_FAIL: "the name server failed",
}


class FetchFailed(LaminaError):
    """A server could not be reached, broke off, or said that it cannot."""

    over_tls = False  # it speaks TLS, and that is where it failed


class NoRanges(LaminaError):
    """The server, or what it redirects to, does not send parts of something: fetch the whole."""


class Retry(Exception):
    """An attempt failed in a way that another one may not; `error` is what to raise when none is left."""

    def __init__(self, error: LaminaError, after: float | None = None, *, progress: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.after = after  # seconds, as the server asked for
        self.progress = progress  # a good deal came before it failed, and need not come again


def of_status(status: int, reason: str, doing: str, host: str) -> LaminaError:
    """What to raise for an answer that is none of success; `doing` is "fetch URL"."""
    message = f"cannot {doing}: {host} answered {status} {reason}".rstrip()
    if status in (404, 410):
        return NotFound(message, hint="is the URL right?")
    if status in (401, 403, 407):
        name = host_of(f"http://{host}")  # secrets are not named by a port
        hint = f"for a token: --secret id=HTTP_AUTH_TOKEN_{name},env=NAME (or HTTP_AUTH_HEADER_{name})"
        return Denied(message, hint=hint)
    return FetchFailed(message)


def of_exception(error: Exception, doing: str, host: str) -> tuple[FetchFailed, bool]:
    """What to raise when there was no answer, or only a part, and whether another attempt makes sense."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLError):
            return _of_tls(cause, doing, host)
        if isinstance(cause, socket.gaierror):
            number = cause.errno or 0
            what = _ABOUT_NAMES.get(number, cause.strerror or "name not found")
            return _failed(doing, f"cannot look up {host}: {what}"), number == socket.EAI_AGAIN
        if isinstance(cause, ConnectionRefusedError):
            return _failed(doing, f"{host}: connection refused"), False
        if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return _failed(doing, f"{host}: no answer in time"), True
    cause = next(iter(causes(error)))
    said = " ".join(str(cause).split())[:_LONGEST]  # it may quote what was sent
    return _failed(doing, f"{host}: the connection broke: {said or type(cause).__name__}"), True


def _of_tls(error: ssl.SSLError, doing: str, host: str) -> tuple[FetchFailed, bool]:
    if isinstance(error, ssl.SSLCertVerificationError):
        where = f"a registry's own CA goes into certs.d/{host}/ca.crt; SSL_CERT_FILE names a file for all"
        failed = _failed(doing, f"{host}: certificate not trusted: {error.verify_message}", where)
        failed.over_tls = True
        return failed, False
    reason = error.reason or ""
    hint: str | None = None
    if "CERTIFICATE" in reason:
        hint = (
            f"a registry that wants to see one of ours finds it in certs.d/{host}: client.cert and client.key"
        )
    elif reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        hint = (
            "does it speak TLS at all? `insecure = true` in registries.toml is for a registry that does not"
        )
    failed = _failed(doing, f"{host}: TLS: {reason or error}", hint)
    failed.over_tls = "ALERT" in reason
    broken = isinstance(error, ssl.SSLEOFError) or "BAD_RECORD" in reason or "DECRYPTION" in reason
    return failed, broken


def waiting(error: LaminaError, seconds: float) -> LaminaError:
    """The error when a server asks for more patience than we have."""
    hint = f"the server asks to wait {seconds:.0f} seconds: try again then"
    return type(error)(error.message, hint=hint) if type(error) is FetchFailed else error


def _failed(doing: str, what: str, hint: str | None = None) -> FetchFailed:
    return FetchFailed(f"cannot {doing}: {what}", hint=hint)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and what urllib3 keeps in `reason`, the innermost first."""
    found: list[BaseException] = []
    at: object = error
    while isinstance(at, BaseException) and at not in found:
        found.append(at)
        inner = getattr(at, "reason", None)
        arguments = [each for each in at.args if isinstance(each, BaseException)]
        at = inner if isinstance(inner, BaseException) else at.__cause__ or at.__context__
        if at is None and arguments:
            at = arguments[0]
    return reversed(found)
