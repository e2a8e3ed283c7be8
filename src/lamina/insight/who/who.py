"""who: all images, layers and containers of the store that hold a file or a package, and where it is seen.

The sieves and keys of cachedb say which layers hold it (db.holders, db.packagedb); what became of it above
them is found for all stacks at once (db.fates).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import holders
from lamina.insight.who.answer import Who
from lamina.insight.who.containers import holding_containers
from lamina.insight.who.finding import find
from lamina.insight.who.images import holding_images
from lamina.insight.who.layers import named_by_digest
from lamina.insight.who.places import layers_of, places_of
from lamina.insight.who.ways import ways_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.insight.rows import Rows
    from lamina.insight.who.finding import WritableLayer
    from lamina.insight.who.query import Query


def who(
    rows: Rows,
    query: Query,
    writable: Sequence[WritableLayer] = (),
    *,
    more: sqlite3.Connection | None = None,
    unread: Sequence[str] = (),
) -> Who:
    """Who holds what is asked for.

    `writable` is what containers wrote, for those that are to be looked through; `more` a database beside the
    store's with packages of layers that this one does not know, `unread` the layers that neither does.
    """
    c = rows.connection
    holders.ready(c)
    kind, found = find(c, query, more)
    ways = ways_of(c, found)
    layers = layers_of(c, found)
    diff_ids = {number: layer.diff_id for number, layer in layers.items()}
    if not found and query.digits:
        places, images = named_by_digest(c, query.digits)
    else:
        places, images = places_of(c, found, ways, layers), holding_images(c, ways, diff_ids)
    containers = holding_containers(c, ways, diff_ids, writable, query, kind)
    return Who(query.text, kind, tuple(places), tuple(images), tuple(containers), tuple(unread))
