"""A failed RUN stays: what it had changed is kept, becomes a layer when it is asked for, and is bounded."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

import pytest

from lamina.build import failed, stepstate
from lamina.build.errors import BuildFailed
from lamina.db import cachedb, layerdb, recorded
from lamina.errors import NotFound
from lamina.gc.collect import collect
from lamina.gc.context import Context
from lamina.layers.lookup import Lookup

if TYPE_CHECKING:
    from lamina.db.recorded import BuildStep

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


def fail(kitchen: Kitchen, command: str, before: str = "") -> BuildFailed:
    with pytest.raises(BuildFailed) as caught:
        kitchen.build(f"FROM busybox\n{before}RUN {command}\n")
    return caught.value


def step_of(kitchen: Kitchen, error: BuildFailed) -> BuildStep:
    steps = recorded.steps(kitchen.db.read(), error.build_id)
    return next(step for step in steps if step.step == error.step)


def layer_of(kitchen: Kitchen, error: BuildFailed) -> Lookup:
    chain = failed.chain_of(kitchen.ctx, error.build_id, step_of(kitchen, error))
    layers = layerdb.chain(kitchen.db.read(), chain)
    return Lookup(kitchen.ctx, [layer.diff_id for layer in reversed(layers)])


def in_mnt(kitchen: Kitchen) -> list[str]:
    return sorted(os.listdir(kitchen.layout.mnt))


@pytest.mark.parametrize("snapshotter", ["overlay", "native"])
def test_what_it_changed_stays(kitchen: Kitchen, snapshotter: str) -> None:
    if snapshotter == "native":
        kitchen.snapshotter = "native"
    error = fail(
        kitchen,
        "echo new > /new; rm /etc/group; chmod 700 /var; mkdir -p /d/e; exit 5",
        "RUN echo 1 > /one\n",
    )
    assert in_mnt(kitchen) == [f"failed-{error.build_id}-3"]
    files = layer_of(kitchen, error)
    with files.open(b"new") as file:
        assert file.read() == b"new\n"
    assert files.get(b"etc/group") is None
    assert files.get(b"etc/passwd") is not None
    var = files.get(b"var")
    assert var is not None
    assert var.mode == 0o700
    assert files.get(b"one") is not None, "what it stood on is below it"
    assert in_mnt(kitchen) == [], "it is a layer now"
    assert layer_of(kitchen, error).chain == files.chain, "asked again it is the same"


def test_mount_points_are_no_changes(kitchen: Kitchen) -> None:
    error = fail(kitchen, "ls /proc/self /sys /etc/resolv.conf; exit 1")
    top = layer_of(kitchen, error).chain[0]
    assert cachedb.files(kitchen.db.read(), top) == []


def test_the_error_says_how_to_look(kitchen: Kitchen) -> None:
    error = fail(kitchen, "exit 5")
    assert error.hint is not None
    assert "`lamina run --failed -it`" in error.hint
    assert error.build_id in error.hint
    assert "step 2" in error.hint
    again = pickle.loads(pickle.dumps(error))
    assert (again.build_id, again.step, again.hint, again.status) == (error.build_id, 2, error.hint, 5)
    missing = fail(kitchen, "no-such-command")
    assert missing.hint is not None
    assert missing.hint.startswith("127 mostly means")
    assert "--failed" in missing.hint


def test_a_program_that_is_not_there(kitchen: Kitchen) -> None:
    error = fail(kitchen, '["/no/such"]')
    assert error.status == 127
    assert layer_of(kitchen, error).get(b"bin/busybox") is not None


def test_what_it_runs_with_is_known(kitchen: Kitchen) -> None:
    with pytest.raises(BuildFailed) as caught:
        kitchen.build(
            'FROM busybox\nENV A=1\nARG B=2\nWORKDIR /w\nUSER worker\nSHELL ["/bin/sh", "-eu", "-c"]\n'
            "LABEL l=m\nRUN false\n",
            build_args={"HTTP_PROXY": "http://user:secret@proxy"},
        )
    state = stepstate.parse(step_of(kitchen, caught.value).state)
    assert {"A=1", "B=2", "PATH=/bin"} <= set(state.env)
    assert (state.cwd, state.user, state.shell, state.network) == ("/w", "worker", "/bin/sh", "host")
    assert state.args[-1] == "false"
    assert state.config["Labels"] == {"l": "m"}
    assert "secret" not in step_of(kitchen, caught.value).state, "proxies may hold passwords"


def test_a_step_that_succeeds_is_known_too(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nENV A=1\nRUN true\n")
    kitchen.build("FROM busybox\nENV A=1\nRUN true\nENV B=2\n")
    build = recorded.find(kitchen.db.read())
    for step in recorded.steps(kitchen.db.read(), build.id):
        assert step.status == "cached"
        assert layerdb.get_layer(kitchen.db.read(), step.chain_id) is not None  # type: ignore[arg-type]
        assert ("A=1" in stepstate.parse(step.state).env) == (step.step == 2)


def test_the_newest_five_stay(kitchen: Kitchen) -> None:
    errors = [fail(kitchen, f"echo {n} > /n; exit 1") for n in range(7)]
    assert in_mnt(kitchen) == sorted(f"failed-{error.build_id}-2" for error in errors[2:])
    with pytest.raises(NotFound, match="nothing is kept"):
        layer_of(kitchen, errors[0])
    with layer_of(kitchen, errors[2]).open(b"n") as file:
        assert file.read() == b"2\n"


def test_one_for_each_build(kitchen: Kitchen) -> None:
    with pytest.raises(BuildFailed) as caught:
        kitchen.build(
            "FROM busybox AS a\nRUN sleep 0.2; exit 1\nFROM busybox AS b\nRUN sleep 0.2; exit 2\n"
            "FROM scratch\nCOPY --from=a /x /\nCOPY --from=b /x /\n"
        )
    assert len(in_mnt(kitchen)) == 1
    assert caught.value.status in (1, 2)


def test_a_sweep_leaves_it_and_what_it_stands_on(kitchen: Kitchen) -> None:
    error = fail(kitchen, "echo new > /new; false", "RUN echo below > /below\n")
    with kitchen.db.write() as tx:
        for step in cachedb.steps(tx):
            cachedb.delete_step(tx, step.key)
        tx.execute("DELETE FROM leases")
    collect(Context(*kitchen.ctx))
    with layer_of(kitchen, error).open(b"below") as file:
        assert file.read() == b"below\n"
    with kitchen.db.write() as tx:
        tx.execute("DELETE FROM leases")
    collect(Context(*kitchen.ctx))
    assert layer_of(kitchen, error).get(b"new") is not None, "as a layer it stays, too"


def test_it_can_be_removed(kitchen: Kitchen) -> None:
    error = fail(kitchen, "dd if=/dev/zero of=/big bs=1k count=64; exit 1")
    other = fail(kitchen, "exit 1")
    failed.remove_of(kitchen.ctx, [other.build_id])
    assert in_mnt(kitchen) == [f"failed-{error.build_id}-2"]
    assert failed.remove_all(kitchen.ctx) >= 65536
    assert in_mnt(kitchen) == []
    assert cachedb.writables(kitchen.db.read()) == []
    with pytest.raises(NotFound, match="nothing is kept"):
        layer_of(kitchen, error)


def test_a_snapshot_that_somebody_removed(kitchen: Kitchen) -> None:
    error = fail(kitchen, "exit 1")
    from lamina.store.files import remove_tree

    remove_tree(f"{kitchen.layout.mnt}/failed-{error.build_id}-2")
    with pytest.raises(NotFound, match="was removed"):
        layer_of(kitchen, error)


def test_a_failure_without_room_to_keep_it(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    from lamina.errors import NoSpace
    from lamina.events import Notice
    from lamina.snapshot.backend import Backend

    def full(*_: object) -> None:
        raise NoSpace("no space left")

    monkeypatch.setattr(Backend, "keep", full)
    error = fail(kitchen, "exit 4")
    assert (error.status, error.hint) == (4, None)
    assert in_mnt(kitchen) == []
    assert any("could not be kept" in event.text for event in kitchen.events if isinstance(event, Notice))
