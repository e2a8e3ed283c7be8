"""The installed package: what a wheel carries, and that both ways to start it are one."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest


@pytest.fixture
def package() -> metadata.Distribution:
    """Lamina as pip installed it."""
    try:
        return metadata.distribution("lamina")
    except metadata.PackageNotFoundError:
        pytest.skip("Lamina is not installed: it runs from its sources")


def test_types_and_licence_are_in_it(package: metadata.Distribution) -> None:
    files = {str(file) for file in package.files or ()}
    assert "lamina/py.typed" in files
    assert any(file.endswith(".dist-info/licenses/LICENSE") for file in files)
    assert not any(file.startswith("tests") for file in files)
    assert package.metadata["License-Expression"] == "Apache-2.0"


def test_the_command_and_the_module_are_one(package: metadata.Distribution) -> None:
    said = [
        subprocess.run([*command, "--version"], capture_output=True, check=True).stdout
        for command in ([Path(sys.executable).parent / "lamina"], [sys.executable, "-m", "lamina"])
    ]
    assert said == [f"Lamina version {package.version}\n".encode()] * 2
