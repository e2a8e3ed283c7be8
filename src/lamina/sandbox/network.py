"""The network of a process: its loopback device, and the files in /etc that name hosts."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.sandbox.spec import ProcessSpec

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1
_IFREQ = struct.Struct("=16sH22x")

_LOCAL_HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def loopback_up() -> None:
    """Switch on `lo`, the only device of a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name, flags = _IFREQ.unpack(fcntl.ioctl(control, _SIOCGIFFLAGS, _IFREQ.pack(b"lo", 0)))
        fcntl.ioctl(control, _SIOCSIFFLAGS, _IFREQ.pack(name, flags | _IFF_UP))


def files(spec: ProcessSpec) -> dict[str, bytes]:
    """What /etc/resolv.conf, /etc/hosts and /etc/hostname hold for the run, by their names."""
    hostname = spec.hostname or os.uname().nodename
    return {
        "resolv.conf": _host_file("/etc/resolv.conf"),
        "hosts": _hosts(spec, hostname),
        "hostname": os.fsencode(hostname) + b"\n",
    }


def _hosts(spec: ProcessSpec, hostname: str) -> bytes:
    text = _LOCAL_HOSTS.encode()
    if spec.network == "host":
        text = _host_file("/etc/hosts") or text
        if not text.endswith(b"\n"):
            text += b"\n"
    rows = [f"{address}\t{name}\n" for name, address in spec.extra_hosts]
    if os.fsencode(hostname) not in text.split():
        rows.append(f"127.0.0.1\t{hostname}\n")
    return text + os.fsencode("".join(rows))


def _host_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
