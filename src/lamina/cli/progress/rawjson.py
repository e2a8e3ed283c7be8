"""--progress=rawjson: each event as one line of JSON, with the fields of BuildKit's SolveStatus.

A step is a vertex; its digest is made of its number and text, so that lines about one step belong together.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, TextIO

from lamina.cli.progress.drawer import Drawer
from lamina.events import Event, Notice, Progress, StepCached, StepFailed, StepFinished, StepOutput
from lamina.oci.timestamp import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.cli.progress.steps import Step


class RawJson(Drawer):
    """A line is {"vertexes": [...]}, {"logs": [...]}, {"statuses": [...]} or {"warnings": [...]}."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._started: dict[int, str] = {}
        self._moved: dict[str, str] = {}  # when a transfer began

    def draw(self, event: Event, lines: list[tuple[float, str]]) -> None:
        if isinstance(event, Notice):
            # BuildKit's warnings belong to a vertex where there is one; ours are the build's
            self._write("warnings", {"level": 1, "short": _base64(event.text.encode(errors="replace"))})
        elif isinstance(event, Progress):
            self._moving(event)
        elif event.step not in self.steps.steps:
            return
        elif isinstance(event, StepOutput):
            self._write(
                "logs",
                {
                    "vertex": self._digest(event.step),
                    "stream": 2 if event.stderr else 1,
                    "data": _base64(event.data),
                    "timestamp": _now(),
                },
            )
        else:
            self._vertex(event.step, event)

    def _vertex(self, number: int, event: Event) -> None:
        now = _now()
        found: dict[str, object] = {
            "digest": self._digest(number),
            "name": self.steps.steps[number].title,
            "started": self._started.setdefault(number, now),
        }
        if isinstance(event, StepCached | StepFinished | StepFailed):
            found["completed"] = now
        if isinstance(event, StepCached):
            found["cached"] = True
            if event.rule:
                found["rule"] = event.rule  # BuildKit has no such thing; its readers pass over it
            if event.origin:
                found["from"] = event.origin
        if isinstance(event, StepFailed):
            found["error"] = event.message
        self._write("vertexes", found)

    def _moving(self, event: Progress) -> None:
        now = _now()
        began = self._moved.setdefault(event.what, now)
        status: dict[str, object] = {"id": event.what, "vertex": _digest(event.what), "name": event.what}
        if event.total:
            status["total"] = event.total
        status |= {"current": event.done, "timestamp": now, "started": began}
        if event.total and event.done >= event.total:
            status["completed"] = now
        self._write("statuses", status)

    def failed(self) -> Step | None:
        """Gives the steps that were stopped their end. None: there is to be no report among the lines."""
        running = [number for number, step in self.steps.steps.items() if step.state == "running"]
        with self.lock:
            for number in running:
                step = self.steps.steps[number]
                self._write(
                    "vertexes",
                    {
                        "digest": self._digest(number),
                        "name": step.title,
                        "started": self._started.get(number, _now()),
                        "completed": _now(),
                        "error": "context canceled",
                    },
                )
        super().failed()
        return None

    def succeeded(self, results: Sequence[str]) -> None:
        """The export, as one more vertex."""
        digest, now = _digest("exporting to image"), _now()
        vertex: dict[str, object] = {
            "digest": digest,
            "name": "exporting to image",
            "started": now,
            "completed": now,
        }
        self._write("vertexes", vertex)
        for result in results:
            self._write(
                "statuses",
                {
                    "id": result, "vertex": digest, "name": result, "current": 0,
                    "timestamp": now, "started": now, "completed": now,
                },
            )  # fmt: skip

    def _digest(self, number: int) -> str:
        return _digest(f"{number} {self.steps.steps[number].title}")

    def _write(self, kind: str, value: dict[str, object]) -> None:
        self.out.write(json.dumps({kind: [value]}, separators=(",", ":")) + "\n")
        self.out.flush()


def _digest(text: str) -> str:
    return "sha256:" + sha256(text.encode(errors="backslashreplace")).hexdigest()


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _now() -> str:
    return rfc3339(*divmod(time.time_ns(), 1_000_000_000))
