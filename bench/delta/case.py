"""python -m bench delta: the next version of a layer, in parts and whole, over lines of several kinds.

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
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tests.archive.chunked_layers import written
from tests.layers.stores import open_store
from tests.transfer.deltas import image, ours

from bench.delta.line import Line, line
from bench.ship.case import registry
from lamina.fetch.stopping import NeverStops, Stop
from lamina.layers.context import Layers
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor, from_json
from lamina.oci.digest import DiffID, sha256
from lamina.registry.repository import Repository
from lamina.registry.settings import Settings
from lamina.transfer import incoming
from lamina.transfer.incoming import Wanted, bring_layers

SIZE = int(os.environ.get("DELTA_MB", "60")) << 20  # bytes of files in the layer
FILES = 1500
LINES = ((0.0, 0.0), (0.001, 125e6), (0.02, 25e6), (0.08, 12.5e6), (0.2, 6e6))  # seconds, bytes a second
SHARES = {"one file": 0.0, "2 %": 0.02, "20 %": 0.2, "70 %": 0.7, "all": 1.0}


class Version(NamedTuple):
    """One version of the layer, in the registry under `tag`."""

    tag: str
    layer: Descriptor
    diff_id: DiffID


class Seen(NamedTuple):
    """One layer that came."""

    seconds: float
    moved: int


def delta(folder: str, rounds: int) -> None:
    """Prints the table; SystemExit when Lamina was slower than the whole."""
    os.environ.pop("LAMINA_OFFLINE", None)
    slower = False
    with registry(f"{folder}/registry") as port, line(port) as between:
        before, *versions = _versions(port, folder)
        packed = f"{before.layer.size / 1e6:.0f} MB packed"
        print(f"a layer of {SIZE >> 20} MiB in {FILES} files, {packed}; medians of {rounds}")
        print(f"{'line':>22} {'differs':>9} {'whole':>17} {'Lamina':>17}  ratio")
        for rtt, rate in LINES:
            for share, version in zip(SHARES, versions, strict=True):
                runs: dict[bool, list[Seen]] = {True: [], False: []}
                for _ in range(rounds):
                    for parts in runs:
                        runs[parts].append(
                            _one(f"{folder}/store", between, (before, version), parts, rtt, rate)
                        )
                whole, ours_ = _median(runs[False]), _median(runs[True])
                slow = ours_.seconds > whole.seconds * 1.1 + 0.1
                slower = slower or slow
                name = f"{rtt * 1000:.0f} ms, " + (f"{rate * 8 / 1e6:.0f} Mbit/s" if rate else "loopback")
                ratio = f"{ours_.seconds / whole.seconds:.2f}" + (" SLOWER" if slow else "")
                print(f"{name:>22} {share:>9} {_shown(whole)} {_shown(ours_)}  {ratio}", flush=True)
    if slower:
        raise SystemExit(1)


def _shown(seen: Seen) -> str:
    return f"{seen.seconds:7.2f} s {seen.moved / 1e6:5.1f} MB"


def _versions(port: int, folder: str) -> list[Version]:
    """The layer before, and with shares of its files changed; all in the registry."""
    rnd = random.Random(1)
    words = [rnd.randbytes(rnd.randrange(2, 12)) for _ in range(4000)]

    def content(size: int) -> bytes:
        return b"".join(rnd.choices(words, k=size // 6))[:size]  # packs to two thirds

    sizes = [min(4_000_000, int(rnd.paretovariate(1.1) * 9_000)) for _ in range(FILES)]
    scale = SIZE / sum(sizes)
    names = [f"usr/lib/d{number % 60}/f{number}" for number in range(FILES)]
    before = {name: content(int(size * scale) + 1) for name, size in zip(names, sizes, strict=True)}
    found = [_pushed(port, folder, "before", before)]
    for part in SHARES.values():
        changed = rnd.sample(names, max(1, int(part * FILES)))
        files = {**before, **{name: content(len(before[name]) + 5) for name in changed}}
        found.append(_pushed(port, folder, f"v{len(found)}", files))
    return found


def _pushed(port: int, folder: str, tag: str, files: dict[str, bytes]) -> Version:
    tar = ours(files)
    made = image((tar, written(tar)))
    flags = ["--quiet", "--dest-tls-verify=false", "--preserve-digests"]
    layout = made.layout(Path(folder) / "layout")
    subprocess.run(["skopeo", "copy", *flags, layout, f"docker://localhost:{port}/app:{tag}"], check=True)
    shutil.rmtree(f"{folder}/layout")
    return Version(tag, from_json(json.loads(made.data)["layers"][0]), DiffID(sha256(tar)))


def _one(
    place: str, between: Line, versions: tuple[Version, Version], parts: bool, rtt: float, rate: float
) -> Seen:
    """One layer into a store that has the one before."""
    ctx = open_store(place)
    decide = incoming.try_delta
    try:
        between.rtt = between.rate = 0.0
        _bring(ctx, between, versions[0])
        between.rtt, between.rate, between.received, between.free = rtt, rate, 0, 0.0
        if not parts:
            incoming.try_delta = lambda *_: False
        began = time.perf_counter()
        _bring(ctx, between, versions[1])
        return Seen(time.perf_counter() - began, between.received)
    finally:
        incoming.try_delta = decide
        ctx.db.close()
        ctx.lease.release()
        shutil.rmtree(place)


def _bring(ctx: Layers, between: Line, version: Version) -> None:
    stop = Stop(NeverStops())
    with Repository(references.parse(f"{between.host}/app:{version.tag}"), Settings(), stop) as repository:
        repository.resolve()
        bring_layers(ctx, repository, [Wanted(version.layer, version.diff_id)], stop)


def _median(seen: list[Seen]) -> Seen:
    return Seen(
        statistics.median(each.seconds for each in seen), int(statistics.median(each.moved for each in seen))
    )
