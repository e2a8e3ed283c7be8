"""lamina inspect: images and containers as Docker's JSON, or the fields of it that a template names."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from lamina.cli.template import of_flag
from lamina.cli.template_functions import NilList, NilMap, TemplateError, to_json
from lamina.errors import InvalidInput, LaminaError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.cli.template import Template

_MAP, _LIST = NilMap(), NilList()
# Fields that Docker leaves out of the JSON where they are empty, and that a template may name all the same.
OPTIONAL: dict[str, object] = {
    "ArgsEscaped": False,
    "Cmd": _LIST,
    "Entrypoint": _LIST,
    "Env": _LIST,
    "ExposedPorts": _MAP,
    "Healthcheck": None,
    "Labels": _MAP,
    "LowerDir": "",
    "OnBuild": _LIST,
    "Shell": _LIST,
    "StopSignal": "",
    "UpperDir": "",
    "User": "",
    "Variant": "",
    "Volumes": _MAP,
    "WorkingDir": "",
}


def configure(command: Command) -> None:
    """Flags of `lamina inspect`."""
    command.takes("NAME|ID [NAME|ID...]", 1, None)
    command.option("format", "string", "Format output: json, or a template", "f")
    if command.path != "container inspect":
        command.option("platform", "string", "Inspect the image for this platform (os/architecture)")
    command.switch("size", "Display total file sizes of containers (Lamina always does)", "s")
    if " " not in command.path:
        command.option("type", "string", "Only inspect objects of the given type: image or container")


def run(session: Session, args: Args) -> int:
    """Prints what is found, then says what is not."""
    form = args.text("format")
    template = of_flag(form) if form not in ("", "json") else None
    platform = args.text("platform") if args.path != "container inspect" else ""
    found, faults = _find(session, args.operands, _kind(args), platform)
    if template is not None:
        print("\n".join(_rendered(template, found, faults)))
    elif form == "json":
        print(to_json(found))
    else:
        print(json.dumps(found, indent=4, ensure_ascii=False) if found else "[]")
    return _say(faults)


def _rendered(template: Template, found: list[dict[str, object]], faults: list[str]) -> Iterator[str]:
    """The template for each thing; where it asks for what is not there, that goes to the faults."""
    for thing in found:
        try:
            yield template.execute(thing, OPTIONAL)
        except TemplateError as error:
            faults.append(str(error))


def _kind(args: Args) -> str | None:
    group = args.path.split()[0]
    kind = group if group in ("image", "container") else args.text("type")
    if kind not in ("", "image", "container"):
        raise InvalidInput(f'unknown type: "{kind}": must be one of "container", "image"')
    return kind or None


def _find(
    session: Session, names: list[str], kind: str | None, platform: str
) -> tuple[list[dict[str, object]], list[str]]:
    found, faults = [], []
    for name in names:
        try:
            found.append(session.engine.inspect(name, kind, platform=platform))
        except NotFound as error:
            what = kind or "object"
            known = platform and "platform" in error.message
            faults.append(f"Error: {error.message}" if known else f"Error: No such {what}: {name}")
        except LaminaError as error:
            faults.append(f"Error: {error}")
    return found, faults


def _say(faults: list[str]) -> int:
    sys.stdout.flush()
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0
