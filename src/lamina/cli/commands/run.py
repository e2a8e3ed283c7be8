"""lamina run: a container from an image."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from lamina.cli import environment
from lamina.cli.flags import UsageError
from lamina.cli.terminal import raw
from lamina.errors import InvalidInput, NotFound, ProcessFailed, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.containers.request import RunRequest
    from lamina.engine.engine import Engine

_NOT_YET = (
    "annotation attach blkio-weight cap-add cap-drop cgroup-parent cgroupns cidfile cpu-period "
    "cpu-quota cpu-shares cpus cpuset-cpus cpuset-mems detach detach-keys device dns dns-option dns-search "
    "domainname expose gpus group-add health-cmd health-interval health-retries health-timeout init ip ipc "
    "isolation label label-file link log-driver log-opt mac-address memory memory-swap mount network-alias "
    "no-healthcheck oom-kill-disable pid pids-limit privileged publish publish-all restart "
    "runtime security-opt sig-proxy stop-signal stop-timeout storage-opt sysctl userns "
    "uts volume-driver volumes-from a c d l m P"
)
_PORTS = "the container has the host's network: its ports are there without publishing"


def configure(command: Command) -> None:
    """Flags of `lamina run`; they end at the image."""
    command.takes("IMAGE [COMMAND] [ARG...] | --failed [BUILD] [COMMAND] [ARG...]", 0, None)
    command.interspersed = False
    command.switch("before", "With --step or --failed: start from what the step stood on")
    command.option("entrypoint", "string", "Overwrite the default ENTRYPOINT of the image")
    command.option("env", "list", "Set environment variables", "e", many=True)
    command.option("env-file", "list", "Read in a file of environment variables", many=True)
    command.switch("failed", "Start in what the failed step of a build left (default: of the last one)")
    command.option("add-host", "list", "Add a custom host-to-IP mapping (host:ip)", many=True)
    command.option("hostname", "string", "Container host name", "h")
    command.switch("interactive", "Keep STDIN open even if not attached", "i")
    command.option("name", "string", "Assign a name to the container")
    command.option("network", "network", "host (default) or none")
    command.option("net", "network", "The same as --network")
    command.option("platform", "string", "Run the image for this platform (os/architecture[/variant])")
    command.option("pull", "string", "Pull image before running (always, missing, never) (default missing)")
    command.switch("quiet", "Suppress the pull output", "q")
    command.switch("read-only", "Mount the container's root filesystem as read only")
    command.switch("rm", "Automatically remove the container when it exits")
    command.option("shm-size", "bytes", "Size of /dev/shm (default 64m)")
    command.option("snapshotter", "name", "overlay or native")
    command.option("step", "int", "Start in what step N of a build left (default: of the last build)")
    command.option("tmpfs", "list", "Mount a tmpfs directory: CONTAINER[:OPTIONS]", many=True)
    command.switch("tty", "Allocate a pseudo-TTY", "t")
    command.option("ulimit", "list", "Ulimit options (name=soft[:hard])", many=True)
    command.option("user", "string", "Username or UID (format: <name|uid>[:<group|gid>])", "u")
    command.option("volume", "list", "Bind mount a folder or file: HOST:CONTAINER[:ro]", "v", many=True)
    command.option("workdir", "string", "Working directory inside the container", "w")
    command.later(_NOT_YET)
    command.later("publish publish-all p P expose", _PORTS)
    command.details = (
        "With --failed or --step the first word is a build (an ID, or ^N) if it names one, and the rest is "
        "the command: without any, the step's shell."
    )


def run(session: Session, args: Args) -> int:
    """Runs it; the exit code is the process's own."""
    from lamina.containers.stdio import Stdio  # after the flags are known to be right

    session.snapshotter = args.text("snapshotter") or session.snapshotter
    if args.given("failed") or args.given("step"):
        from lamina.cli.commands import run_step  # a rare way to run

        return run_step.run(session, args)
    if args.on("before"):
        raise InvalidInput("--before needs --step or --failed", hint="`lamina run --step N --before`")
    if not args.operands:
        raise _no_image(args)
    request = request_of(args, session)
    if request.tty and request.interactive and not sys.stdin.isatty():
        raise UsageError("the input device is not a TTY", "", 1)
    sys.stdout.flush()
    engine = session.engine

    def start() -> int:
        if request.tty and request.interactive:
            _bring(engine, request)
        # The terminal is raw only where the container's own terminal does the line editing.
        with raw(0, wanted=request.tty and request.interactive):
            return engine.run(request, Stdio(0, 1, 2, forward_signals=True)).status

    try:
        return _pulling(session, args, request, start)
    except ProcessFailed as error:
        error.exit_code = error.status  # 126 or 127: the program could not be run
        raise


def _pulling(session: Session, args: Args, request: RunRequest, start: Callable[[], int]) -> int:
    """Starts the container, once its image was pulled if that is wanted (--pull)."""
    from lamina.containers.request import NoImage

    policy = args.text("pull", "missing")
    if policy not in ("always", "missing", "never"):
        raise InvalidInput(f"invalid pull option: {policy!r}: must be one of always, missing or never")
    try:
        if policy != "always":
            return start()
        missing = None
    except NoImage as error:
        if policy == "never":
            raise
        missing = error
    from lamina.cli.commands.run_pull import pull  # few images are not in the store

    pull(session.engine, request, missing, quiet=args.on("quiet"))
    return start()


def _bring(engine: Engine, request: RunRequest) -> None:
    """Layers that are elsewhere come before the terminal is raw: so that Ctrl-C ends that, too."""
    with suppress(NotFound):  # `run` itself says so
        engine.fetch(request.image, platform=request.platform)


def _no_image(args: Args) -> UsageError:
    from lamina.cli.main import command_of  # only for this error
    from lamina.cli.verbs import VERBS

    command = command_of(args.path, VERBS["run"])
    return command.wrong(
        f"{command.program}: '{command.program} {command.path}' requires at least 1 argument", 1
    )


def request_of(args: Args, session: Session) -> RunRequest:
    """The container that the flags ask for."""
    from lamina.containers.request import RunRequest  # see run

    image, *command = args.operands
    request = RunRequest(
        image=image,
        command=tuple(command),
        entrypoint=(args.text("entrypoint"),) if args.given("entrypoint") else None,
        env=tuple(environment.collect(args.texts("env-file"), args.texts("env"), session.environ)),
        workdir=args.text("workdir"),
        user=args.text("user"),
        volumes=tuple(args.texts("volume")),
        name=args.text("name"),
        hostname=args.text("hostname"),
        network=_network(args.text("network") or args.text("net") or "host"),
        read_only=args.on("read-only"),
        interactive=args.on("interactive"),
        tty=args.on("tty"),
        remove=args.on("rm"),
        platform=args.text("platform"),
        tmpfs=tuple(args.texts("tmpfs")),
    )
    if not args.given_any("add-host shm-size ulimit"):
        return request
    from lamina.cli.build_flags import parse_host, parse_ulimit  # few containers have any
    from lamina.cli.units import bytes_of

    return request._replace(
        add_hosts=tuple(map(parse_host, args.texts("add-host"))),
        shm_size=bytes_of(args.text("shm-size", "0"), "shm-size"),
        ulimits=tuple(map(parse_ulimit, args.texts("ulimit"))),
    )


def _network(name: str) -> str:
    if name == "default":
        return "host"
    if name in ("host", "none"):
        return name
    raise Unsupported(f"network {name} is not supported", hint="host (default) or none")
