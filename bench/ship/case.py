"""python -m bench ship: push, pull and a cached build by the registry, by all who can, in one run.

Debian's docker-registry behind a relay that counts the bytes. A round is: push a first version, push the
second, of which one source file is another; pull both into an empty store; the same for an image whose
source lies in one layer with everything else; and a build with the cache that another machine left.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bench.builders import Builder
from bench.ship import images
from bench.ship.contestants import Cost, Tool, contestants
from bench.ship.relay import Relay, relay

SIZE = int(os.environ.get("SHIP_MB", "500")) << 20  # bytes of files in the large layer
_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class Seen(NamedTuple):
    """One command of one contestant: what it cost, and the bytes that went through the relay."""

    cost: Cost
    moved: int


def ship(found: list[Builder], folder: str, base: Callable[[Builder, str, str], str], rounds: int) -> None:
    """Prints the table; RuntimeError when a contestant fails."""
    engine = next((each for each in found if "BuildKit" in each.name), None)
    daemon = int(_read(f"{folder}/docker/pid")) if engine is not None else 0
    archive = base(found[0], "busybox", folder)
    archives = _archives(found[0], folder)
    os.mkdir(f"{folder}/ship")
    tools = contestants(found[0], f"{folder}/ship", engine, daemon)
    seen: dict[tuple[str, str], list[Seen]] = {}
    for number in range(rounds):
        place = f"{folder}/{number}"
        with registry(place) as port, relay(port) as between:  # a new one: nobody knows what it has
            target = [
                "--dest-tls-verify=false",
                f"docker-archive:{archive}",
                f"docker://{between.host}/base:1",
            ]
            subprocess.run(["skopeo", "copy", *target], check=True, capture_output=True)
            images.steps(f"{place}/steps", f"{between.host}/base:1")
            for tool in tools:
                _round(tool, between, archives, seen)
                _build(tool, f"{place}/steps", between, seen)
        shutil.rmtree(place)
    print(_table(seen, [tool.name for tool in tools]), flush=True)


def _archives(ours: Builder, folder: str) -> dict[str, str]:
    """Each version of each image, as a docker-archive."""
    found = {}
    for kind, make, source in (("app", images.layered, "app.py"), ("wide", images.wide, "all/app.py")):
        context = f"{folder}/{kind}"
        make(context, "busybox", SIZE)
        for version in (1, 2):
            images.edit(context, version, source)
            ours.run(context, tag=f"{kind}:{version}")()
            found[f"{kind}:{version}"] = f"{folder}/{kind}{version}.tar"
            save = [ours.build[0], "save", "-o", found[f"{kind}:{version}"], f"{kind}:{version}"]
            subprocess.run(save, env=dict(ours.environ), check=True)
    return found


def _round(
    tool: Tool,
    between: Relay,
    archives: dict[str, str],
    seen: dict[tuple[str, str], list[Seen]],
) -> None:
    """One contestant's turn."""
    refs = {name: f"{between.host}/{_path(tool)}/{name}" for name in archives}
    for name, archive in archives.items():
        tool.load(archive)
        _note(seen, f"push {_said(name)}", tool, between, lambda name=name: tool.push(name, refs[name]))  # type: ignore[misc]
    tool.forget()
    for name in archives:
        _note(seen, f"pull {_said(name)}", tool, between, lambda name=name: tool.pull(refs[name]))  # type: ignore[misc]
    tool.forget()


def _note(
    seen: dict[tuple[str, str], list[Seen]], what: str, tool: Tool, between: Relay, do: Callable[[], Cost]
) -> None:
    """One command, and what went through the relay while it ran."""
    between.reset()
    cost = do()
    time.sleep(0.05)  # the relay counts what was under way
    seen.setdefault((what, tool.name), []).append(Seen(cost, between.sent + between.received))


def _path(tool: Tool) -> str:
    """The name of a contestant as a part of a repository's."""
    return tool.name.replace(",", "").replace(" ", "-").replace(":", "-")


def _said(name: str) -> str:
    kind, _, version = name.partition(":")
    what = "an image" if kind == "app" else "one large layer"
    return what if version == "1" else f"{what}, one file changed"


def _build(tool: Tool, context: str, between: Relay, seen: dict[tuple[str, str], list[Seen]]) -> None:
    """A cached build in an empty store, with the cache in the registry."""
    ref = f"{between.host}/cache-{_path(tool)}:1"
    try:
        tool.share(context, ref)
    except NotImplementedError:
        return
    tool.forget()
    _note(seen, "build by the shared cache", tool, between, lambda: tool.build(context, ref))
    if ran := tool.ran():
        print(f"{tool.name}: {ran} steps were run:\n{tool.log()}")
    tool.forget()


def _table(seen: dict[tuple[str, str], list[Seen]], names: list[str]) -> str:
    """Medians; seconds also as a ratio to Lamina's."""
    lines = ["| | | seconds | ratio | peak MiB | MB moved |", "| --- | --- | --- | --- | --- | --- |"]
    for what in dict.fromkeys(what for what, _ in seen):
        unit = statistics.median(each.cost.seconds for each in seen[(what, names[0])])
        for name in names:
            if (what, name) in seen:
                rows = seen[(what, name)]
                seconds = statistics.median(each.cost.seconds for each in rows)
                memory = statistics.median(each.cost.memory for each in rows)
                moved = statistics.median(each.moved for each in rows) / 1e6
                cells = [what if name == names[0] else "", name, f"{seconds:.2f}", f"{seconds / unit:.2f}"]
                lines.append(f"| {' | '.join(cells)} | {memory:.0f} | {moved:.2f} |")
    return "\n".join(lines)


@contextmanager
def registry(folder: str) -> Iterator[int]:
    """Debian's docker-registry, with its files on tmpfs; its port."""
    import socket

    os.mkdir(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with open(f"{folder}/config.yml", "w") as file:
        file.write(_CONFIG.format(folder=folder, port=port))
    process = subprocess.Popen(
        ["docker-registry", "serve", f"{folder}/config.yml"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5):
                    break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()
