"""lamina info: the store and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.template import of_flag

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.info import Info


def configure(command: Command) -> None:
    """Flags of `lamina info`."""
    command.takes("", 0, 0)
    command.option("format", "string", "Format output: json, or a template", "f")


def run(session: Session, args: Args) -> int:
    """Prints what the Engine knows of itself."""
    info = session.engine.info()
    form = args.text("format")
    if form:
        print(of_flag(form).execute(_fields(info)))
        return 0
    print("\n".join(_lines(info)))
    return 0


def _fields(info: Info) -> dict[str, object]:
    """The facts under the names that `docker info` has for them."""
    counts = info.counts
    return {
        "Containers": counts.containers,
        "ContainersRunning": counts.running,
        "ContainersPaused": 0,
        "ContainersStopped": counts.containers - counts.running,
        "Images": counts.images,
        "Layers": counts.layers,
        "Driver": info.snapshotter,
        "DockerRootDir": info.root,
        "Filesystem": info.filesystem,
        "Rootless": info.rootless,
        "IDMap": info.ids,
        "SecurityOptions": ["name=seccomp,profile=builtin", *(["name=rootless"] if info.rootless else [])],
        "KernelVersion": info.kernel,
        "OperatingSystem": info.operating_system,
        "OSType": "linux",
        "Architecture": info.architecture,
        "NCPU": info.cpus,
        "MemTotal": info.memory,
        "ServerVersion": info.version,
        "Tracing": not info.untraced,
        "Untraced": info.untraced,
    }


def _lines(info: Info) -> list[str]:
    counts = info.counts
    return [
        f"Containers: {counts.containers}",
        f" Running: {counts.running}",
        f" Stopped: {counts.containers - counts.running}",
        f"Images: {counts.images}",
        f"Layers: {counts.layers}",
        f"Lamina Version: {info.version}",
        f"Snapshotter: {info.snapshotter}",
        f" Backing Filesystem: {info.filesystem}",
        f"Traced Steps: {f'no: {info.untraced}' if info.untraced else 'yes'}",
        f"Root: {info.root}",
        f"Rootless: {'true' if info.rootless else 'false'}",
        f" User IDs: {info.ids}",
        f"Kernel Version: {info.kernel}",
        f"Operating System: {info.operating_system}",
        f"Architecture: {info.architecture}",
        f"CPUs: {info.cpus}",
        f"Total Memory: {info.memory / 2**30:.4g}GiB",
    ]
