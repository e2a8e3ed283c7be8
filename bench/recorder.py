"""How long the recorder takes until a step could begin to be traced."""

from __future__ import annotations

import json
import subprocess
import time
from typing import NamedTuple

from bench.builders import Builder
from lamina.fs import xattr
from lamina.oci.digest import DiffID
from lamina.store.layout import Layout
from lamina.trace.recorder import Recorder
from lamina.trace.wire import Setting

_ALL = ((0, 2**32 - 2),)  # IDs that exist: we are root
_PAUSE = 0.2  # s, in which the server makes its next daemon, as it does while a step runs


class Start(NamedTuple):
    """Seconds: of the first recording of a build, with all that it needs, and of one that comes later."""

    first: float
    later: float


def starts(ours: Builder, image: str, rounds: int) -> list[Start]:
    """Once a round, of a step on `image`."""
    words = [ours.build[0], "image", "inspect", image]
    found = json.loads(subprocess.run(words, env=dict(ours.environ), check=True, capture_output=True).stdout)
    chain = [DiffID(name) for name in reversed(found[0]["RootFS"]["Layers"])]
    layout = Layout(ours.environ["LAMINA_ROOT"])
    setting = Setting(layout.database, xattr.overlay_prefix().encode(), _ALL, _ALL)
    return [_start(setting, layout.diff, chain) for _ in range(rounds)]


def _start(setting: Setting, data: str, chain: list[DiffID]) -> Start:
    began = time.perf_counter()
    recorder = Recorder(setting, data)
    try:
        with recorder.start(chain):
            first = time.perf_counter() - began
        time.sleep(_PAUSE)
        began = time.perf_counter()
        with recorder.start(chain):
            return Start(first, time.perf_counter() - began)
    finally:
        recorder.close()
