"""Caches inside of images: --cache-to type=inline, and --cache-from with the name of such an image."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from lamina.build.given import CacheTo
from lamina.errors import InvalidInput
from lamina.mount.userns import IdMap
from lamina.oci.config import ImageConfig, RootFS
from lamina.oci.digest import DiffID
from lamina.transfer.cache.inline import KEY, keys_of
from lamina.transfer.register import register_image
from tests.build.machines import Fleet, fleet_of, here, told
from tests.build.ruled import check_sound, rules
from tests.registry.distribution import Registry

pytestmark = pytest.mark.timeout(120)
_NAMES = itertools.count()
_INLINE = (CacheTo("inline"),)


@pytest.fixture
def fleet(inside: IdMap, counted: Registry) -> Iterator[Fleet]:
    with fleet_of(counted, f"i{next(_NAMES)}") as made:
        yield made


def test_an_image_is_its_own_cache(fleet: Fleet) -> None:
    app = fleet.name("app:1")
    machine = fleet.machine()
    first = fleet.build(machine, cache_to=_INLINE, tags=(app,))
    fleet.push(machine, app, app)
    other = fleet.machine()
    result = fleet.build(other, cache_from=(fleet.source("app:1"),), cache_to=_INLINE)
    assert rules(result) == ["ran", "ran", "ran", "exact", "exact", "exact"]
    assert result.image_id == first.image_id
    assert here(other, result) == [True] * 4, "its layers are fetched when they are hit"
    check_sound(other, result.image_id)


def test_it_is_the_same_however_the_steps_came_about(fleet: Fleet) -> None:
    machine = fleet.machine()
    first = fleet.build(machine, cache_to=_INLINE)
    assert fleet.build(machine, cache_to=_INLINE).image_id == first.image_id
    keys = machine.config(first.image_id).extra[KEY]["keys"]  # type: ignore[index]
    assert keys[0] == "" and all(key.startswith("sha256:") for key in keys[1:])
    plain = fleet.build(machine)
    assert KEY not in machine.config(plain.image_id).extra
    assert plain.image_id != first.image_id


def test_the_cache_of_a_base_is_not_that_of_the_image(fleet: Fleet) -> None:
    machine = fleet.machine()
    base = fleet.build(machine, cache_to=_INLINE).image_id
    for more in ((), _INLINE):
        made = machine.build(f"FROM {base}\nLABEL a=b\n", cache_to=more)
        assert KEY not in machine.config(made.image_id).extra
    above = machine.build(f"FROM {base}\nWORKDIR /z\n", cache_to=_INLINE)
    keys = machine.config(above.image_id).extra[KEY]["keys"]  # type: ignore[index]
    assert [bool(key) for key in keys] == [False] * 4 + [True]


def test_an_image_without_a_cache_is_told_of(fleet: Fleet) -> None:
    machine = fleet.machine()
    source = fleet.source()._replace(place=fleet.base)
    result = fleet.build(machine, "FROM scratch\nCOPY seed /\n", cache_from=(source,))
    assert rules(result) == ["ran"]
    assert f"[Warning] {fleet.base} has no build cache in it" in told(machine)


def test_what_is_no_cache_is_not_believed(fleet: Fleet) -> None:
    machine = fleet.machine()
    config = machine.config(fleet.build(machine, cache_to=_INLINE).image_id)
    app = fleet.name("app:1")
    lying = config._replace(extra={**config.extra, KEY: {"keys": ["x"] * 4}})
    register_image(machine.ctx, lying, config.diff_ids, [app])
    fleet.push(machine, app, app)
    other = fleet.machine()
    result = fleet.build(other, cache_from=(fleet.source("app:1"),))
    assert rules(result) == ["ran"] * 6
    assert any(text.startswith("[Warning] importing cache manifest from") for text in told(other))


@pytest.mark.parametrize("value", [[], {}, "x", {"keys": []}, {"keys": {"a": 1}}, {"keys": [1, ""]}])
def test_keys_that_do_not_fit_are_refused(value: object) -> None:
    config = ImageConfig("amd64", "linux", RootFS((DiffID("a"), DiffID("b"))), extra={KEY: value})
    with pytest.raises(InvalidInput):
        keys_of(config)
