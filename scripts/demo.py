"""What ./demo tells: an example is built, run, changed, and built again; the layers are shown each time."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import lamina
from lamina.cli.units import ellipsis, human_size, short_id

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE / ".cache" / "demo"
CONTEXT = HERE / ".cache" / "demo-context"
COMMAND = str(Path(sys.executable).parent / "lamina")
NAMES = ("site", "site:before")  # what an earlier demo left


def say(text: str) -> None:
    """One paragraph, set off from what commands print; below a number it is indented."""
    print("\n" + textwrap.fill(text, 80, subsequent_indent="   " if text[0].isdigit() else ""), flush=True)


def run(*args: str) -> float:
    """Shows a command and runs it as a user would: the seconds it took. The demo ends where one fails."""
    print(f"$ lamina {shlex.join(args)}", flush=True)
    started = time.monotonic()
    done = subprocess.run(
        [COMMAND, *args], env=os.environ | {"LAMINA_ROOT": str(ROOT)}, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        sys.exit(done.returncode)
    return time.monotonic() - started


def build() -> float:
    """Builds the example as it is now; the seconds it took."""
    return run("build", "--progress=plain", "-t", "site", short(CONTEXT))


def folders() -> set[str]:
    """The layers that the store has, by the names of their folders."""
    return set(os.listdir(ROOT / "diff"))


def short(path: Path) -> str:
    """A path as it is called from the folder that ./demo runs in."""
    return str(path.relative_to(HERE))


def table(engine: lamina.Engine, before: set[str]) -> None:
    """One row a layer of the image `site`: made or reused, its size, who shares it, what made it."""
    print(f"\n{'LAYER':14}{'':8}{'SIZE':>7}  {'SHARED WITH':22}INSTRUCTION")
    for layer in engine.layers("site"):
        how = "reused" if os.path.basename(layer.folder) in before else "made"
        shared = ", ".join(name.removesuffix(":latest") for name in layer.shared_with) or "-"
        cells = f"{short_id(layer.diff_id):14}{how:8}{human_size(layer.size):>7}  {ellipsis(shared, 21):22}"
        print(cells + ellipsis(layer.created_by, 80 - len(cells)))


def where(engine: lamina.Engine) -> None:
    """Shows the folder of one layer."""
    layer = next(layer for layer in engine.layers("site") if layer.created_by == "COPY /pages .")
    folder = Path(layer.folder)
    say(f"Each layer is a folder in {short(ROOT)}/diff that holds what its step changed, and nothing else:")
    print(f"{short_id(layer.diff_id)}…/      ({layer.created_by})")
    for path in sorted(folder.rglob("*")):
        print(f"    {path.relative_to(folder)}{'/' if path.is_dir() else ''}")


def first_build(engine: lamina.Engine) -> None:
    """From nothing to an image, and what it is made of."""
    say(
        "1. A base image: one program, busybox, from Debian's package busybox-static. "
        "(The first demo downloads it.)"
    )
    bases = os.environ | {"LAMINA": COMMAND, "LAMINA_ROOT": str(ROOT)}
    subprocess.run([str(HERE / "examples/bases/build"), "busybox"], env=bases, check=True)
    run("images")
    say(
        "2. The example on top of it, a static site in two stages. Each step says what it did, "
        "or that it was CACHED: after an earlier demo, all of them."
    )
    shutil.rmtree(CONTEXT, ignore_errors=True)
    shutil.copytree(HERE / "examples/static", CONTEXT)
    before = folders()
    build()
    table(engine, before)
    where(engine)


def second_build(engine: lamina.Engine) -> None:
    """A change, and what it costs."""
    say(
        "4. One page changes, and the site is built again. Steps that do not depend on it are CACHED, "
        "and their layers are shared with the site as it was before:"
    )
    page = CONTEXT / "site" / "about.html"
    page.write_text(f"{page.read_text()}<p>Changed by the demo at {time.strftime('%H:%M:%S')}.</p>\n")
    run("tag", "site", "site:before")
    before = folders()
    build()
    table(engine, before)
    print("A step that ran and gave the same layer as before counts as reused here.")
    say("5. Once more, with nothing changed:")
    print(f"(in {build():.2f} seconds)")


def main() -> None:
    """The demo from its first to its last sentence."""
    with lamina.Engine.open(str(ROOT)) as engine:
        known = {tag for image in engine.images() for tag in image.tags}
        for name in NAMES:
            if name in known or f"{name}:latest" in known:
                engine.rmi(name)
        first_build(engine)
        say("3. It runs, as the user www, on a writable layer that is gone afterwards:")
        run("run", "--rm", "site", "sh", "-c", "echo hello from $(id -un); ls -l /www")
        second_build(engine)
        say("What the base and both versions of the site take on disk:")
        run("df")
        say("To look around:")
        print(f"$ export LAMINA_ROOT=$PWD/{short(ROOT)} PATH=$PWD/{short(Path(COMMAND).parent)}:$PATH")
        print("$ lamina layers site\n$ lamina history site\n$ lamina run --rm -it site sh")


if __name__ == "__main__":
    main()
