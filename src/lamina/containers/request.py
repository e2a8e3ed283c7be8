"""What to run, and what came of it."""

from __future__ import annotations

from typing import NamedTuple


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
    interactive: bool = False  # the process can read stdin
    tty: bool = False
    remove: bool = False  # take the container away when it has ended


class RunResult(NamedTuple):
    """How a container ended."""

    container_id: str
    name: str
    status: int  # exit code; 128 + n for signal n
