"""`python -m lamina` is the command `lamina`."""

from __future__ import annotations

from lamina.cli.main import entry

if __name__ == "__main__":
    entry()
