"""lamina ps: the containers."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from lamina.cli import filters, units
from lamina.cli.listing import listing
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.containers import ContainerSummary

HEADINGS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "CreatedAt": "CREATED AT",
    "Status": "STATUS",
    "State": "STATE",
    "Ports": "PORTS",
    "Names": "NAMES",
    "Size": "SIZE",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "Networks": "NETWORKS",
    "LocalVolumes": "LOCAL VOLUMES",
}
_FORM = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
_COMMAND = 20  # characters shown
_FILTERS = ("ancestor", "exited", "id", "name", "status")


def configure(command: Command) -> None:
    """Flags of `lamina ps`."""
    command.takes("", 0, 0)
    command.switch("all", "Show all containers (default shows just running)", "a")
    command.option(
        "filter", "filter", "Filter output: status=, name=, id=, exited=, ancestor=", "f", many=True
    )
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template")
    command.option("last", "int", "Show n last created containers (includes all states)", "n")
    command.switch("latest", "Show the latest created container (includes all states)", "l")
    command.switch("no-trunc", "Don't truncate output")
    command.switch("quiet", "Only display container IDs", "q")
    command.switch("size", "Display total file sizes", "s")


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    wanted = filters.parse(args.texts("filter"), _FILTERS)
    last = 1 if args.on("latest") else _last(args.text("last", "0"))
    # As in Docker, asking for a state or for the last ones asks for those that do not run too.
    all_states = args.on("all") or last > 0 or "status" in wanted or "exited" in wanted
    size = args.on("size") or ".Size" in args.text("format")
    found = session.engine.ps(all=all_states, size=size)
    found = [container for container in found if _wanted(container, wanted)]
    rows = [row_of(one, time.time(), whole=args.on("no-trunc")) for one in (found[:last] if last else found)]
    form = _FORM + "\t{{.Size}}" if args.on("size") else _FORM
    quiet = "{{.ID}}" if args.on("quiet") else ""
    print(listing(rows, HEADINGS, form, args.text("format"), quiet=quiet), end="")
    return 0


def _last(text: str) -> int:
    try:
        return max(int(text), 0)
    except ValueError:
        raise InvalidInput(f'invalid argument "{text}" for "-n, --last" flag: not a number') from None


def row_of(container: ContainerSummary, now: float, *, whole: bool) -> dict[str, str]:
    """The fields of one container."""
    command = container.command if whole else units.ellipsis(container.command, _COMMAND)
    nameless = container.image.startswith("sha256:") and not whole
    return {
        "ID": container.container_id if whole else units.short_id(container.container_id),
        "Image": units.short_id(container.image) if nameless else container.image,
        "Command": f'"{command}"',
        "RunningFor": units.ago(container.created, now),
        "CreatedAt": units.clock(container.created),
        "Status": status(container, now),
        "State": container.state,
        "Ports": "",
        "Names": container.name,
        "Size": _size(container),
        "Labels": "",
        "Mounts": "",
        "Networks": "",
        "LocalVolumes": "0",
    }


def _size(container: ContainerSummary) -> str:
    if container.size is None:
        return ""
    virtual = units.human_size(container.size + container.image_size)
    return f"{units.human_size(container.size)} (virtual {virtual})"


def status(container: ContainerSummary, now: float) -> str:
    """`Up 3 minutes`, `Exited (0) 3 minutes ago`, `Created`."""
    if container.state == "running":
        began = units.seconds_of(container.started)
        return "Up " + units.human_duration(now - (now if began is None else began))
    if container.state == "exited":
        return f"Exited ({container.exit_code}) {units.ago(container.finished, now)}"
    return container.state.capitalize()


def _wanted(container: ContainerSummary, wanted: dict[str, list[str]]) -> bool:
    return all(any(_matches(container, key, value) for value in values) for key, values in wanted.items())


def _matches(container: ContainerSummary, key: str, value: str) -> bool:
    if key == "status":
        return container.state == value
    if key == "exited":
        return container.state == "exited" and str(container.exit_code) == value
    if key == "id":
        return container.container_id.startswith(value)
    if key == "ancestor":
        image = container.image_id.removeprefix("sha256:")
        return value in (container.image, container.image.rpartition(":")[0]) or image.startswith(value)
    try:
        return re.search(value, container.name) is not None
    except re.error as error:
        raise InvalidInput(f"invalid filter 'name={value}': {error}") from None
