"""working: a lease for each thing that is written, so that a server that runs for long keeps nothing alive.

The server's own lease is idle all the time (store.lease): it only names temporary files.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.db import leases
from lamina.store.blobs import BlobStore
from lamina.store.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.context import Layers


@contextmanager
def working(ctx: Layers) -> Iterator[Layers]:
    """The store with a lease of its own, until the block ends; what it held is let go then."""
    own = begin(ctx)
    try:
        yield own
    finally:
        end(own)


def begin(ctx: Layers) -> Layers:
    """The store with a lease of its own, for `end` to end."""
    lease = Lease.acquire(ctx.layout)
    return ctx._replace(lease=lease, blobs=BlobStore(ctx.layout, lease))


def end(own: Layers) -> None:
    """Lets go what the lease held, and ends it."""
    try:
        c = own.db.read()
        if c.execute("SELECT 1 FROM leases WHERE lease = ? LIMIT 1", (own.lease.id,)).fetchone():
            with own.db.write(durable=False) as tx:
                leases.drop(tx, [own.lease.id])
    finally:
        own.lease.release()
