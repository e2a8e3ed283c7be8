"""The history of an image: what made each layer, in BuildKit's words (config.md#properties, history)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.graph.gotext import duration, plain_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMMENT = "lamina.dockerfile.v0"


def run_text(args: Sequence[str], declared: Iterable[tuple[str, str]]) -> str:
    """`RUN |2 A=b C=d /bin/sh -c ...`: the process, after the build arguments in scope."""
    last = dict(declared)
    scope = [f"|{len(last)}", *(f"{name}={value}" for name, value in last.items())] if last else []
    return " ".join(["RUN", *scope, *args])


def copy_text(
    name: str,
    parents: bool,
    chown: str,
    chmod: str,
    sources: Iterable[str],
    documents: Iterable[str],
    dest: str,
) -> str:
    """`COPY --chown=a:b one two /dest`; a here-document counts as `<<NAME`. Other flags are not named."""
    words = [name]
    if parents:
        words.append("--parents")
    if chown:
        words.append(f"--chown={chown}")
    if chmod:
        words.append(f"--chmod={chmod}")
    words += sources
    words += [f"<<{document}" for document in documents]
    return " ".join([*words, dest])


def healthcheck_text(
    test: Sequence[str], interval: int, timeout: int, start_period: int, start_interval: int, retries: int
) -> str:
    """`HEALTHCHECK {Test:[CMD-SHELL true] Interval:30s ...}`; times in nanoseconds."""
    return (
        f"HEALTHCHECK {{Test:{plain_list(test)} Interval:{duration(interval)} Timeout:{duration(timeout)}"
        f" StartPeriod:{duration(start_period)} StartInterval:{duration(start_interval)} Retries:{retries}}}"
    )


def fill_times(created: Sequence[str]) -> list[str]:
    """Gives a time to the history entries that have none ("").

    Those before the first new layer get that layer's time, later ones the time of the layer below
    them; where no layer is new, the last known time. So a rebuild from the cache has the same times.
    """
    known = ""
    after_gap = False
    for time in created:
        if time:
            known = time
            if after_gap:
                break
        else:
            after_gap = True
    filled: list[str] = []
    seen_gap = False
    for time in created:
        if time and seen_gap:
            known = time
        seen_gap = seen_gap or not time
        filled.append(time or known)
    return filled
