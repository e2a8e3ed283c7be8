"""Containers as the JSON objects of `docker container inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import containerdb, layerdb
from lamina.insight.image_json import NEVER, Json, folders
from lamina.oci import canonical

if TYPE_CHECKING:
    from lamina.db.containerdb import Container
    from lamina.insight.rows import Rows

_MAX_SIZE = 16 << 20  # bytes of a row's settings


def container_json(rows: Rows, container: Container) -> Json:
    """A container, with those of Docker's fields that mean something here."""
    settings = canonical.loads_object(
        container.config_json.encode(), "the settings of a container", max_size=_MAX_SIZE
    )
    config, host = _part(settings, "Config"), _part(settings, "HostConfig")
    args = [*_texts(config, "Entrypoint"), *_texts(config, "Cmd")]
    return {
        "Id": container.id,
        "Created": container.created,
        "Path": args[0] if args else "",
        "Args": args[1:],
        "State": _state(container),
        "Image": container.image_id,
        "Name": f"/{container.name}",
        "RestartCount": 0,
        "Driver": container.snapshotter,
        "Platform": "linux",
        "HostConfig": host,
        "GraphDriver": {"Data": _folders(rows, container), "Name": container.snapshotter},
        "Mounts": [_mount(text) for text in _texts(host, "Binds")],
        "Config": {**config, "Image": container.image_name},
        "NetworkSettings": {"Ports": {}, "Networks": {str(host.get("NetworkMode", "host")): {}}},
    }


def _state(container: Container) -> Json:
    return {
        "Status": container.state,
        "Running": container.state == containerdb.RUNNING,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": container.pid if container.state == containerdb.RUNNING else 0,
        "ExitCode": container.exit_code or 0,
        "Error": "",
        "StartedAt": container.started or NEVER,
        "FinishedAt": container.finished or NEVER,
    }


def _folders(rows: Rows, container: Container) -> Json:
    """The layers of its image below its writable layer."""
    image = [layer.diff_id for layer in layerdb.chain(rows.connection, container.chain_id)]
    below = folders(rows, image)
    lowers = [str(below[name]) for name in ("UpperDir", "LowerDir") if name in below]
    own = rows.layout.snapshot_dir(container.id)
    if container.snapshotter == "native":
        return {"LowerDir": ":".join(lowers), "RootDir": f"{own}/root"}
    return {"LowerDir": ":".join(lowers), "UpperDir": f"{own}/upper", "WorkDir": f"{own}/work"}


def _mount(text: str) -> Json:
    """`HOST:CONTAINER[:OPTIONS]`."""
    source, target, mode = (*text.split(":", 2), "", "")[:3]
    return {
        "Type": "bind",
        "Source": source,
        "Destination": target,
        "Mode": mode,
        "RW": "ro" not in mode.split(","),
        "Propagation": "rprivate",
    }


def _part(document: Json, name: str) -> Json:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _texts(document: Json, name: str) -> list[str]:
    value = document.get(name)
    return [str(item) for item in value] if isinstance(value, list) else []
