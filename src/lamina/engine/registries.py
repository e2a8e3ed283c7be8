"""settings: which files say what about registries, and what the environment says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.registry.settings import Places, Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_YES = frozenset({"1", "true", "yes", "on"})
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def settings(environ: Mapping[str, str]) -> Settings:
    """What this machine and its user say. InvalidInput for a file that makes no sense, Denied."""
    proxies = {name: value for name, value in environ.items() if name.upper() in _PROXIES}
    offline = environ.get("LAMINA_OFFLINE", "").lower() in _YES
    found = read_settings(places(environ), offline=offline, proxies=proxies)
    return found._replace(helpers=environ.get("PATH", os.defpath), home=environ.get("HOME", ""))


def places(environ: Mapping[str, str]) -> Places:
    """The files to read, a user's own first.

    LAMINA_REGISTRIES names the only registries.toml, CONTAINERS_REGISTRIES_CONF the only registries.conf,
    and REGISTRY_AUTH_FILE the only credentials, as they do for Podman.
    """
    home = environ.get("HOME", "")
    config = environ.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    users = [f"{config}/lamina/registries.toml"] if config else []
    users_podman = [f"{config}/containers/registries.conf"] if config else []
    ours = environ.get("LAMINA_REGISTRIES")
    podman = environ.get("CONTAINERS_REGISTRIES_CONF")
    return Places(
        ours=[ours] if ours else [*users, "/etc/lamina/registries.toml"],
        podman=[podman] if podman else [*users_podman, "/etc/containers/registries.conf"],
        docker=["/etc/docker/daemon.json"],
        credentials=_credentials(environ, home, config),
        certificates=_certificates(config),
    )


def _certificates(config: str) -> list[str]:
    """A user's own folders of certificates, then Podman's and Docker's."""
    users = [f"{config}/containers/certs.d", f"{config}/docker/certs.d"] if config else []
    return [*users, "/etc/containers/certs.d", "/etc/docker/certs.d"]


def _credentials(environ: Mapping[str, str], home: str, config: str) -> list[str]:
    """Podman's places, then Docker's."""
    if environ.get("REGISTRY_AUTH_FILE"):
        return [environ["REGISTRY_AUTH_FILE"]]
    found = []
    if environ.get("XDG_RUNTIME_DIR"):
        found.append(environ["XDG_RUNTIME_DIR"] + "/containers/auth.json")
    elif os.geteuid() == 0:
        found.append("/run/containers/0/auth.json")
    if config:
        found.append(config + "/containers/auth.json")
    docker = environ.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else "")
    return [*found, docker + "/config.json"] if docker else found
