"""serve: a store as a registry, from its settings to its end."""

from __future__ import annotations

import ipaddress
import threading
import time
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput, LaminaError
from lamina.events import Notice
from lamina.fetch.stopping import NeverStops, Stop
from lamina.serving.app import App
from lamina.serving.expiry import expire
from lamina.serving.gate import Gate
from lamina.serving.htpasswd import Htpasswd
from lamina.serving.server import Server, tls_context
from lamina.serving.shelf import Shelf
from lamina.serving.site import Site
from lamina.serving.taking import Taker
from lamina.serving.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.serving.messages import Request, Response
    from lamina.serving.settings import ServeSettings

_TICK = 5.0  # seconds between two looks for what is to be cleaned up
_SWEEP = 3600.0


def serve(
    ctx: Layers,
    settings: ServeSettings,
    observer: Observer,
    until: int | None = None,
    collect: Callable[[], object] | None = None,
) -> None:
    """Serves until the descriptor `until` can be read. The first thing told is `listening on URL`.

    `collect` removes what nothing refers to; it is called after something was deleted.
    NotFound, InvalidInput, Denied, Conflict for settings that cannot be; later only clients get errors.
    """
    _check(settings)
    users = Htpasswd(settings.htpasswd) if settings.htpasswd else None
    tls = tls_context(settings.certificate, settings.key) if settings.certificate else None
    stop = Stop(NeverStops(), "the registry ends")
    shelf, uploads = Shelf(ctx), Uploads(ctx)
    keeper = _Keeper(ctx, uploads, settings.expiry, collect)
    site = Site(ctx, shelf, uploads, Taker(ctx, shelf, stop.check), keeper.note_deletion)
    app = App(site, Gate(users, anonymous_pull=settings.anonymous_pull), read_only=settings.read_only)
    log = _Log(observer, verbose=settings.verbose)
    server = Server(settings.host, settings.port, tls, app, log, until)
    observer(Notice(f"listening on {server.address}"))
    for warning in _warnings(settings):
        observer(Notice(warning))
    with ctx.lease.idle():  # what requests write has leases of its own
        keeper.start()
        try:
            server.serve(stop.set)
        finally:
            keeper.end()
            uploads.close()


def _check(settings: ServeSettings) -> None:
    if bool(settings.certificate) != bool(settings.key):
        raise InvalidInput("TLS needs a certificate and its key", hint="give both --tls-cert and --tls-key")
    if settings.anonymous_pull and not settings.htpasswd:
        raise InvalidInput(
            "without users anybody may pull and push already",
            hint="name the file with users: --htpasswd FILE",
        )


def _warnings(settings: ServeSettings) -> list[str]:
    if _is_loopback(settings.host):
        return []
    if not settings.htpasswd and not settings.read_only:
        return ["warning: whoever reaches this address may push; --htpasswd FILE asks for users"]
    if settings.htpasswd and not settings.certificate:
        return ["warning: passwords can be read on the way; --tls-cert and --tls-key encrypt"]
    return []


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Keeper:
    """A thread that ends old uploads, and clears away after deletions."""

    def __init__(
        self, ctx: Layers, uploads: Uploads, expiry: float, collect: Callable[[], object] | None
    ) -> None:
        self._ctx = ctx
        self._uploads = uploads
        self._expiry = expiry
        self._collect = collect
        self._over = threading.Event()
        self._deleted = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def note_deletion(self) -> None:
        """Something was deleted: its bytes can go."""
        self._deleted.set()

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def end(self) -> None:
        """Ends, after what it does just now."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        swept = 0.0
        while True:
            try:
                self._uploads.expire(self._expiry)
                if not swept or time.monotonic() - swept > _SWEEP:
                    expire(self._ctx)
                    swept = time.monotonic()
                if self._deleted.is_set() and self._collect is not None:
                    self._deleted.clear()
                    expire(self._ctx)
                    self._collect()
            except (LaminaError, OSError):
                pass  # a full disk, another process that has the database: the next time, then
            if self._over.wait(min(_TICK, self._expiry)):
                self._ctx.db.close()  # this thread's connection
                return


class _Log:
    """Tells of requests: of all, or of those that failed by our fault or were not wholly done. No secrets."""

    def __init__(self, observer: Observer, *, verbose: bool) -> None:
        self._tell = observer
        self._verbose = verbose

    def __call__(self, request: Request, response: Response, seconds: float) -> None:
        if not self._verbose and response.status < 500 and not response.note:
            return
        what = f'{request.peer} "{request.method} {_printable(request.path)}"'
        text = f"{what} {response.status} {response.size} {seconds:.3f}s"
        self._tell(Notice(f"{text}: {response.note}" if response.note else text))


def _printable(text: str) -> str:
    """A path without its query, in which a token may stand, and without what draws on a terminal."""
    path = text.partition("?")[0]
    return "".join([char if char.isprintable() and char not in ' "' else "?" for char in path])[:300]
