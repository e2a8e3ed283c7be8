"""What a build's own secrets, SSH keys and proxies are to the servers that it fetches from."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lamina.build.secrets import content_of
from lamina.dockerfile.remotes import host_of, redacted
from lamina.errors import Denied, InvalidInput
from lamina.fetch.exchange import Access
from lamina.fetch.gitprogram import GitAccess
from lamina.graph.scope import PROXY_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.build.request import BuildRequest
    from lamina.dockerfile.remotes import GitSource


def http_access(request: BuildRequest, url: str) -> Access:
    """How a URL's host is reached: with the secret HTTP_AUTH_TOKEN_<host>, or HTTP_AUTH_HEADER_<host>."""
    host = host_of(url)
    token = _secret(request, f"HTTP_AUTH_TOKEN_{host}")
    header = f"Bearer {token}" if token else _secret(request, f"HTTP_AUTH_HEADER_{host}")
    return Access(header, _proxies(request))


def git_access(request: BuildRequest, source: GitSource) -> GitAccess:
    """How a repository is reached: with GIT_AUTH_HEADER or GIT_AUTH_TOKEN, of its host (`.<host>`) or of all.

    Over ssh with what --ssh gives; Denied when it gives nothing.
    """
    remote = source.remote
    if remote.startswith(("http://", "https://")):
        return GitAccess(_git_header(request, urlsplit(remote).netloc.rpartition("@")[2]), _proxies(request))
    if remote.startswith("git://"):
        return GitAccess(proxies=_proxies(request))
    paths = next((given.paths for given in request.ssh if given.id == "default"), ())
    if not paths:
        raise Denied(
            f"cannot fetch {redacted(remote)}: no SSH key is given to the build",
            hint="--ssh default hands in the keys of your ssh agent, --ssh default=FILE a key",
        )
    from lamina.build.agents import is_socket  # only over ssh

    sockets = [path for path in paths if is_socket(path)]
    keys = tuple(path for path in paths if path not in sockets)
    return GitAccess("", _proxies(request), sockets[0] if sockets else "", keys)


def _git_header(request: BuildRequest, host: str) -> str:
    for name, is_token in (
        (f"GIT_AUTH_HEADER.{host}", False),
        (f"GIT_AUTH_TOKEN.{host}", True),
        ("GIT_AUTH_HEADER", False),
        ("GIT_AUTH_TOKEN", True),
    ):
        found = _secret(request, name)
        if found and is_token:
            return "basic " + base64.b64encode(f"x-access-token:{found}".encode()).decode()
        if found:
            return found
    return ""


def _secret(request: BuildRequest, name: str) -> str:
    """A secret of the build as text, without the line end that files have; "" when there is none."""
    for secret in request.secrets:
        if secret.id != name:
            continue
        found = content_of(secret).decode("latin-1").strip()
        if not all(" " <= char <= "~" for char in found):
            raise InvalidInput(
                f"the secret {name} is no header: it has line breaks, or characters that are not ASCII"
            )
        return found
    return ""


def _proxies(request: BuildRequest) -> Mapping[str, str]:
    """Those of --build-arg; what the caller itself was given counts where they say nothing."""
    given = {name: value for name, value in request.build_args.items() if name in PROXY_NAMES}
    own = {name: value for name, value in request.proxies.items() if name in PROXY_NAMES}
    return {**own, **given}
