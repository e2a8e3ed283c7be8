"""lamina df: what the store takes of the disk, and how much of it could come back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.commands import cache_ls
from lamina.cli.commands import images as images_command
from lamina.cli.commands import ps as ps_command
from lamina.cli.listing import listing, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.gc.usage import Share

HEADINGS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}
_FORM = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}"


def configure(command: Command) -> None:
    """Flags of `lamina df`."""
    command.takes("", 0, 0)
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template")
    command.switch("verbose", "Show detailed information on space usage", "v")


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    from lamina.gc.usage import Share  # the Engine has loaded it

    usage = session.engine.df()
    rows = [
        _row("Images", _with_blobs(usage.images, usage.blobs), percent=True),
        _row("Containers", usage.containers, percent=True),
        _row("Local Volumes", Share(0, 0, 0, 0), percent=True),
        _row("Build Cache", usage.cache, percent=False),
        _row("Cache Mounts", usage.mounts, percent=False),
    ]
    print(listing(rows, HEADINGS, _FORM, args.text("format")), end="")
    if args.on("verbose"):
        print("\n" + _details(session), end="")
    return 0


def _with_blobs(images: Share, blobs: Share) -> Share:
    """Configs, manifests and archives as received are images' too: Docker's table has no line for them."""
    return images._replace(size=images.size + blobs.size, reclaimable=images.reclaimable + blobs.reclaimable)


def _row(name: str, share: Share, *, percent: bool) -> dict[str, str]:
    reclaimable = units.human_size(share.reclaimable, 4)
    if percent and share.size:
        reclaimable += f" ({share.reclaimable * 100 // share.size}%)"
    return {
        "Type": name,
        "TotalCount": str(share.total),
        "Active": str(share.active),
        "Size": units.human_size(share.size, 4),
        "Reclaimable": reclaimable,
    }


def _details(session: Session) -> str:
    """The images, containers and cache mounts one by one, as docker system df -v does."""
    now = time.time()
    images: list[Sequence[str]] = [("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE")]
    of_image = ("Repository", "Tag", "ID", "CreatedSince", "Size")
    for image in session.engine.images():
        images += [
            [row[field] for field in of_image] for row in images_command.rows_of(image, now, whole=False)
        ]
    containers: list[Sequence[str]] = [
        ("CONTAINER ID", "IMAGE", "COMMAND", "SIZE", "CREATED", "STATUS", "NAMES")
    ]
    of_container = ("ID", "Image", "Command", "Size", "RunningFor", "Status", "Names")
    for one in session.engine.ps(all=True, size=True):
        row = ps_command.row_of(one, now, whole=False)
        containers.append([row[field] for field in of_container])
    mounts: list[Sequence[str]] = [
        ("CACHE MOUNT", "SIZE", "USES", "CREATED", "LAST USED", "SHARING", "IN USE")
    ]
    of_mount = ("ID", "Size", "Uses", "CreatedSince", "LastUsedSince", "Sharing", "InUse")
    for mount in session.engine.cache.ls():
        cells = cache_ls.row_of(mount, now, whole=False)
        mounts.append([cells[field] for field in of_mount])
    parts = {"Images": images, "Containers": containers, "Cache mounts": mounts}
    return "\n".join(f"{name} space usage:\n\n{table(lines)}" for name, lines in parts.items())
