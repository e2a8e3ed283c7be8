"""Recorders that die, or cannot begin; several at once; what is left when all is over."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.trace.places import Place, names, run, setting_of
from tests.trace.test_seen import read

from lamina.mount import syscalls
from lamina.oci.digest import DiffID
from lamina.testing.trees import file, folder
from lamina.trace import recorder as recorder_module
from lamina.trace import support
from lamina.trace.recorder import Recorder, Untraced


def children(pid: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    """Whether a process ends soon."""
    for _ in range(200):
        if not os.path.exists(f"/proc/{pid}") or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return True
        time.sleep(0.01)
    return False


def daemons(place: Place) -> list[int]:
    return children(place.recorder._pid)


def test_killed_daemon() -> None:
    def test(place: Place) -> None:
        chain = [place.layer(file("a", b"1"), file("b", b"2"))]
        with place.recorded(chain) as shown:
            assert read(shown.root, "a") == b"1"
            for pid in daemons(place):
                os.kill(pid, signal.SIGKILL)
                gone(pid)
            with pytest.raises(OSError, match=r"not connected|abort"):
                read(shown.root, "b")
            traced = shown.finish()
            assert traced.read_set is None
            assert traced.doubt == "the recorder died"
        with place.recorded(chain) as shown:  # another one is there
            assert read(shown.root, "b") == b"2"
            assert names(shown.finish()) == {"", "b"}

    run(test, "root")


def test_killed_daemon_is_why_a_step_failed() -> None:
    def test(place: Place) -> None:
        with place.recorder.start([place.layer(file("a"))]) as recording:
            assert not recording.failed()
        recording = place.recorder.start([place.layer(file("a"))])
        for pid in daemons(place):
            os.kill(pid, signal.SIGKILL)
        assert recording.failed()

    run(test, "root")


def test_killed_server() -> None:
    def test(place: Place) -> None:
        chain = [place.layer(file("a", b"1"))]
        with place.recorded(chain) as shown:
            os.kill(place.recorder._pid, signal.SIGKILL)
            shown.finish()
        with pytest.raises(Untraced):
            place.recorder.start(chain)

    run(test, "root")


def test_unknown_layer() -> None:
    def test(place: Place) -> None:
        with pytest.raises(Untraced, match="is not in the store"):
            place.recorder.start([DiffID("sha256:" + "0" * 64)])

    run(test, "root")


def test_several_at_once() -> None:
    def test(place: Place) -> None:
        chains = [[place.layer(folder("d"), file(f"d/{n}", b"%d" % n))] for n in range(4)]
        found: dict[int, set[str]] = {}

        def record(number: int) -> None:
            with place.recorded(chains[number]) as shown:
                assert read(shown.root, f"d/{number}") == b"%d" % number
                found[number] = names(shown.finish())

        threads = [threading.Thread(target=record, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {number: {"", "d", f"d/{number}"} for number in range(4)}

    run(test, "root")


def test_nothing_is_left() -> None:
    def test(place: Place) -> None:
        recorder = Recorder(setting_of(place.ctx), place.ctx.layout.diff)
        with recorder.start([place.layer(file("a"))]):
            time.sleep(0.1)  # until the next daemon waits
            pids = [recorder._pid, *children(recorder._pid)]
        assert len(pids) >= 2
        recorder.close()
        assert all(map(gone, pids))

    run(test, "root")


def test_ends_though_another_process_has_its_socket() -> None:
    """A program that forks without an exec has copies of all descriptors."""

    def test(place: Place) -> None:
        recorder = Recorder(setting_of(place.ctx), place.ctx.layout.diff)
        fork = os.fork()
        if fork == 0:
            signal.pause()
        try:
            recorder.close()
            assert gone(recorder._pid)
        finally:
            os.kill(fork, signal.SIGKILL)
            os.waitpid(fork, 0)

    run(test, "root")


def test_a_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_LONGEST_STOP", 100)

    def test(place: Place) -> None:
        recorder = Recorder(setting_of(place.ctx), place.ctx.layout.diff)
        os.kill(recorder._pid, signal.SIGSTOP)
        recorder.close()
        assert gone(recorder._pid)

    run(test, "root")


def test_dies_with_its_builder() -> None:
    def test(place: Place) -> None:
        layer = place.layer(file("a"))
        told, tell = os.pipe()
        builder = os.fork()
        if builder == 0:
            try:
                recorder = Recorder(setting_of(place.ctx), place.ctx.layout.diff)
                recording = recorder.start([layer])
                time.sleep(0.1)
                os.write(tell, " ".join(map(str, [recorder._pid, *children(recorder._pid)])).encode())
                time.sleep(60)
                recording.close()
            finally:
                os._exit(0)
        pids = [int(pid) for pid in os.read(told, 1000).split()]
        os.kill(builder, signal.SIGKILL)
        os.waitpid(builder, 0)
        assert len(pids) >= 2
        assert all(map(gone, pids))

    run(test, "root")


def test_no_device() -> None:
    def test(place: Place) -> None:
        syscalls.mount("/dev/null", "/dev/fuse", "", 4096, "")  # MS_BIND; a machine without the driver
        recorder = Recorder(setting_of(place.ctx), place.ctx.layout.diff)
        try:
            with pytest.raises(Untraced):
                recorder.start([place.layer(file("a"))])
        finally:
            recorder.close()

    run(test, "root")


@pytest.mark.parametrize("ids", ["root", "many", "one"])
def test_canary(ids: str) -> None:
    def test(place: Place) -> None:
        setting = setting_of(place.ctx)
        options = "userxattr" if setting.prefix.startswith(b"user.") else ""
        folder = f"{place.ctx.layout.mnt}/canary"
        assert support.try_it(folder, options, setting) == ""
        if not options:
            assert support.try_it(folder + "2", "userxattr", setting)  # it must look where we say it

    run(test, ids)  # type: ignore[arg-type]


def test_old_kernels_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*real[:2], "6.15.9-arch1", *real[3:])))
    assert support.why_not() == "Linux 6.15.9-arch1 is too old: 6.16 is needed"
