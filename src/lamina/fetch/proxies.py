"""Which proxy a URL is fetched through: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, given as data."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lamina.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping


def proxy_for(url: str, variables: Mapping[str, str]) -> str | None:
    """The URL of the proxy, None to ask the host itself. Names count in any case. Unsupported for SOCKS."""
    given = {name.upper(): value for name, value in variables.items() if value}
    parts = urlsplit(url)
    proxy = given.get(f"{parts.scheme.upper()}_PROXY") or given.get("ALL_PROXY")
    if not proxy or _left_out(parts.hostname or "", parts.port, given.get("NO_PROXY", "")):
        return None
    if "://" not in proxy:
        proxy = "http://" + proxy
    scheme = urlsplit(proxy).scheme
    if scheme not in ("http", "https"):
        raise Unsupported(f"a proxy of the kind {scheme} is not supported", hint="give an HTTP proxy")
    if not urlsplit(proxy).hostname:
        raise InvalidInput(f"invalid proxy {proxy!r}", hint="it is written http://HOST:PORT")
    return proxy


def _left_out(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether NO_PROXY names the host: itself, a domain above it, a network, or `*`."""
    for item in no_proxy.replace(" ", ",").split(","):
        name, colon, its_port = item.rpartition(":")
        if colon and its_port.isdigit() and "]" not in its_port and ":" not in name:
            if port is not None and int(its_port) != port:
                continue
            item = name
        if item == "*" or (item and _matches(host.lower(), item.lower())):
            return True
    return False


def _matches(host: str, item: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        bare = item.removeprefix("*").removeprefix(".")
        return host.endswith("." + bare) or (host == bare and not item.startswith((".", "*")))
    try:
        return address in ipaddress.ip_network(item.strip("[]"), strict=False)
    except ValueError:
        return False
