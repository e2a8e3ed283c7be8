"""Htpasswd: the users of a registry, from a file of Apache's kind with bcrypt hashes.

A password that was right is known again by a keyed hash, so that bcrypt's cost is paid once and not for each
request; the key is this process's, and what it makes tells nothing of the password without it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time

from lamina.errors import Denied, InvalidInput, NotFound

_PREFIXES = ("$2y$", "$2b$", "$2a$")
_MAX_BYTES = 72  # of a password, as bcrypt and htpasswd(1) take it
_MAX_FILE = 4 << 20
_KNOWN = 1000  # users and passwords that were right
_AGAIN = 2.0  # seconds between two looks whether the file has changed
_AT_ONCE = 2  # passwords under test: who guesses must not take the machine


class Htpasswd:
    """The users of one file, which is read again when it changes."""

    def __init__(self, path: str) -> None:
        """NotFound, Denied; InvalidInput for a line that is none, or a hash that is not bcrypt's."""
        self._path = path
        self._key = os.urandom(32)
        self._lock = threading.Lock()
        self._testing = threading.Semaphore(_AT_ONCE)
        self._users, self._seen = _read(path), _stamp(path)
        self._nobody = next(iter(self._users.values()), b"")
        self._looked = time.monotonic()
        self._known: dict[bytes, None] = {}

    def is_right(self, user: str, password: str) -> bool:
        """Whether this is the user's password. As slow for a user who does not exist."""
        import bcrypt  # only a registry with users

        self._refresh()
        secret = password.encode()[:_MAX_BYTES]
        with self._lock:
            known, key = self._known, self._key
            expected = self._users.get(user)
        mark = hmac.digest(key, user.encode() + b"\0" + hashlib.sha256(password.encode()).digest(), "sha256")
        if mark in known:
            return True
        with self._testing:
            try:
                fits = bcrypt.checkpw(secret, expected or self._nobody)
            except ValueError:  # a password with a NUL, which no file can have
                fits = False
        if not fits or expected is None:
            return False
        with self._lock:
            if known is self._known:  # else the file has changed meanwhile
                while len(known) >= _KNOWN:
                    del known[next(iter(known))]
                known[mark] = None
        return True

    def _refresh(self) -> None:
        """Reads the file again when it has changed; one that makes no sense now leaves what was."""
        now = time.monotonic()
        with self._lock:
            if now - self._looked < _AGAIN:
                return
            self._looked = now
            try:
                stamp = _stamp(self._path)
                if stamp != self._seen:
                    self._users, self._seen, self._known = _read(self._path), stamp, {}
            except (InvalidInput, NotFound, Denied, OSError):
                pass


def _stamp(path: str) -> tuple[int, int, int]:
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(path: str) -> dict[str, bytes]:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_FILE)
    except FileNotFoundError:
        raise NotFound(f"{path}: no such file", hint="make it with: htpasswd -Bc FILE USER") from None
    except OSError as error:
        raise Denied(f"{path}: {(error.strerror or str(error)).lower()}") from None
    users: dict[str, bytes] = {}
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        user, colon, hashed = text.partition(":")
        if not colon or not user:
            raise InvalidInput(f"{path}, line {number}: not USER:HASH")
        if not hashed.startswith(_PREFIXES) or len(hashed) != 60:
            raise InvalidInput(
                f"{path}, line {number}: the password of {user!r} is not hashed by bcrypt",
                hint=f"set it again with: htpasswd -B {path} {user}",
            )
        users[user] = hashed.encode()
    if not users:
        raise InvalidInput(f"{path} has no users", hint="make it with: htpasswd -Bc FILE USER")
    return users
