"""python -m bench read-set: what it costs to ask whether layers show a step the same as others did."""

from __future__ import annotations

import gc
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence

from bench.builders import Builder
from bench.cache.bases import BUILD
from lamina.db import cachedb, layerdb
from lamina.db.connect import Database
from lamina.db.files import ancestors
from lamina.layers.context import Layers
from lamina.layers.readsets import difference, values
from lamina.oci.digest import DiffID, sha256
from lamina.store.blobs import BlobStore
from lamina.store.layout import Layout
from lamina.store.lease import Lease
from lamina.tree.entry import Entry, Kind
from lamina.tree.readset import Observed, make, pack, unpack

PATHS = 10_000  # observations
ROWS = 13_000  # of the base
LAYERS = 15
MOST_MS = 50
MOST_BYTES = 20  # a path
_MISSING = (b"__init__.so", b"local.conf", b"libc.so.6", b"stdio.h", b"a.pyc")  # as searches leave them


def read_set(ours: Builder, folder: str, rounds: int) -> str:
    """CPU milliseconds and bytes of read sets in a base of the examples; says so when they are too many."""
    gc.set_threshold(50_000, 20, 20)  # as in a build (cli.main)
    environ = dict(ours.environ) | {"LAMINA": ours.build[0]}
    subprocess.run([BUILD, "debian"], env=environ, check=True, capture_output=True)
    with Database.open(os.path.join(environ["LAMINA_ROOT"], "lamina.db")) as store:
        (row,) = layerdb.diffs(store.read())
        found = _grown(cachedb.files(store.read(), row.diff_id))
    layout = Layout(os.path.join(folder, "store"))
    lease = Lease.acquire(layout)
    with Database.open(layout.database) as db:
        rand = random.Random(4)
        base, other = _put(db, "base", found), _put(db, "other", found)
        changes = [_put(db, str(number), _changes(found, rand)) for number in range(LAYERS)]
        app, newer = _put(db, "app", _app(0o644)), _put(db, "newer app", _app(0o600))
        top, rest = changes[1:7], [*changes[8:], base]
        old = [*top, app, *rest]
        ctx = Layers(layout, BlobStore(layout, lease), db, lease)
        lines = [f"{PATHS:,} observations in {len(found):,} rows"]
        for title, before, after in (
            ("a base that is wholly new", [base], [other]),
            (f"{LAYERS} layers, the base is new", old, [*old[:-1], other]),
            (f"{LAYERS} layers, one is new", old, [*top, newer, *rest]),
            (f"{LAYERS} layers, one is new and differs", old, [*top, changes[0], *rest]),
        ):
            lines.append(_case(ctx, _observed(found, rand), title, before, after, rounds))
        lease.release()
    return "\n".join(lines)


def _case(
    ctx: Layers, observed: Sequence[Observed], title: str,
    old: Sequence[DiffID], new: Sequence[DiffID], rounds: int,
) -> str:  # fmt: skip
    """The line of one case."""
    packed = pack(make(observed, values(ctx, old, observed)))
    whole = _ms(lambda: difference(ctx, new, unpack(packed), None, old), rounds)
    first = _ms(lambda: values(ctx, new, observed[:1]), rounds)
    size = len(packed) / len(observed)
    verdict = "" if whole < MOST_MS and size < MOST_BYTES else "   TOO MUCH"
    return f"  {title:<36} {whole:6.1f} ms all, {first:5.2f} ms the first, {size:5.1f} bytes a path{verdict}"


def _ms(run: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return statistics.median(times) * 1e3


def _observed(found: Sequence[Entry], rand: random.Random) -> list[Observed]:
    """Six of ten are there; of the others most are missing, and some are folders that were listed."""
    folders = [entry.path for entry in found if entry.kind is Kind.DIR and entry.path]
    seen = {Observed(entry.path) for entry in rand.sample(found, PATHS * 6 // 10)}
    seen |= {Observed(path, True) for path in rand.sample(folders, PATHS // 50)}
    number = 0
    while len(seen) < PATHS:
        seen.add(Observed(rand.choice(folders) + b"/" + rand.choice(_MISSING) + b"%d" % (number // 100)))
        number += 1
    return sorted(seen)


def _grown(entries: Sequence[Entry]) -> list[Entry]:
    """These and as many modules of Python more as are missing to ROWS."""
    top = b"usr/lib/python3/dist-packages/"
    found = list(entries)
    for number in range(ROWS):
        if len(found) >= ROWS:
            break
        package = top + b"package%d" % (number // 30)
        if number % 30 == 0:
            found.append(Entry(package, Kind.DIR))
        digest = sha256(b"%d" % number)[7:]
        found.append(Entry(package + b"/module%d.py" % number, Kind.FILE, 0o644, size=9, digest=digest))
    return sorted(found)


def _changes(found: Sequence[Entry], rand: random.Random) -> list[Entry]:
    """A layer that has a hundred of these files with another mode."""
    by_path = {entry.path: entry for entry in found}
    files = rand.sample([entry for entry in found if entry.kind is Kind.FILE], 100)
    layer = {entry.path: entry._replace(mode=0o600) for entry in files}
    for path in list(layer):
        layer.update({above: by_path[above] for above in ancestors(path) if above})
    return sorted(layer.values())


def _app(mode: int) -> list[Entry]:
    """A layer with files that nobody reads."""
    return [Entry(b"app", Kind.DIR), *[Entry(b"app/%d" % number, Kind.FILE, mode) for number in range(100)]]


def _put(db: Database, name: str, entries: Sequence[Entry]) -> DiffID:
    diff = layerdb.Diff(DiffID(sha256(name.encode())), "", 0, 0, len(entries), None, "")
    with db.write() as tx:
        layerdb.put_diff(tx, diff)
        cachedb.put_files(tx, diff.diff_id, entries)
    return diff.diff_id
