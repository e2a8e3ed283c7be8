"""Speed, side by side: python -m bench [cached|run-true ...]

cached    a fully cached build of the Flask example, beside `python -c pass`
run-true  one `RUN true` step, everything included, beside `unshare -mpfiu chroot ROOT true`

Every contestant runs once a round, in turn; what counts is the ratio of the medians. Working files lie
on tmpfs.
Run it with the Python that Lamina is installed in: `.venv/bin/python -m bench`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

from bench.builders import Builder, builders
from bench.measure import Run, command, medians, per_step, table
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


CASES = {"cached": cached, "run-true": run_true}


def main() -> None:
    """Runs the named cases, or all."""
    for name in sys.argv[1:] or CASES:
        folder = tempfile.mkdtemp(prefix="lamina-bench-", dir="/dev/shm")
        try:
            with builders(folder) as found:
                print(CASES[name](found, folder), flush=True)
        finally:
            for mounted in mounts_below(folder):  # what a peer that was interrupted leaves
                subprocess.run(["umount", "-l", mounted], check=False)
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
