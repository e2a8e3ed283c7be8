"""python -m bench questions: medians of questions to a big store, in a program and as commands."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping

from bench.builders import Builder
from bench.measure import Run, command, medians
from bench.questions.store import Asked, Size, make
from lamina import Engine

MOST_MS = 50
QUERIES = {
    "sql: the biggest images": "SELECT name, size, layers FROM images ORDER BY size DESC, name LIMIT 10",
    "sql: layers that images share": "SELECT diff_id, count(*) AS images, size * (count(*) - 1) AS saved "
    "FROM image_layers GROUP BY diff_id HAVING count(*) > 1 ORDER BY saved DESC LIMIT 10",
    "sql: the biggest files of an image": "SELECT f.path, f.size, l.number FROM names AS n JOIN image_layers "
    "AS l USING (image_id) JOIN files AS f USING (diff_id) WHERE n.name = 'docker.io/library/{image}:latest' "
    "AND f.type = 'file' ORDER BY f.size DESC LIMIT 10",
    "sql: versions of a package": "SELECT p.name, p.version, count(DISTINCT l.image_id) FROM packages AS p "
    "JOIN image_layers AS l USING (diff_id) WHERE p.name = '{package}' GROUP BY p.name, p.version",
}


def questions(ours: Builder, folder: str, rounds: int) -> str:
    """A table of medians; says so when one asked in a program takes too long."""
    size = Size(*map(int, os.environ.get("QUESTIONS", "1000,5000,2000000").split(",")))
    root = os.path.join(folder, "store")
    started = time.perf_counter()
    asked = make(root, size)
    lines = [f"{size.images:,} images, {size.layers:,} layers, {size.files:,} files: made in "]
    lines[0] += f"{time.perf_counter() - started:.0f} s, {_megabytes(root):.0f} MB"
    lines.append(f"  {'':<44} {'in a program':>14} {'command line':>14}")
    with Engine.open(root) as engine:
        inside = medians({name: _timed(ask) for name, ask in _inside(engine, asked).items()}, rounds)
    argv = [sys.executable, "-m", "lamina", "--root", root]
    outside = medians(
        {name: command([*argv, *words], ours.environ) for name, words in _outside(asked).items()}, rounds
    )
    lines += [f"  {name:<44} {inside[name] * 1e3:11.1f} ms {outside[name] * 1e3:11.1f} ms" for name in inside]
    unit = medians({"lamina version": command([*argv[:3], "version"], ours.environ)}, rounds)
    lines.append(f"  {'lamina version':<44} {'':>14} {unit['lamina version'] * 1e3:11.1f} ms")
    lines.append(sieve_cost(folder, min(rounds, 5)))
    slow = [name for name, seconds in inside.items() if seconds * 1e3 > MOST_MS]
    if slow:
        lines.append(f"  too slow, above {MOST_MS} ms: {', '.join(slow)}")
    return "\n".join(lines)


def _outside(asked: Asked) -> Mapping[str, list[str]]:
    """What is asked, as words of the command line."""
    found = {
        "who: a digest that 50 images have": ["who", asked.digest],
        "who: a digest that one image has": ["who", asked.rare],
        "who: a path that 50 images have": ["who", asked.path],
        "who: a version of a package, 50 images": ["who", f"{asked.package}@{asked.version}"],
        "who: a package that all images have": ["who", asked.package],
        "blame: one file": ["blame", asked.image, asked.file],
        "blame: a folder": ["blame", asked.image, asked.file.rpartition("/")[0]],
    }
    return found | {
        name: ["sql", text.format(image=asked.image, package=asked.package)] for name, text in QUERIES.items()
    }


def _inside(engine: Engine, asked: Asked) -> Mapping[str, Callable[[], object]]:
    """The same as calls."""
    found: dict[str, Callable[[], object]] = {}
    for name, words in _outside(asked).items():
        if words[0] == "who":
            found[name] = lambda text=words[1]: engine.who(text)  # type: ignore[misc]
        elif words[0] == "blame":
            found[name] = lambda image=words[1], path=words[2]: list(engine.blame(image, [path]))  # type: ignore[misc]
        else:
            found[name] = lambda text=words[1]: list(engine.sql(text).rows)  # type: ignore[misc]
    return found


def _timed(ask: Callable[[], object]) -> Run:
    def run() -> float:
        started = time.perf_counter()
        ask()
        return time.perf_counter() - started

    return run


def _megabytes(root: str) -> float:
    return os.path.getsize(os.path.join(root, "lamina.db")) / 1e6


def sieve_cost(folder: str, rounds: int) -> str:
    """What the sieves add to the writing of file rows: 100,000 of them, with and without, in turn."""
    from bench.questions.store import Maker
    from lamina.db import cachedb, layerdb
    from lamina.db.files import INSERT, rows_of
    from lamina.db.layerdb import Diff
    from lamina.oci import media
    from lamina.oci.digest import DiffID, sha256

    maker = Maker(os.path.join(folder, "rows"), Size())
    entries = maker.entries(100_000, "usr", status=False)
    count = 0

    def put(write: Callable[[sqlite3.Connection, DiffID], None]) -> Run:
        def run() -> float:
            nonlocal count
            count += 1
            diff_id = DiffID(sha256(b"%d" % count))
            started = time.perf_counter()
            with maker.db.write() as tx:
                layerdb.put_diff(tx, Diff(diff_id, "", 0, 0, len(entries), None, media.LAYER))
                write(tx, diff_id)
            seconds = time.perf_counter() - started
            with maker.db.write() as tx:
                layerdb.delete_diff(tx, diff_id)
            return seconds

        return run

    def plain(tx: sqlite3.Connection, diff_id: DiffID) -> None:
        number = tx.execute("SELECT num FROM diffs WHERE diff_id = ?", (diff_id,)).fetchone()[0]
        tx.executemany(INSERT, rows_of(number, entries))

    found = medians(
        {"rows": put(plain), "rows and sieves": put(lambda tx, name: cachedb.put_files(tx, name, entries))},
        rounds,
    )
    maker.db.close()
    maker.lease.release()
    ratio = found["rows and sieves"] / found["rows"]
    return f"  100,000 rows put in {found['rows'] * 1e3:.0f} ms, with their sieves in {ratio:.3f} of that"
