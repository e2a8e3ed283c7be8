"""ServeSettings: how a store is served."""

from __future__ import annotations

from typing import NamedTuple


class ServeSettings(NamedTuple):
    """How to serve. `host` "" is every address of this machine; port 0 is any that is free.

    `certificate` and `key` are files for TLS, `htpasswd` the file with users, "" for none. `expiry` is how
    long uploads stay of which nothing is heard, in seconds. `verbose` tells every request.
    """

    host: str = "127.0.0.1"
    port: int = 5000
    certificate: str = ""
    key: str = ""
    htpasswd: str = ""
    anonymous_pull: bool = False
    read_only: bool = False
    verbose: bool = False
    expiry: float = 3600.0
