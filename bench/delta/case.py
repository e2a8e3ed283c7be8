"""python -m bench delta: the new version of a layer, in parts and whole, over lines of several kinds.

The store has the version before. For each line and each share of files that differ: seconds and bytes of the
layer fetched whole, and as Lamina decides to fetch it. Exit 1 when that is slower than 1.1 times the whole
and 0.1 s.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import time
from typing import NamedTuple

from bench.delta.line import Line, line
from bench.ship.case import registry
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.descriptor import from_json
from lamina.oci.digest import DiffID, sha256
from lamina.registry.repository import Repository
from lamina.registry.settings import Settings
from lamina.fetch.stopping import NeverStops, Stop
from lamina.transfer import incoming
from lamina.transfer.incoming import Wanted, bring_layers
from tests.archive.chunked_layers import written
from tests.layers.stores import open_store
from tests.registry.images import Made
from tests.transfer.deltas import image, ours

SIZE = int(os.environ.get("DELTA_MB", "60")) << 20  # bytes of files in the layer
FILES = 1500
LINES = ((0.0, 0.0), (0.001, 125e6), (0.02, 25e6), (0.08, 12.5e6), (0.2, 6e6))  # rtt, bytes a second
SHARES = {"one file": 0.0, "2 %": 0.02, "20 %": 0.2, "70 %": 0.7, "all": 1.0}


class Seen(NamedTuple):
    """One layer that came."""

    seconds: float
    moved: int


def delta(folder: str, rounds: int) -> bool:
    """Prints the table; whether it was never slower."""
    versions = _versions()
    fine = True
    with registry(f"{folder}/registry") as port, line(port) as between:
        for share, (made, tar) in versions.items():
            _push(port, made, share, folder)
            _push(port, versions["before"][0], "before", folder) if share == "before" else None
        size = len(next(iter(versions["before"][0].blobs.values())))
        print(f"a layer of {SIZE >> 20} MiB in {FILES} files, {max(map(len, versions['before'][0].blobs.values())) / 1e6:.0f} MB packed; {size}")
        print(f"{'line':>22} {'differs':>9} {'whole':>16} {'Lamina':>16}  ratio")
        for rtt, rate in LINES:
            for share in SHARES:
                made, tar = versions[share]
                runs: dict[bool, list[Seen]] = {True: [], False: []}
                for _ in range(rounds):
                    for parts in (False, True):
                        between.rtt = between.rate = 0.0
                        runs[parts].append(_one(folder, between, versions["before"], (made, tar), share, parts, rtt, rate))
                whole, ours_ = [_median(runs[parts]) for parts in (False, True)]
                slow = ours_.seconds > whole.seconds * 1.1 + 0.1
                fine = fine and not slow
                name = f"{rtt * 1000:.0f} ms, " + (f"{rate * 8 / 1e6:.0f} Mbit/s" if rate else "loopback")
                print(
                    f"{name:>22} {share:>9} {whole.seconds:7.2f} s {whole.moved / 1e6:4.1f}MB"
                    f" {ours_.seconds:7.2f} s {ours_.moved / 1e6:4.1f}MB  {ours_.seconds / whole.seconds:.2f}"
                    + (" SLOWER" if slow else ""),
                    flush=True,
                )
    return fine


def _versions() -> dict[str, tuple[Made, bytes]]:
    """The layer before, and with shares of its files changed."""
    rnd = random.Random(1)
    words = [rnd.randbytes(rnd.randrange(2, 12)) for _ in range(4000)]

    def content(size: int) -> bytes:
        return b"".join(rnd.choices(words, k=size // 6))[:size]  # as small again when packed, as programs are

    sizes = [min(4_000_000, int(rnd.paretovariate(1.1) * 9_000)) for _ in range(FILES)]
    scale = SIZE / sum(sizes)
    names = [f"usr/lib/d{number % 60}/f{number}" for number in range(FILES)]
    before = {name: content(int(size * scale) + 1) for name, size in zip(names, sizes, strict=True)}
    found = {"before": before}
    for share, part in SHARES.items():
        changed = rnd.sample(names, max(1, int(part * FILES)))
        found[share] = {**before, **{name: content(len(before[name]) + 5) for name in changed}}
    return {share: (image((tar := ours(files), written(tar))), tar) for share, files in found.items()}


def _push(port: int, made: Made, tag: str, folder: str) -> None:
    import subprocess

    where = f"{folder}/layout"
    from pathlib import Path

    name = tag.replace(" ", "").replace("%", "percent")
    target = f"docker://localhost:{port}/app:{name}"
    run = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--preserve-digests"]
    subprocess.run([*run, made.layout(Path(where)), target], check=True, capture_output=True)
    shutil.rmtree(where)


def _one(
    folder: str, between: Line, before: tuple[Made, bytes], after: tuple[Made, bytes], tag: str, parts: bool, rtt: float, rate: float
) -> Seen:
    """One layer into a store that has the one before."""
    place = f"{folder}/store"
    ctx = open_store(place)
    decide = incoming.try_delta
    try:
        _bring(ctx, between, before, "before")
        between.rtt, between.rate, between.received, between.free = rtt, rate, 0, 0.0
        if not parts:
            incoming.try_delta = lambda *_: False
        began = time.perf_counter()
        _bring(ctx, between, after, tag)
        return Seen(time.perf_counter() - began, between.received)
    finally:
        incoming.try_delta = decide
        ctx.db.close()
        ctx.lease.release()
        shutil.rmtree(place)


def _bring(ctx: Layers, between: Line, version: tuple[Made, bytes], tag: str) -> None:
    made, tar = version
    stop = Stop(NeverStops())
    name = references.parse(f"{between.host}/app:{tag.replace(' ', '').replace('%', 'percent')}")
    with Repository(name, Settings(), stop) as repository:
        repository.resolve()
        layer = from_json(json.loads(made.data)["layers"][0])
        bring_layers(ctx, repository, [Wanted(layer, DiffID(sha256(tar)))], stop)


def _median(seen: list[Seen]) -> Seen:
    return Seen(statistics.median(each.seconds for each in seen), int(statistics.median(each.moved for each in seen)))


__all__ = ["delta", "media"]
