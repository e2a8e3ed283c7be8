"""Forked: the `lamina` command in a fork of the tests' process: all that it does but its start."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import urllib3

import lamina.engine.engine
import lamina.fetch.watched
import lamina.transfer.copying.store
import lamina.transfer.draftpush
import lamina.transfer.push
import lamina.transfer.remote
import lamina.transfer.save
from lamina.cli.main import main
from tests.e2e.lamina_command import Lamina

# What a fork has it need not load.
LOADED = (lamina.engine.engine, lamina.transfer, urllib3)


@dataclass(frozen=True)
class Forked(Lamina):
    """As Lamina; for tests of what is said, which run many commands. No stdin."""

    def both(self, *args: str | Path, status: int = 0, stdin: bytes = b"", **environ: str) -> tuple[str, str]:
        """Standard output and standard error of `lamina ARGS`."""
        assert not stdin
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                _run([*map(str, args)], self.environ | environ, out, err)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said = [_text(file) for file in (out, err)]
        assert code == status, f"lamina {args}: {code}\n{said[0]}\n{said[1]}"
        return said[0], said[1]


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _run(args: list[str], environ: dict[str, str], out: BinaryIO, err: BinaryIO) -> None:
    """The life of the child; never returns."""
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        os.environ.clear()
        os.environ.update(environ)
        code = main(args)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
