"""The `lamina` command as a user runs it: a process of its own, on a root of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Lamina:
    """Runs commands on one root; a status other than `status` fails the test with what was printed."""

    root: Path

    @property
    def environ(self) -> dict[str, str]:
        """What every command runs with: our root, no registries, and nothing that changes the output."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("LAMINA_")}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return kept | {"LAMINA_ROOT": str(self.root), "LAMINA_OFFLINE": "1"}

    @property
    def argv(self) -> list[str]:
        """The command without its arguments."""
        return [sys.executable, "-m", "lamina"]

    def __call__(self, *args: str | Path, status: int = 0, stdin: bytes = b"", **environ: str) -> str:
        """Standard output of `lamina ARGS`."""
        return self.both(*args, status=status, stdin=stdin, **environ)[0]

    def both(self, *args: str | Path, status: int = 0, stdin: bytes = b"", **environ: str) -> tuple[str, str]:
        """Standard output and standard error of `lamina ARGS`."""
        done = subprocess.run(
            [*self.argv, *map(str, args)],
            input=stdin,
            capture_output=True,
            env=self.environ | environ,
            timeout=600,
            check=False,
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert done.returncode == status, f"lamina {args}: {done.returncode}\n{out}\n{err}"
        return out, err

    @property
    def one_id(self) -> bool:
        """Whether the user has no sub-IDs: then every user of an image is the same one."""
        return self("info", "-f", "{{.IDMap}}").startswith("one ID")

    def start(self, *args: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        """The command in the background, in a process group of its own."""
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.STDOUT)
        return subprocess.Popen(
            [*self.argv, *map(str, args)],
            env=self.environ | options.pop("environ", {}),
            start_new_session=True,
            **options,
        )

    def build(self, *args: str | Path, status: int = 0) -> str:
        """The plain progress of a build."""
        return self.both("build", "--progress=plain", *args, status=status)[1]

    def inspect(self, name: str) -> dict[str, Any]:
        """The one object that `lamina inspect NAME` prints."""
        (found,) = json.loads(self("inspect", name))
        assert isinstance(found, dict)
        return found


def cached_steps(progress: str) -> dict[str, bool]:
    """From the plain progress of a build: the text of each step, and whether it was CACHED."""
    names: dict[str, str] = {}
    cached: dict[str, bool] = {}
    for line in progress.splitlines():
        number, _, rest = line.partition(" ")
        if not number.startswith("#"):
            continue
        if rest.startswith("[") and "]" in rest:
            names[number] = rest.partition("] ")[2]
            cached[names[number]] = False
        elif rest == "CACHED" and number in names:
            cached[names[number]] = True
    return cached
