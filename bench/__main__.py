"""Speed, side by side: python -m bench [CASE ...]

cached    a fully cached build of the Flask example, beside `python -c pass`
run-true  one `RUN true` step, everything included, beside `unshare -mpfiu chroot ROOT true`
cache     what edits of projects cost: which instructions are run again; exit 1 when Lamina runs too many
verify    the same edits with --cache-rule verify: is what Lamina reuses what it would make?
trace     what it costs to record what a RUN looks at
read-set  what it costs to ask whether other layers show it the same
memory    what an image of 10 GB takes of it to load, push, save, pull and remove; exit 1 above the limit
ship      push, pull and a build by a shared cache, beside docker, podman and skopeo
delta     the next version of a layer in parts and whole, over lines of several kinds; exit 1 if slower
questions who, blame and sql over 1,000 images, 5,000 layers and 2,000,000 files

Without a name: cached and run-true. Every contestant runs once a round, in turn; what counts is the ratio
of the medians. Working files lie on tmpfs.
Run it with the Python that Lamina is installed in: `.venv/bin/python -m bench`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable

from bench import readsets, tracing
from bench.builders import Builder, builders
from bench.cache import case, verify
from bench.delta.case import delta
from bench.measure import Run, command, medians, per_step, table
from bench.memory import memory
from bench.questions.case import questions
from bench.ship.case import ship
from lamina.mount.table import mounts_below

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(os.path.dirname(HERE), "examples")
ROUNDS = int(os.environ.get("ROUNDS", "11"))
STEPS = 20


def base(ours: Builder, name: str, folder: str) -> str:
    """An archive of one of the bases of the examples."""
    environ = dict(ours.environ) | {"LAMINA": ours.build[0]}
    subprocess.run([os.path.join(EXAMPLES, "bases", "build"), name], env=environ, check=True)
    archive = os.path.join(folder, f"{name}.tar")
    subprocess.run([ours.build[0], "save", "-o", archive, name], env=dict(ours.environ), check=True)
    return archive


def cached(found: list[Builder], folder: str) -> str:
    """Each builder builds the Flask example once, then again and again with nothing changed."""
    archive = base(found[0], "debian", folder)
    context = os.path.join(folder, "flask")
    shutil.copytree(os.path.join(EXAMPLES, "flask"), context)
    python = command([sys.executable, "-c", "pass"], found[0].environ)
    contestants: dict[str, Run] = {"python -c pass": python}
    for number, builder in enumerate(found):
        if number:
            builder.load_image(archive)
        contestants[builder.name] = builder.run(context)
        contestants[builder.name]()
    return table("a fully cached build of the Flask example", medians(contestants, ROUNDS), "python -c pass")


def run_true(found: list[Builder], folder: str) -> str:
    """Each builder runs 1 and 21 steps that do nothing; the difference over 20 is one step."""
    archive = base(found[0], "busybox", folder)
    unit = "unshare -mpfiu chroot ROOT true"
    root = os.path.join(folder, "root")
    os.makedirs(os.path.join(root, "bin"))
    busybox = os.path.join(os.path.dirname(EXAMPLES), ".cache/bases/busybox/busybox")
    shutil.copy(busybox, os.path.join(root, "bin", "true"))
    contestants: dict[str, Run] = {
        unit: command(["unshare", "-mpfiu", "chroot", root, "/bin/true"], os.environ)
    }
    for steps in (1, STEPS + 1):
        os.mkdir(os.path.join(folder, str(steps)))
        with open(os.path.join(folder, str(steps), "Dockerfile"), "w") as file:
            file.write("FROM busybox\n" + "RUN true\n" * steps)
    for number, builder in enumerate(found):
        if number:
            builder.load_image(archive)
        one, many = (builder.run(os.path.join(folder, str(n)), "--no-cache") for n in (1, STEPS + 1))
        contestants[builder.name] = per_step(many, one, STEPS)
    return table("one RUN true step", medians(contestants, ROUNDS), unit)


def flags() -> argparse.Namespace:
    """The words of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n", 1)[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--json", action="store_true", help="cache, trace: JSON on stdout")
    parser.add_argument("--alone", action="store_true", help="cache: Lamina, and no other builder")
    parser.add_argument("--only", default="", metavar="TEXT", help="cache, verify: edits whose name has TEXT")
    found = parser.parse_args()
    found.cases = found.cases or ["cached", "run-true"]
    if unknown := [name for name in found.cases if name not in CASES]:
        parser.error(f"no case {unknown[0]}; there are {', '.join(CASES)}")
    return found


Case = Callable[[list[Builder], str, argparse.Namespace], None]
CASES: dict[str, Case] = {
    "cached": lambda found, folder, _: print(cached(found, folder), flush=True),
    "run-true": lambda found, folder, _: print(run_true(found, folder), flush=True),
    "cache": lambda found, folder, words: case.cache(found, folder, as_json=words.json, only=words.only),
    "verify": lambda found, folder, words: verify.verify(found[0], folder, only=words.only),
    "trace": lambda found, folder, words: tracing.trace(found[0], folder, ROUNDS, as_json=words.json),
    "ship": lambda found, folder, _: ship(found, folder, base, min(ROUNDS, 5)),
    "memory": lambda found, folder, _: memory(folder),
    "delta": lambda found, folder, _: delta(folder, min(ROUNDS, 3)),
    "questions": lambda found, folder, _: print(questions(found[0], folder, ROUNDS), flush=True),
    "read-set": lambda found, folder, _: print(readsets.read_set(found[0], folder, ROUNDS), flush=True),
}
ALONE = {"verify", "trace", "read-set", "memory", "delta", "questions"}  # no other builder takes part


def main() -> None:
    """Runs the named cases."""
    words = flags()
    for name in words.cases:
        folder = tempfile.mkdtemp(prefix="lamina-bench-", dir="/dev/shm")
        try:
            with builders(folder, peers=not words.alone and name not in ALONE) as found:
                CASES[name](found, folder, words)
        finally:
            for mounted in mounts_below(folder):  # what a peer that was interrupted leaves
                subprocess.run(["umount", "-l", mounted], check=False)
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
