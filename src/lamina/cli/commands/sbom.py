"""lamina sbom: the packages of an image, each with the layer that brought it, as a table or as SPDX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.listing import listing
from lamina.cli.source_date import source_date
from lamina.cli.streams import output, warnings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.packages.package import Package

HEADINGS = {
    "Name": "PACKAGE",
    "Version": "VERSION",
    "Kind": "KIND",
    "Layer": "LAYER",
    "Instruction": "INSTRUCTION",
    "Architecture": "ARCHITECTURE",
    "Licence": "LICENCE",
    "Source": "SOURCE",
    "Purl": "PURL",
    "Path": "PATH",
    "DiffID": "DIFF ID",
}
_FORM = "{{.Name}}\t{{.Version}}\t{{.Kind}}\t{{.Layer}}\t{{.Instruction}}"
_INSTRUCTION = 60  # characters shown
_SPDX = "spdx-json"


def configure(command: Command) -> None:
    """Flags of `lamina sbom`."""
    command.takes("IMAGE", 1, 1)
    command.option(
        "format", "string", "Format output: table, spdx-json, 'table TEMPLATE', json, or a template"
    )
    command.switch("no-trunc", "Don't truncate output")
    command.option("output", "string", "Write to a file, instead of STDOUT", "o")
    command.later("exclude layers platform")
    command.details = "Packages of dpkg, apk, rpm, Python and Node are read from the layers themselves."


def run(session: Session, args: Args) -> int:
    """Prints the table or the document; databases that cannot be read are told on stderr."""
    form = args.text("format")
    found = session.engine.sbom(args.operands[0], warnings, created=source_date(session.environ))
    if form == _SPDX:
        import json

        text = json.dumps(found.document, indent=2) + "\n"
    else:
        whole = args.on("no-trunc") or form == "json"
        text = listing(_rows(found.packages, whole=whole), HEADINGS, _FORM, form)
    if args.text("output") in ("", "-"):
        print(text, end="")
        return 0
    with output(args.text("output"), "write the SBOM") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
    return 0


def _rows(packages: Sequence[Package], *, whole: bool) -> list[Mapping[str, str]]:
    return [_row(package, whole=whole) for package in packages]


def _row(package: Package, *, whole: bool) -> dict[str, str]:
    instruction = " ".join(package.created_by.split())
    return {
        "Name": package.name,
        "Version": package.version,
        "Kind": package.kind,
        "Layer": package.layer if whole else units.short_id(package.layer),
        "Instruction": instruction if whole else units.ellipsis(instruction, _INSTRUCTION),
        "Architecture": package.architecture,
        "Licence": package.licence,
        "Source": package.source,
        "Purl": package.purl,
        "Path": package.path,
        "DiffID": package.layer,
    }
