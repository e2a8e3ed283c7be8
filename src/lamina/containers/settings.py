"""Settings: how a container is run, decided once from its image and its request, and kept in its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.errors import InvalidInput
from lamina.oci import canonical
from lamina.oci.config import ContainerConfig, container_from_json

if TYPE_CHECKING:
    from lamina.containers.request import RunRequest

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHM_SIZE = 64 << 20  # bytes of /dev/shm where nobody says it
_MAX_SIZE = 16 << 20


class Settings(NamedTuple):
    """Everything that a start needs. `config` is the image's with what the request changed, as Docker keeps
    it: what `commit` gives to the new image.
    """

    config: ContainerConfig
    hostname: str
    network: str
    read_only: bool
    interactive: bool
    tty: bool
    volumes: tuple[str, ...]
    remove: bool
    add_hosts: tuple[tuple[str, str], ...] = ()
    shm_size: int = SHM_SIZE
    ulimits: tuple[tuple[str, int, int], ...] = ()
    tmpfs: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()  # mount points that the runtime made (os.fsdecode)

    @property
    def args(self) -> tuple[str, ...]:
        """The command line."""
        return self.config.entrypoint + self.config.cmd

    def environment(self) -> dict[str, str]:
        """The variables of the process, in Docker's order."""
        env = {"PATH": DEFAULT_PATH, "HOSTNAME": self.hostname}
        if self.tty:
            env["TERM"] = "xterm"
        for item in self.config.env:
            name, has_value, value = item.partition("=")
            if has_value:
                env[name] = value
            else:
                env.pop(name, None)
        return env

    def to_text(self) -> str:
        """For the row of the container: `Config` and `HostConfig` as `docker inspect` names them."""
        config = {
            "Hostname": self.hostname,
            "Tty": self.tty,
            "OpenStdin": self.interactive,
            **self.config.to_json(),
        }
        host = {
            "Binds": list(self.volumes),
            "NetworkMode": self.network,
            "ReadonlyRootfs": self.read_only,
            "AutoRemove": self.remove,
            "ExtraHosts": [f"{name}:{address}" for name, address in self.add_hosts],
            "ShmSize": self.shm_size,
            "Ulimits": [{"Name": name, "Hard": hard, "Soft": soft} for name, soft, hard in self.ulimits],
            "Tmpfs": dict(text.partition(":")[::2] for text in self.tmpfs),
        }
        return canonical.dumps({"Config": config, "HostConfig": host, "Stubs": list(self.stubs)}).decode()


def merge(image: ContainerConfig, request: RunRequest, container_id: str) -> Settings:
    """The image's config with what the request says instead, by Docker's rules. InvalidInput."""
    if request.network not in ("host", "none"):
        raise InvalidInput(
            f"network {request.network} not found", hint="Lamina knows the networks host and none"
        )
    entrypoint, command = image.entrypoint, request.command or image.cmd
    if request.entrypoint is not None:
        # Another entry point does not get the arguments that the image meant for its own.
        entrypoint, command = tuple(filter(None, request.entrypoint)), request.command
    if not entrypoint and not command:
        raise InvalidInput("no command specified", hint="give one after the image's name")
    if request.workdir and not request.workdir.startswith("/"):
        raise InvalidInput(
            f"the working directory '{request.workdir}' is invalid, it needs to be an absolute path"
        )
    config = image._replace(
        entrypoint=entrypoint,
        cmd=command,
        env=_merge_env(image.env, request.env),
        user=request.user or image.user,
        working_dir=request.workdir or image.working_dir,
    )
    return Settings(
        config=config,
        hostname=request.hostname or container_id[:12],
        network=request.network,
        read_only=request.read_only,
        interactive=request.interactive,
        tty=request.tty,
        volumes=request.volumes,
        remove=request.remove,
        add_hosts=request.add_hosts,
        shm_size=request.shm_size or SHM_SIZE,
        ulimits=request.ulimits,
        tmpfs=request.tmpfs,
    )


def parse(text: str) -> Settings:
    """What `Settings.to_text` wrote."""
    value = canonical.loads(text.encode(), "the settings of a container", max_size=_MAX_SIZE)
    assert isinstance(value, dict)
    config, host = value["Config"], value["HostConfig"]
    ours = {"Hostname", "Tty", "OpenStdin"}
    return Settings(
        config=container_from_json({name: item for name, item in config.items() if name not in ours}),
        hostname=config["Hostname"],
        network=host["NetworkMode"],
        read_only=host["ReadonlyRootfs"],
        interactive=config["OpenStdin"],
        tty=config["Tty"],
        volumes=tuple(host["Binds"]),
        remove=host["AutoRemove"],
        **_limits(host),
        stubs=tuple(value["Stubs"]),
    )


def _limits(host: dict[str, Any]) -> dict[str, Any]:
    """What rows of older versions do not have."""
    hosts = [text.partition(":")[::2] for text in host.get("ExtraHosts") or ()]
    ulimits = [(limit["Name"], limit["Soft"], limit["Hard"]) for limit in host.get("Ulimits") or ()]
    tmpfs = [f"{path}:{options}" if options else path for path, options in host.get("Tmpfs", {}).items()]
    return {
        "add_hosts": tuple(hosts),
        "shm_size": host.get("ShmSize", SHM_SIZE),
        "ulimits": tuple(ulimits),
        "tmpfs": tuple(tmpfs),
    }


def _merge_env(image: tuple[str, ...], request: tuple[str, ...]) -> tuple[str, ...]:
    """The request's variables, the last one of a name counting, then the image's others."""
    mine = {item.partition("=")[0]: item for item in request}
    others = [item for item in image if item.partition("=")[0] not in mine]
    return (*mine.values(), *others)
