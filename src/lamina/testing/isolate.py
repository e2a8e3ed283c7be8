"""run: a test in a forked child with a mount namespace of its own, as root of the kind that is asked for.

    isolate.run(test, "one", base="/dev/shm")

calls `test(folder)` with a new empty folder that the child may write. Whatever the test mounts is gone with
the child, and so is the folder, however the test ends. What it raises is raised here, with its traceback in
the message; Skip passes through as Skip.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import traceback
from typing import TYPE_CHECKING, Literal, get_args
from unittest import SkipTest

from lamina.errors import Denied, LaminaError
from lamina.mount import syscalls, userns
from lamina.store.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable

# "root": the machine's own root. "many": root of a user namespace with 65536 IDs. "one": with a single ID.
Ids = Literal["root", "many", "one"]
IDS: tuple[Ids, ...] = get_args(Ids)

_FIRST_SUB_ID = 1_000_000  # any that nobody uses; when the tests are run by root
_NOBODY = 65534


class Skip(SkipTest):
    """This test cannot run here; the message says why. pytest knows its base as a skipped test."""


class Failed(AssertionError):
    """The test failed in its child; the message has the child's traceback."""


def run(test: Callable[[str], object], ids: Ids, *, base: str | None = None) -> None:
    """Runs `test` as the file's docstring says; `base` is where its folder is made."""
    if ids == "root" and os.geteuid() != 0:
        raise Skip("needs root")
    folder = tempfile.mkdtemp(prefix="lamina-test-", dir=base)
    try:
        if os.geteuid() == 0:
            owner = {"root": 0, "many": _FIRST_SUB_ID, "one": _NOBODY}[ids]
            os.chown(folder, owner, owner)
        _fork(test, ids, folder)
    finally:
        remove_tree(folder)


def _fork(test: Callable[[str], object], ids: Ids, folder: str) -> None:
    ready, says_ready = os.pipe()
    go, says_go = os.pipe()
    result, says_result = os.pipe()
    child = os.fork()
    if child == 0:
        for fd in (ready, says_go, result):
            os.close(fd)
        _child(test, ids, folder, (says_ready, go, says_result))
    for fd in (says_ready, go, says_result):
        os.close(fd)
    try:
        if os.read(ready, 1) and ids != "root":
            _write_maps(child, ids)
        os.write(says_go, b"g")
    except BrokenPipeError:
        pass  # the child failed early, and says so
    finally:
        for fd in (ready, says_go):
            os.close(fd)
        with open(result, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
    _report(answer)


def _report(answer: bytes) -> None:
    if not answer:
        raise Failed("the child died")
    kind, text = pickle.loads(answer)
    if kind == "skip":
        raise Skip(text)
    if kind == "fail":
        raise Failed(text)


def _child(test: Callable[[str], object], ids: Ids, folder: str, pipes: tuple[int, int, int]) -> None:
    """Does not return."""
    says_ready, go, says_result = pipes
    answer = ("fail", "the child was stopped")
    try:
        _enter(ids, says_ready, go)
        inner = folder + "/test"
        os.mkdir(inner)
        try:
            test(inner)
        finally:
            _unmount_all(folder)
            remove_tree(inner)
        answer = ("pass", "")
    except Skip as skip:
        answer = ("skip", str(skip))
    except BaseException:
        answer = ("fail", traceback.format_exc())
    finally:
        os.write(says_result, pickle.dumps(answer))
        os._exit(0)


def _unmount_all(folder: str) -> None:
    from lamina.mount import apply

    for path in apply.mounts_below(folder):
        apply.unmount(path)


def _enter(ids: Ids, says_ready: int, go: int) -> None:
    flags = syscalls.CLONE_NEWNS
    if ids == "many" and os.geteuid() != 0:
        _enter_with_sub_ids()
    elif ids != "root":
        if ids == "one" and os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        try:
            syscalls.unshare(flags | syscalls.CLONE_NEWUSER)
        except OSError as error:
            raise Skip(f"no user namespaces here: {error}") from None
        os.write(says_ready, b"r")
    else:
        syscalls.unshare(flags)
    os.close(says_ready)
    os.read(go, 1)
    if ids != "root":
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE, "")


def _enter_with_sub_ids() -> None:
    try:
        single = userns.enter().single
    except Denied as error:
        raise Skip(str(error)) from None
    if single:
        raise Skip("needs sub-IDs in /etc/subuid and newuidmap")


def _write_maps(child: int, ids: Ids) -> None:
    """Writes the ID maps of a child that waits in its new user namespace."""
    uid, gid, count = _FIRST_SUB_ID, _FIRST_SUB_ID, 65536
    if ids == "one":
        ours = os.geteuid() == 0
        uid, gid, count = (_NOBODY, _NOBODY, 1) if ours else (os.geteuid(), os.getegid(), 1)
        _write(f"/proc/{child}/setgroups", "deny")
    _write(f"/proc/{child}/uid_map", f"0 {uid} {count}\n")
    _write(f"/proc/{child}/gid_map", f"0 {gid} {count}\n")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise LaminaError(f"{path}: {error.strerror}") from error
