"""The ports of EXPOSE: `80`, `80/udp`, `8000-8010/tcp`, `[ip:]host:container` as Docker still accepts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROTOCOLS = ("tcp", "udp", "sctp")


def expand_ports(specs: Iterable[str]) -> tuple[str, ...]:
    """Returns every port as `number/protocol`, in order. ValueError says what is wrong with a spec."""
    return tuple(port for spec in specs for port in _expand(spec))


def _expand(spec: str) -> list[str]:
    *outside, inside = spec.rsplit(":", 2)
    number, _, protocol = inside.partition("/")
    if not number:
        raise ValueError(f"no port specified: {spec}<empty>")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    first, last = _range(number, "containerPort")
    _check_outside(outside, number, last - first)
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def _range(text: str, what: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    ends = (first, last) if dash else (first, first)
    if not all(end.isascii() and end.isdigit() and int(end) <= 65535 for end in ends):
        raise ValueError(f"invalid {what}: {text}")
    if int(ends[1]) < int(ends[0]):
        raise ValueError(f"invalid {what}: {text}")
    return int(ends[0]), int(ends[1])


def _check_outside(outside: list[str], inside: str, width: int) -> None:
    """A host port must be a range as wide as the container's; like an address, it has no other effect."""
    host = outside[-1] if outside else ""
    if host:
        first, last = _range(host, "hostPort")
        if last - first != width and width:
            raise ValueError(f"invalid ranges specified for container and host Ports: {inside} and {host}")
    if len(outside) == 2 and outside[0]:
        import ipaddress  # only for `ip:host:container`, which no build of today has

        try:
            ipaddress.ip_address(outside[0].strip("[]"))
        except ValueError:
            raise ValueError(f"invalid IP address: {outside[0]}") from None
