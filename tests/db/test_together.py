"""Several processes open one database at once, also when it is not there yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

OPEN = """
import sys
from lamina.db.connect import Database
print("ready", flush=True)
sys.stdin.read(1)
with Database.open(sys.argv[1]) as db, db.write() as c:
    c.execute("SELECT count(*) FROM diffs")
"""


def test_a_new_database_made_by_many_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        path = str(tmp_path / f"{attempt}.db")
        openers = [
            subprocess.Popen([sys.executable, "-c", OPEN, path], stdin=PIPE, stdout=PIPE, stderr=PIPE)
            for _ in range(6)
        ]
        for opener in openers:
            assert opener.stdout is not None
            assert opener.stdout.readline() == b"ready\n"
        for opener in openers:
            assert opener.stdin is not None
            opener.stdin.write(b"!")
            opener.stdin.flush()
        printed = [opener.communicate()[1].decode() for opener in openers]
        assert [opener.returncode for opener in openers] == [0] * 6, "\n".join(printed)
