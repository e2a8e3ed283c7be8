"""Several Lamina processes share one root."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.lamina_command import Lamina
from tests.e2e.test_kill import context, leftovers


def test_two_builds_at_once_share_their_layers(busybox: Lamina, tmp_path: Path) -> None:
    folder = context(tmp_path / "context")
    both = [busybox.start("build", "-t", name, folder) for name in ("one", "two")]
    printed = [build.communicate(timeout=300)[0].decode() for build in both]
    assert [build.returncode for build in both] == [0, 0], "\n".join(printed)
    one, two = busybox.inspect("one"), busybox.inspect("two")
    assert one["RootFS"]["Layers"] == two["RootFS"]["Layers"]
    assert one["Id"] == two["Id"]
    assert leftovers(busybox.root) == []
    assert busybox("run", "--rm", "one") == busybox("run", "--rm", "two") == "done\n"
