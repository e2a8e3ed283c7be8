"""lamina edit: the config and the files of an image, changed without a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import surgery_flags
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.engine.editing import FileEdit
    from lamina.surgery.edit import ConfigEdit


def configure(command: Command) -> None:
    """Flags of `lamina edit`."""
    command.takes("IMAGE", 1, 1)
    surgery_flags.add(command)
    command.option("add", "SRC:DST", "Copy a file, or what a folder holds, to an absolute path", many=True)
    command.option("chmod", "MODE:PATH", "Change a mode: octal or symbolic", many=True)
    command.option("chown", "OWNER:PATH", "Change an owner: user[:group], by name or number", many=True)
    command.option("cmd", "string", "Set CMD: a JSON list, or a line for the shell")
    command.option("entrypoint", "string", "Set ENTRYPOINT; drops CMD unless --cmd says it")
    command.option("env", "NAME=VALUE", "Set an environment variable", "e", many=True)
    command.option("expose", "PORT[/PROTOCOL]", "Expose a port", many=True)
    command.option("healthcheck", "string", "Set HEALTHCHECK: [OPTIONS] CMD..., or NONE")
    command.option("label", "NAME=VALUE", "Set a label", "l", many=True)
    command.switch("recursive", "Let --chmod and --chown change all that is below a folder, too", "R")
    command.option("rm", "path", "Remove a file, or a folder with all that is in it", many=True)
    command.option("stop-signal", "signal", "Set the signal that stops a container")
    command.option("unset-env", "name", "Remove an environment variable", many=True)
    command.option("unset-expose", "PORT[/PROTOCOL]", "Expose a port no more", many=True)
    command.option("unset-label", "name", "Remove a label", many=True)
    command.option("unset-volume", "path", "Declare a volume no more", many=True)
    command.option("user", "string", "Set the user (user[:group]) that containers run as", "u")
    command.option("volume", "path", "Declare a volume", many=True)
    command.option("workdir", "path", "Set the working directory", "w")
    command.details = (
        'Values are written as in a Dockerfile; an empty one takes the setting away: --cmd "". Files change '
        "in one new layer: first --rm, then --add, --chown and --chmod. Without them there is no new layer. "
        "What is added belongs to 0:0, as with COPY; links of the image are followed inside it."
    )


def run(session: Session, args: Args) -> int:
    """Makes the image."""
    edit = session.engine.surgery.edit
    config, files = _config(args), _files(args)
    return surgery_flags.operated(
        session, args, lambda target, tell: edit(args.operands[0], config, files, target, tell)
    )


def _config(args: Args) -> ConfigEdit:
    from lamina.surgery.edit import ConfigEdit

    def single(name: str) -> str | None:
        return args.text(name) if args.given(name) else None

    return ConfigEdit(
        env=tuple(args.texts("env")),
        unset_env=tuple(args.texts("unset-env")),
        labels=tuple(args.texts("label")),
        unset_labels=tuple(args.texts("unset-label")),
        user=single("user"),
        workdir=single("workdir"),
        entrypoint=single("entrypoint"),
        cmd=single("cmd"),
        expose=tuple(args.texts("expose")),
        unset_expose=tuple(args.texts("unset-expose")),
        volumes=tuple(args.texts("volume")),
        unset_volumes=tuple(args.texts("unset-volume")),
        stop_signal=single("stop-signal"),
        healthcheck=single("healthcheck"),
    )


def _files(args: Args) -> FileEdit:
    from lamina.engine.editing import FileEdit

    return FileEdit(
        remove=tuple(args.texts("rm")),
        add=tuple(_pair(text, "add", "SRC:/DST") for text in args.texts("add")),
        chown=tuple(_pair(text, "chown", "OWNER:/PATH") for text in args.texts("chown")),
        chmod=tuple(_pair(text, "chmod", "MODE:/PATH") for text in args.texts("chmod")),
        recursive=args.on("recursive"),
    )


def _pair(text: str, flag: str, form: str) -> tuple[str, str]:
    """What stands before and after the last `:/`."""
    first, mark, path = text.rpartition(":/")
    if not mark or not first:
        raise InvalidInput(f"invalid --{flag}: {text!r}", hint=f"{form}, an absolute path of the image")
    return first, "/" + path
