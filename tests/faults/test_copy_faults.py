"""copy through a proxy that spoils one phase: it ends well, or with a clear error and no name for a part."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.errors import LaminaError
from lamina.oci.digest import sha256
from tests.faults import test_pull_faults as pulling
from tests.faults import test_push_faults as pushing
from tests.faults.proxy import FAULTS, Phase, Proxy
from tests.faults.test_pull_faults import MADE, PASSING, assert_clear
from tests.faults.test_push_faults import SENT, assert_whole, tag_of
from tests.machine import THOROUGH
from tests.registry.distribution import Registry
from tests.transfer.copying import files, put

NUMBERS = itertools.count()


def few(found: Iterable[Any], start: int) -> list[Any]:
    """A twentieth of them; all with `./test --peers`. Pull and push go the same ways through theirs."""
    every = list(found)
    return every if THOROUGH else every[start::20]


def unlayered() -> Iterator[Any]:
    """What is asked of a registry that is copied to files."""
    for kind in ("oci:{}/out:x", "oci-archive:{}/out.tar:x"):
        yield from (pytest.param(kind, *case.values, id=f"{kind[:6]}-{case.id}") for case in pulling.cases())


@pytest.mark.parametrize(("target", "phase", "name", "lasting"), few(unlayered(), 3))
def test_from_a_registry(
    proxy: Proxy, place: Path, target: str, phase: Phase, name: str, lasting: bool
) -> None:
    source, target = f"docker://{proxy.host}/app:1", target.format(place)
    proxy.spoil(phase, FAULTS[name], lasting=lasting)
    try:
        done = put(source, target)
    except LaminaError as error:
        assert lasting or name not in PASSING, error.message
        assert_clear(error, proxy)
        assert all(path.startswith("out/blobs/sha256/") for path in files(place))
        for path in files(place):  # what came whole, and nothing else
            assert sha256((place / path).read_bytes())[7:] == path.rpartition("/")[2]
        proxy.mend()
        done = put(source, target)
    assert proxy.hits, "the fault never happened"
    assert done.digest == MADE.digest == put(target, f"oci:{place}/again:x").digest


@pytest.mark.parametrize(("phase", "name", "lasting"), few(pushing.cases(), 1))
def test_to_a_registry(
    proxy: Proxy, registry: Registry, place: Path, phase: Phase, name: str, lasting: bool
) -> None:
    source, path = MADE.layout(place / "layout"), f"copied{next(NUMBERS)}/app"
    proxy.spoil(phase, FAULTS[name], lasting=lasting)
    try:
        done = put(source, f"docker://{proxy.host}/{path}:1")
    except LaminaError as error:
        assert lasting or name not in PASSING, error.message
        assert_clear(error, proxy)
        there = tag_of(registry, path)
        if there is not None and name not in SENT:  # only the answer was lost
            assert_whole(registry, there)
        proxy.mend()
        done = put(source, f"docker://{proxy.host}/{path}:1")
    assert proxy.hits, "the fault never happened"
    assert done.digest == MADE.digest
    assert_whole(registry, tag_of(registry, path))
