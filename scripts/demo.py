"""What ./demo tells: an example is built, run, changed, and built again; the layers are shown each time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import lamina

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE / ".cache" / "demo"
CONTEXT = HERE / ".cache" / "demo-context"
COMMAND = str(Path(sys.executable).parent / "lamina")


def say(text: str) -> None:
    """One paragraph, set off from what commands print."""
    print(f"\n{text}", flush=True)


def run(*args: str) -> None:
    """Shows a command, and runs it as a user would; the demo ends with its status when it fails."""
    print(f"$ lamina {' '.join(args)}", flush=True)
    done = subprocess.run([COMMAND, *args], env=os.environ | {"LAMINA_ROOT": str(ROOT)}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def layers_of(engine: lamina.Engine, name: str) -> dict[str, str]:
    """The layers of an image, bottom first: diff ID -> the instruction that made it."""
    return {layer.diff_id: layer.created_by for layer in engine.layers(name)}


def table(engine: lamina.Engine, name: str, before: set[str]) -> None:
    """One row a layer: how it came to be in this build, its size, who shares it, where it lies."""
    print(f"\n{'LAYER':14}{'THIS BUILD':12}{'SIZE':>10}  {'SHARED WITH':26}{'INSTRUCTION'}")
    for layer in engine.layers(name):
        how = "reused" if layer.diff_id in before else "made"
        shared = ", ".join(layer.shared_with) or "-"
        print(f"{layer.diff_id[7:19]:14}{how:12}{layer.size:>10}  {shared:26.25}{layer.created_by:.60}")
    print(f"\nEach layer is a folder of just what it changed, named by its digest: {ROOT / 'diff'}/LAYER...")


def main() -> None:
    """The demo from its first to its last sentence."""
    with lamina.Engine.open(str(ROOT)) as engine:
        say("1. A base image: one static program, from Debian's package busybox-static, built from scratch:")
        bases = os.environ | {"LAMINA": COMMAND, "LAMINA_ROOT": str(ROOT)}
        subprocess.run([str(HERE / "examples/bases/build"), "busybox"], env=bases, check=True)
        run("images")

        say(
            "2. The example, a static site in two stages. Every step says what it did, or that it was CACHED:"
        )
        shutil.rmtree(CONTEXT, ignore_errors=True)
        shutil.copytree(HERE / "examples/static", CONTEXT)
        before = {layer for image in engine.images() for layer in layers_of(engine, image.image_id)}
        run("build", "--progress=plain", "-t", "site", str(CONTEXT))
        table(engine, "site", before)

        say("3. It runs, on a writable layer of its own that is gone afterwards:")
        run("run", "--rm", "site", "sh", "-c", "echo hello from $(id -un) in a container; ls -l /www")

        say("4. One file changes, and the example is built again. Only what the change touches runs:")
        page = CONTEXT / "site" / "about.html"
        page.write_text(page.read_text() + "<p>Changed by the demo.</p>\n")
        before = set(layers_of(engine, "site"))
        run("tag", "site", "site:before")
        run("build", "--progress=plain", "-t", "site", str(CONTEXT))
        table(engine, "site", before)

        say("5. Built once more with nothing changed, everything is reused:")
        run("build", "--progress=plain", "-t", "site", str(CONTEXT))

        say("What is in the store, and what two versions and a base that share their layers cost:")
        run("df")
        say(f"Look around (layers site, history site, run -it site sh): LAMINA_ROOT={ROOT} {COMMAND} images")


if __name__ == "__main__":
    main()
