"""Layers that are elsewhere, as users meet them: machines of a fleet, against Debian's docker-registry."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import lamina, make_base, new_root
from tests.e2e.lamina_command import Lamina
from tests.registry.conftest import place, registry
from tests.registry.distribution import Registry

__all__ = ["lamina", "place", "registry"]
ONLINE = {"LAMINA_OFFLINE": ""}


def test_run_and_fetch(lamina: Lamina, registry: Registry, tmp_path: Path) -> None:
    make_base(lamina, "busybox")
    base, cache, app = registry.name("base"), registry.name("cache"), registry.name("app")
    lamina("push", "-q", "busybox", base, **ONLINE)
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\nRUN echo made > /made\n")
    lamina("build", "-q", f"--cache-to=type=registry,ref={cache}", str(tmp_path), **ONLINE)
    with new_root("second") as second, new_root("third") as third:
        for machine in (second, third):
            machine("build", "-q", "-t", app, "--push", f"--cache-from={cache}", str(tmp_path), **ONLINE)
            machine("tag", app, "app")
        places = second("layers", "app", "--format", "{{.Folder}}[{{.Places}}]").splitlines()
        assert all(each.startswith("[") and app in each for each in places)
        assert [base in each for each in places] == [True] * (len(places) - 1) + [False]
        said = second.both("run", "--rm", "app", "cat", "/made", status=125)[1]
        assert "Lamina is offline here" in said and f"{base}: " in said
        out, err = second.both("run", "--rm", "app", "cat", "/made", **ONLINE)
        assert out == "made\n" and err.count("Pulling fs layer") == err.count("Pull complete") == len(places)
        assert second.both("run", "--rm", "app", "cat", "/made") == ("made\n", "")
        assert second("fetch", "app") == "app: all layers are here\n"
        assert "No such image: none" in second.both("fetch", "-q", "app", "none", status=1)[1]
        assert third("fetch", "app", **ONLINE).splitlines()[-1] == f"app: {len(places)} layers fetched"
