"""Shelf: the folders mnt/KEY of all snapshots, whatever is in them; the bookkeeping of every backend."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.fs.failures import failure
from lamina.snapshot.protocol import Info
from lamina.store.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_INFO = "info.json"  # written last: a folder without it, or with a broken one, is half-made


class Shelf:
    """All snapshots below one folder (Layout.mnt)."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def path(self, key: str) -> str:
        """The folder of `key`, there or not."""
        if not key or "/" in key or "\0" in key or key in {".", ".."}:
            raise InvalidInput(f"invalid snapshot key {key[:100]!r}")
        return f"{self._folder}/{key}"

    def make(self, info: Info, fill: Callable[[str], None]) -> None:
        """Makes the snapshot's folder and has `fill` put into it what belongs there; all or nothing.

        Conflict when the key is taken. What a killed process left of the same key is replaced.
        """
        path = self.path(info.key)
        self._mkdir(info.key, path)
        try:
            fill(path)
            _write(path, info)
        except OSError as error:
            remove_tree(path)
            raise failure(error, path) from error
        except BaseException:
            remove_tree(path)
            raise

    def info(self, key: str) -> Info:
        """What was written down about `key`. NotFound when it is not there, or half-made."""
        try:
            with open(f"{self.path(key)}/{_INFO}", "rb") as file:
                return _parse(key, file.read())
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"no snapshot {key!r}") from None
        except OSError as error:
            raise failure(error, self.path(key)) from error

    def rename(self, key: str, name: str) -> None:
        """Gives the snapshot `key` the key `name`. Conflict when that is taken."""
        path = self.path(name)
        if os.path.lexists(path):
            raise Conflict(f"there is a snapshot {name!r} already")
        try:
            os.rename(self.path(key), path)
        except OSError as error:
            raise failure(error, path) from error

    def remove(self, key: str) -> None:
        """Takes the folder of `key` away with all that is in it, if it is there."""
        path = self.path(key)
        try:
            os.unlink(f"{path}/{_INFO}")  # first: from here on it does not count as a snapshot
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise failure(error, path) from error
        if os.path.lexists(path):
            remove_tree(path)

    def walk(self) -> Iterator[Info]:
        """All snapshots that are whole, sorted by key."""
        try:
            keys = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return
        for key in keys:
            try:
                yield self.info(key)
            except NotFound:
                continue

    def _mkdir(self, key: str, path: str) -> None:
        try:
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                if self._is_whole(key):
                    raise Conflict(f"there is a snapshot {key!r} already") from None
                remove_tree(path)
                os.mkdir(path, 0o700)
        except OSError as error:
            raise failure(error, path) from error

    def _is_whole(self, key: str) -> bool:
        try:
            self.info(key)
        except NotFound:
            return False
        return True


def _write(path: str, info: Info) -> None:
    row = {
        "snapshotter": info.snapshotter,
        "writable": info.writable,
        "volatile": info.volatile,
        "parents": info.parents,
    }
    with open(f"{path}/{_INFO}.new", "x") as file:
        file.write(json.dumps(row))
        if info.writable and not info.volatile:  # a container's: the one kind that outlives its process
            file.flush()
            os.fsync(file.fileno())
    os.rename(f"{path}/{_INFO}.new", f"{path}/{_INFO}")


def _parse(key: str, data: bytes) -> Info:
    try:
        row = json.loads(data)
        return Info(key, row["writable"], tuple(row["parents"]), row["snapshotter"], row["volatile"])
    except (ValueError, KeyError, TypeError):
        raise NotFound(
            f"the snapshot {key!r} is damaged: its {_INFO} cannot be read", hint="remove it"
        ) from None
