"""Medians of interleaved runs: noise of a shared machine meets every contestant alike."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

Run = Callable[[], float]


def command(argv: Sequence[str], environ: Mapping[str, str]) -> Run:
    """A contestant: runs `argv` once and gives its wall time in seconds; RuntimeError when it fails."""

    def run() -> float:
        started = time.perf_counter()
        done = subprocess.run(argv, env=dict(environ), capture_output=True, check=False)
        seconds = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stderr.decode(errors='replace')[-2000:]}")
        return seconds

    return run


def per_step(many: Run, one: Run, steps: int) -> Run:
    """A contestant whose time is one step of `many`, which does `steps` more than `one` does."""
    return lambda: (many() - one()) / steps


def medians(contestants: Mapping[str, Run], rounds: int, warm_up: int = 1) -> dict[str, float]:
    """Seconds of each contestant, the median of `rounds` rounds in which each one runs once."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(warm_up + rounds):
        for name, run in contestants.items():
            seconds = run()
            if number >= warm_up:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def table(title: str, found: Mapping[str, float], unit: str) -> str:
    """The medians as lines: milliseconds, and the ratio to the contestant named `unit`."""
    lines = [title]
    lines += [
        f"  {name:<44} {value * 1e3:9.1f} ms {value / found[unit]:8.2f}" for name, value in found.items()
    ]
    return "\n".join(lines)
