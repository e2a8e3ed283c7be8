"""Connections: kept for the next question, used by several threads; and how far each host is believed."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from lamina.errors import Denied, InvalidInput
from lamina.fetch.headers import credentials
from lamina.fetch.proxies import proxy_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    from urllib3 import BaseHTTPResponse

    from lamina.fetch.watched import Call

_KEPT = 8  # connections to one host
_CONNECT = 20.0  # seconds until a host answers at all; also for what one write to it takes
READ_TIMEOUT = 60.0  # seconds of silence in which an answer counts as lost


class Trust(NamedTuple):
    """How far a host is believed, and what it is shown. `verify` False: any certificate does."""

    verify: bool = True
    authorities: tuple[str, ...] = ()  # files of certificates to trust besides the system's
    identities: tuple[tuple[str, str], ...] = ()  # files: our certificate, and the key to it


class Connections:
    """Connections to hosts, for several threads; `close` ends them.

    `trust` says of each host[:port] how far it is believed; without it all are, as far as the system says.
    """

    def __init__(self, proxies: Mapping[str, str], trust: Callable[[str], Trust] | None = None) -> None:
        self._proxies = proxies
        self._trust = trust
        self._managers: dict[tuple[str | None, Trust | None], Any] = {}
        self._answered: set[str] = set()

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
        patience: float,
        watch: Callable[[Call], AbstractContextManager[None]],
    ) -> BaseHTTPResponse:
        """Asks, and returns the answer before its body. The errors of urllib3; TimeoutError.

        The answer may take `patience` seconds longer than others. `watch` is given what can cut it off.
        Denied, InvalidInput for files of certificates that cannot be used.
        """
        import urllib3  # 60 ms: only for what is fetched

        from lamina.fetch.watched import Call, current

        host = urlsplit(url).netloc.rpartition("@")[2]
        trust = None  # without TLS nobody is asked for a certificate
        if url.lower().startswith("https:"):
            trust = self._trust(host) if self._trust is not None else Trust()
        key = (proxy_for(url, self._proxies), trust)
        manager = self._managers.get(key)
        if manager is None:
            manager = self._managers.setdefault(key, _manager(*key))
        read = READ_TIMEOUT + patience
        timeout = urllib3.Timeout(connect=_CONNECT, read=read)
        options = {"preload_content": False, "redirect": False, "timeout": timeout}
        call = current.call = Call(read)
        try:
            with watch(call):
                answer: BaseHTTPResponse = manager.request(method, url, headers=headers, body=body, **options)
        except Exception:
            if call.expired:
                raise TimeoutError("no answer in time") from None
            raise
        finally:
            current.call = None
        self._answered.add(host)
        return answer

    def has_answered(self, url: str) -> bool:
        """Whether the host has answered before: if it refuses us now, it may be starting anew."""
        return urlsplit(url).netloc.rpartition("@")[2] in self._answered

    def close(self) -> None:
        """Ends what is open."""
        while self._managers:
            self._managers.popitem()[1].clear()


def _manager(proxy: str | None, trust: Trust | None) -> Any:
    """What makes connections: with time-outs and the system's certificates, and nothing done on its own."""
    import urllib3  # loaded already

    from lamina.fetch.watched import POOLS

    options: dict[str, Any] = {"retries": False, "maxsize": _KEPT}
    if trust is not None:
        options["ssl_context"] = _context(trust)
    if proxy is None:
        manager = urllib3.PoolManager(**options)
    else:
        secret = credentials(proxy, proxy, "")
        headers = {"Proxy-Authorization": secret} if secret else None
        manager = urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
    manager.pool_classes_by_scheme = POOLS
    return manager


def _context(trust: Trust) -> ssl.SSLContext:
    if trust.verify:
        context = ssl.create_default_context()
        # Python 3.13 wants more of a CA than most people's own ones say; Docker and Podman do not.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    else:
        import urllib3

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the system's certificates take 18 ms to load
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # whoever asked for it knows
    for path in trust.authorities:
        _load(path, lambda path=path: context.load_verify_locations(path))  # type: ignore[misc]
    for certificate, key in trust.identities:
        _load(certificate, lambda pair=(certificate, key): context.load_cert_chain(*pair, password=""))  # type: ignore[misc]
    return context


def _load(path: str, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise InvalidInput(f"{path}: no certificate that can be used: {error.reason or error}") from None
    except OSError as error:
        raise Denied(f"cannot read {path} or its key: {error.strerror}") from None
