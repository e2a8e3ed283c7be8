"""lamina version: what this is and what it runs on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import lamina
from lamina.cli.template import of_flag

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina version`."""
    command.takes("", 0, 0)
    command.option("format", "string", "Format output: json, or a template", "f")


def run(session: Session, args: Args) -> int:
    """Prints the versions; in templates Docker's .Client and .Server are both Lamina."""
    machine = os.uname()
    facts: dict[str, object] = {
        "Version": lamina.__version__,
        "PythonVersion": ".".join(map(str, sys.version_info[:3])),
        "KernelVersion": machine.release,
        "Os": machine.sysname.lower(),
        "Arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine.machine, machine.machine),
    }
    form = args.text("format")
    if form:
        print(of_flag(form).execute({**facts, "Client": facts, "Server": facts}))
        return 0
    print("Lamina:")
    print(f" Version:           {facts['Version']}")
    print(f" Python version:    {facts['PythonVersion']}")
    print(f" Kernel version:    {facts['KernelVersion']}")
    print(f" OS/Arch:           {facts['Os']}/{facts['Arch']}")
    return 0
