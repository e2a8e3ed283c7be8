"""python -m bench trace: what it costs to record what a RUN looks at.

Each step is built with --no-cache, traced and not (--cache-rule -untouched), in turn. What counts is the CPU
time of the build's whole process tree, recorder included: that of a wall clock is noise on a shared machine.
Nothing is fetched in a step that is measured: what it installs lies in the image below it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple

from bench.builders import Builder
from bench.cache.bases import BUILD
from bench.recorder import Start, starts

UNTRACED = ("--cache-rule", "-untouched")
FILES = 100  # of the C program
STEPS = 20  # that do nothing
MOST = 1.15  # traced CPU / untraced CPU
SLOWEST_START = 0.030  # s
_PR_SET_CHILD_SUBREAPER = 36

_APT = "apt-get install -y --no-install-recommends"
_FLASK = "flask sqlalchemy requests"
_PIP = "pip install --no-cache-dir --break-system-packages --root-user-action=ignore"

# By name: what is done before, and the step that is measured.
CASES = {
    "apt-get install": (
        f"FROM debian\nRUN apt-get update && {_APT} --download-only git\n",
        f"RUN {_APT} --no-download git\n",
    ),
    "pip install": (
        f"FROM debian\nRUN pip download -d /wheels {_FLASK}\n",
        f"RUN {_PIP} --no-index --find-links /wheels {_FLASK}\n",
    ),
    f"make, {FILES} files": (
        f"FROM debian\nRUN apt-get update && {_APT} gcc libc6-dev make\nWORKDIR /src\nCOPY . .\n",
        "RUN make\n",
    ),
}


class Cost(NamedTuple):
    """Of one build, in seconds."""

    cpu: float
    wall: float


class Measured(NamedTuple):
    """One step, round by round."""

    name: str
    traced: list[Cost]
    untraced: list[Cost]

    def ratio(self) -> float:
        """Of the CPU time: the median over the rounds, each of which has both."""
        pairs = zip(self.traced, self.untraced, strict=True)
        return statistics.median(traced.cpu / untraced.cpu for traced, untraced in pairs)


def build(builder: Builder, folder: str, *flags: str) -> Cost:
    """Builds `folder` once without the cache. RuntimeError when it fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    seconds = builder.run(folder, "--no-cache", *flags)()
    _reap(started + seconds + 2)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, seconds)


def _reap(until: float) -> None:
    """Waits for what the build left behind, so that its time counts."""
    try:
        while time.perf_counter() < until:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.005)
    except ChildProcessError:
        pass


def pairs(builder: Builder, folder: str, rounds: int) -> tuple[list[Cost], list[Cost]]:
    """Costs of traced and untraced builds, which come in turn; the first of each does not count."""
    found: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(rounds + 1):
        order = (0, 1) if number % 2 else (1, 0)
        for which in order:
            cost = build(builder, folder, *(UNTRACED if which else ()))
            if number:
                found[which].append(cost)
    return found


def write_program(folder: str) -> None:
    """A C program of FILES files that includes what such programs do."""
    for number in range(FILES):
        text = "".join(f"#include <{name}.h>\n" for name in ("stdio", "stdlib", "string", "unistd", "errno"))
        text += f'#include "all.h"\nint f{number}(const char *s) {{ return printf("%s {number}\\n", s); }}\n'
        with open(os.path.join(folder, f"f{number}.c"), "w") as file:
            file.write(text)
    with open(os.path.join(folder, "all.h"), "w") as file:
        file.writelines(f"int f{number}(const char *s);\n" for number in range(FILES))
    with open(os.path.join(folder, "main.c"), "w") as file:
        file.write('#include "all.h"\nint main(void) { return f0("x") < 0; }\n')
    with open(os.path.join(folder, "Makefile"), "w") as file:
        file.write("all: $(patsubst %.c,%.o,$(wildcard *.c))\n\t$(CC) -o $@ $^\n")


def measure(ours: Builder, folder: str, rounds: int) -> list[Measured]:
    """All steps. The images below them are built first."""
    found = []
    for number, (name, (below, step)) in enumerate(CASES.items()):
        place = os.path.join(folder, f"trace-{number}")
        for part, text in (("below", below), ("step", f"FROM bench-{number}\n{step}")):
            os.makedirs(os.path.join(place, part))
            if part == "below" and "COPY" in below:
                write_program(os.path.join(place, part))
            with open(os.path.join(place, part, "Dockerfile"), "w") as file:
                file.write(text)
        ours.run(os.path.join(place, "below"), tag=f"bench-{number}")()
        found.append(Measured(name, *pairs(ours, os.path.join(place, "step"), rounds)))
    return found


def nothing(ours: Builder, folder: str, rounds: int) -> Measured:
    """`RUN true`: of one step, as the difference of a build of STEPS + 1 and one of a single step."""
    costs = []
    for steps in (1, STEPS + 1):
        place = os.path.join(folder, f"true-{steps}")
        os.mkdir(place)
        with open(os.path.join(place, "Dockerfile"), "w") as file:
            file.write("FROM debian\n" + "RUN true\n" * steps)
        costs.append(pairs(ours, place, rounds))
    one, many = costs
    traced, untraced = (
        [
            Cost((b.cpu - a.cpu) / STEPS, (b.wall - a.wall) / STEPS)
            for a, b in zip(one[n], many[n], strict=True)
        ]
        for n in (0, 1)
    )
    return Measured("RUN true", traced, untraced)


def trace(ours: Builder, folder: str, rounds: int, *, as_json: bool) -> None:
    """Prints the figures; exits with 1 when tracing costs more than it may."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    environ = dict(ours.environ) | {"LAMINA": ours.build[0]}
    subprocess.run([BUILD, "debian"], env=environ, check=True)
    found = [*measure(ours, folder, rounds), nothing(ours, folder, rounds)]
    started = starts(ours, "debian", rounds)
    print(as_data(found, started) if as_json else text(found, started))
    dear = [f"{one.name}: {one.ratio():.2f}" for one in found[:-1] if one.ratio() > MOST]
    first = statistics.median(start.first for start in started)
    if first > SLOWEST_START:
        dear.append(f"start of the recorder: {first * 1e3:.1f} ms")
    if dear:
        raise SystemExit("tracing is too dear: " + "; ".join(dear))


def _medians(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(c.cpu for c in costs), statistics.median(c.wall for c in costs))


def text(found: Sequence[Measured], started: Sequence[Start]) -> str:
    """Lines: medians of CPU and wall time, untraced and traced."""
    columns = "untraced CPU   traced CPU   ratio   untraced wall   traced wall"
    lines = [f"tracing, medians of {len(started)} rounds   {columns}"]
    for one in found:
        (cpu, wall), (traced_cpu, traced_wall) = _medians(one.untraced), _medians(one.traced)
        lines.append(
            f"  {one.name:<32} {cpu * 1e3:9.1f} ms {traced_cpu * 1e3:9.1f} ms {one.ratio():7.2f}"
            f" {wall * 1e3:12.1f} ms {traced_wall * 1e3:10.1f} ms"
        )
    first, later = (statistics.median(each) for each in zip(*started, strict=True))
    lines.append(f"  start of the recorder: {first * 1e3:.1f} ms; for later steps {later * 1e3:.1f} ms")
    return "\n".join(lines)


def as_data(found: Sequence[Measured], started: Sequence[Start]) -> str:
    """The same as JSON, round by round."""
    steps = [one._asdict() | {"ratio": one.ratio()} for one in found]
    return json.dumps({"steps": steps, "start": list(started)}, indent=2)
