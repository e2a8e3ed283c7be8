"""What to run, and what came of it."""

from __future__ import annotations

from typing import NamedTuple

from lamina.errors import NotFound


class NoImage(NotFound):
    """The store does not have the image that is to be run; a registry may."""


class RunRequest(NamedTuple):
    """A container from an image, with the flags of `docker run`; "" and () mean what the image says."""

    image: str  # name, ID, or the beginning of an ID
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None  # None: the image's; () or ("",): none
    env: tuple[str, ...] = ()  # "NAME=value"; a bare NAME takes that variable away
    workdir: str = ""
    user: str = ""
    volumes: tuple[str, ...] = ()  # HOST:CONTAINER[:ro]
    name: str = ""  # "": one is made up
    hostname: str = ""  # "": the first 12 digits of the container's ID
    network: str = "host"  # host | none
    read_only: bool = False
    add_hosts: tuple[tuple[str, str], ...] = ()  # (name, address)
    shm_size: int = 0  # bytes of /dev/shm; 0 for the usual 64 MiB
    ulimits: tuple[tuple[str, int, int], ...] = ()  # (Docker's name, soft, hard); -1 is no limit
    tmpfs: tuple[str, ...] = ()  # CONTAINER[:OPTIONS]
    interactive: bool = False  # the process can read stdin
    tty: bool = False
    remove: bool = False  # take the container away when it has ended
    platform: str = ""  # os/architecture[/variant] of the image; "": this machine's, else the first


class RunResult(NamedTuple):
    """How a container ended."""

    container_id: str
    name: str
    status: int  # exit code; 128 + n for signal n
