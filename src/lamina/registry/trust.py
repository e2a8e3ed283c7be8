"""certs.d: which certificates a registry may show, and which one we show it, as Docker and Podman keep them.

In certs.d/HOST[:PORT], NAME.crt is a CA that its certificate may be signed by; NAME.cert and NAME.key are our
own certificate for it, and the key.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.errors import Denied, InvalidInput
from lamina.fetch.connections import Trust
from lamina.registry import endpoints

if TYPE_CHECKING:
    from lamina.registry.endpoints import Endpoint
    from lamina.registry.settings import Settings


def trust_of(host: str, settings: Settings, *, insecure: bool = False) -> Trust:
    """How far host[:port] is believed: by its folder, by what settings say of it, or by the caller.

    A local host may have any certificate, unless there is a CA for it. Of several folders the first counts,
    alone. InvalidInput, Denied.
    """
    authorities, identities = _kept(host, settings)
    insecure = insecure or settings.rule_for(host).insecure
    anything = insecure or (endpoints.is_local(host) and not authorities)
    return Trust(not anything, authorities, identities)


def may_be_plain(endpoint: Endpoint, settings: Settings) -> bool:
    """Whether a place may be asked without TLS: it is said so, or it is this machine and has no CA here."""
    if endpoint.insecure:
        return True
    return endpoints.is_local(endpoint.host) and not _kept(endpoint.host, settings)[0]


def _kept(host: str, settings: Settings) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    for place in settings.certificates:
        if "/" in host or host in ("", ".", ".."):
            break
        folder = f"{place}/{host}"
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise Denied(f"cannot read {folder}: {error.strerror}") from None
        return _in(folder, names)
    return (), ()


def _in(folder: str, names: list[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    authorities = tuple([f"{folder}/{name}" for name in names if name.endswith(".crt")])
    certificates = [name.removesuffix(".cert") for name in names if name.endswith(".cert")]
    keys = [name.removesuffix(".key") for name in names if name.endswith(".key")]
    for name in certificates:
        if name not in keys:
            raise InvalidInput(f"{folder}/{name}.cert has no key {name}.key", hint="a CA is named NAME.crt")
    for name in keys:
        if name not in certificates:
            raise InvalidInput(f"{folder}/{name}.key has no certificate {name}.cert")
    return authorities, tuple([(f"{folder}/{name}.cert", f"{folder}/{name}.key") for name in certificates])
