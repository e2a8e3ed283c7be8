"""The way of one process from the clone to its exec: all that makes it a contained one.

A clone prepares what every process needs, then waits for its one request, then becomes that process.
Everything that can fail is told over the setup socket, which exec closes. Order matters throughout:
descriptors of the host are closed before anything of the image is looked at, mounts are made while
the process has all its powers, and those are given up last.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from lamina.errors import InvalidInput
from lamina.mount import syscalls
from lamina.sandbox import accounts, capabilities, network, programs, rootfs, terminal, trampoline, wire
from lamina.sandbox.seccomp import profile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from lamina.sandbox.spec import ProcessSpec

# Of a request: the spec, the setup and status sockets, stdin, stdout, stderr; the root, where it is mounted.
DESCRIPTORS = 7
_SETUP = programs.SETUP  # the setup socket, after stdin, stdout and stderr
_SPARE = 16  # a number beyond those that are given out
_TABLE_LIMIT = 16 << 20  # bytes of /etc/passwd that are looked at


class Tools(NamedTuple):
    """What is the same for every process: made once in the spawner, found in each clone of it."""

    single_id: bool
    filter: bytes  # the seccomp program; b"" where there is none for this machine
    trampoline: bytes  # an executable; b"" likewise

    @classmethod
    def make(cls, single_id: bool) -> Tools:
        """The tools for this machine."""
        machine = os.uname().machine
        return cls(single_id, profile.build(machine, single_id=single_id), trampoline.program(machine))


class _Prepared(NamedTuple):
    """What a clone has done before its request comes."""

    root: rootfs.Root
    bounding: int  # the capabilities that may be held
    trampoline: int  # a file on the process's own /dev, without a name; -1: none

    @classmethod
    def make(cls, tools: Tools) -> _Prepared:
        """Everything that does not depend on the request."""
        root = rootfs.Root()
        start = programs.lay_ready(root.devices, tools.trampoline) if tools.trampoline else -1
        return cls(root, capabilities.bounding_set(), start)


class _Doing:
    """What is being done, for the message when it fails."""

    def __init__(self, what: str) -> None:
        self.what = what


def await_request(control: socket.socket, link: socket.socket, tools: Tools) -> NoReturn:
    """Take one request from `control` and become that process; never returns.

    `link` tells the spawner that it was taken: its packet has the status socket and the mount
    namespace of the process.
    """
    channel = -1
    doing = _Doing("cannot prepare a process")
    try:
        prepared: _Prepared | OSError
        try:
            prepared = _Prepared.make(tools)
        except OSError as error:  # told to whoever asks
            prepared = error
        data, fds, _, _ = socket.recv_fds(control, 16, DESCRIPTORS)
        if not data:
            os._exit(0)
        request, channel, status, *stdio = fds
        mounted = stdio.pop() if len(fds) == DESCRIPTORS else -1
        doing.what = "cannot make a mount namespace"
        _tell_spawner(link, status)
        if isinstance(prepared, OSError):
            raise prepared
        doing.what = "cannot read what to run"
        spec = wire.read_request(request)
        for number, fd in enumerate((*stdio, channel)):
            os.dup2(fd, number)
        os.set_inheritable(_SETUP, True)  # to the trampoline
        channel = _SETUP
        _run(spec, tools, prepared, doing, mounted)
    except programs.CannotRun as error:
        _send(channel, wire.Failed(error.message, error.errno, error.status))
    except InvalidInput as error:
        _send(channel, wire.Failed(error.message, 0, 0))
    except OSError as error:
        complain(channel, error, doing.what)
    except BaseException as error:  # a fault of ours: say it, and never fall back into the spawner
        _send(channel, wire.Failed(f"{doing.what}: {error!r}", errno.EIO, 0))
    finally:
        os._exit(127)


def _tell_spawner(link: socket.socket, status: int) -> None:
    """The mounts are made in a namespace that is copied now: what the host mounted since is in it."""
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
    finally:
        mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        socket.send_fds(link, [b"!"], [status, mounts])


def complain(channel: int, error: OSError, step: str) -> None:
    """Report a failed call: what was done, on which file, and why."""
    where = f" {error.filename}" if error.filename else ""
    _send(channel, wire.Failed(f"{step}{where}: {error.strerror}", error.errno or errno.EIO, 0))


def _send(channel: int, reply: wire.Ready | wire.Failed, fds: Sequence[int] = ()) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, os.dup(channel)) as stream:
        try:
            socket.send_fds(stream, [wire.encode_reply(reply)], fds)
        except OSError:
            pass  # who asked has gone, and we will too


def _run(spec: ProcessSpec, tools: Tools, prepared: _Prepared, doing: _Doing, mounted: int) -> None:
    root = prepared.root
    limits = _limits() if spec.ulimits else None
    os.setsid()
    doing.what = "cannot prepare the root file system"
    root.mount_root(spec, mounted)
    doing.what = "cannot set up the network"
    _set_up_network(spec)
    doing.what = "cannot prepare the mounts"
    root.collect(spec, single_id=tools.single_id)
    doing.what = "cannot enter the root file system"
    root.enter(spec)
    doing.what = "cannot look up the user"
    identity = spec.identity or _identity(spec.user)
    doing.what = "cannot mount"
    root.attach(spec)
    if spec.security == "sandbox":
        doing.what = "cannot protect the mounts"
        root.protect()
    master = -1
    if spec.terminal:
        doing.what = "cannot make a terminal"
        master = terminal.take(root.devices, spec.window, 0 if tools.single_id else identity.uid)
    root.devices.own_null(range(3))
    start, master = _keep_open(prepared.trampoline, master)
    doing.what = "cannot enter the working directory"
    _enter_folder(spec.cwd)
    doing.what = "cannot protect the root file system"
    root.seal(spec)
    if limits is not None:
        for limit in spec.ulimits:
            doing.what = f"cannot set the limit {limits.text(limit)}"
            limits.apply(limit)
    doing.what = f"cannot become user {spec.user or 'root'}"
    _drop_powers(identity, prepared.bounding, tools, insecure=spec.security == "insecure")
    os.umask(0o022)
    doing.what = "cannot run"
    environment = _environment(spec, identity)
    program = programs.find(spec.args[0], environment.get("PATH", programs.DEFAULT_PATH))
    ready = wire.Ready(tuple(root.stubs), spec.terminal, program)
    _send(_SETUP, ready, [master] if spec.terminal else ())
    programs.execute(program, spec.args, environment, start)


def _limits() -> ModuleType:
    """What few processes need, while our own files can still be seen."""
    from lamina.sandbox import limits

    return limits


def _keep_open(*descriptors: int) -> list[int]:
    """Close all but the streams, the setup socket, and these; their new numbers, -1 for a -1."""
    spares = [fd if fd < 0 else fcntl.fcntl(fd, fcntl.F_DUPFD, _SPARE) for fd in descriptors]
    kept = []
    last = _SETUP
    for spare in spares:
        if spare >= 0:
            last = os.dup2(spare, last + 1, inheritable=False)
        kept.append(last if spare >= 0 else -1)
    syscalls.close_range(last + 1)
    return kept


def _set_up_network(spec: ProcessSpec) -> None:
    if spec.network == "none":
        syscalls.unshare(syscalls.CLONE_NEWNET)
        network.loopback_up()
    if spec.hostname:
        socket.sethostname(spec.hostname)


def _identity(user: str) -> accounts.Identity:
    return accounts.look_up(user, _table("/etc/passwd"), _table("/etc/group"))


def _table(path: str) -> bytes:
    """A file of the image, which may be anything; b"" when there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        info = os.fstat(fd)
        return os.read(fd, min(info.st_size, _TABLE_LIMIT)) if stat.S_ISREG(info.st_mode) else b""
    finally:
        os.close(fd)


def _enter_folder(path: str) -> None:
    """Go to the working directory, made if missing, and make sure that it is inside the root."""
    try:
        os.chdir(path)
    except FileNotFoundError:
        rootfs.make_missing(os.path.realpath(path))
        os.chdir(path)
    # A link to a descriptor of the host would lead out; the kernel shows that in the path.
    if not os.getcwd().startswith("/"):
        raise InvalidInput(f"the working directory {path} is outside of the root file system")


def _drop_powers(identity: accounts.Identity, bounding: int, tools: Tools, *, insecure: bool) -> None:
    """Groups, system calls, user and capabilities, in the only order that works.

    An insecure process keeps all capabilities, whoever it is, and may make all calls.
    """
    if not insecure:
        bounding = capabilities.limit_bounding_set(bounding)
    program = _insecure_filter(tools) if insecure else tools.filter
    _own_pipes(identity.uid, tools.single_id)
    if not tools.single_id:
        os.setgroups(identity.groups)
        os.setresgid(identity.gid, identity.gid, identity.gid)
    if program:
        syscalls.seccomp_filter(program)
    uid = 0 if tools.single_id else identity.uid
    if insecure:
        capabilities.keep_over_setuid()
    os.setresuid(uid, uid, uid)
    if insecure:
        capabilities.hold_all(bounding)
    else:
        capabilities.limit_held(uid, bounding)


def _insecure_filter(tools: Tools) -> bytes:
    return profile.build(os.uname().machine, single_id=tools.single_id, insecure=True)


def _own_pipes(uid: int, single_id: bool) -> None:
    """Let the user open /dev/stdout and its like again, where they are pipes."""
    if uid == 0 or single_id:
        return
    for fd in range(3):
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            try:
                os.fchown(fd, uid, -1)
            except PermissionError:
                pass  # someone else's named pipe


def _environment(spec: ProcessSpec, identity: accounts.Identity) -> dict[str, str]:
    environment = dict(spec.env)
    environment.setdefault("HOME", identity.home)
    return environment
