"""edit: changes to an image's config, each as the instruction of a Dockerfile would make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput, LaminaError
from lamina.graph.state import split_env
from lamina.surgery.parts import Parts, done
from lamina.transfer.changes import apply_changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.oci.config import ContainerConfig, ImageConfig
    from lamina.oci.digest import DiffID, ImageID


class ConfigEdit(NamedTuple):
    """What to change; None leaves a value as it is, and "" takes it away.

    `cmd`, `entrypoint`, `healthcheck`, `user`, ... are written as after their instruction in a Dockerfile;
    `env` and `labels` are NAME=VALUE, taken as they are.
    """

    env: tuple[str, ...] = ()
    unset_env: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    unset_labels: tuple[str, ...] = ()
    user: str | None = None
    workdir: str | None = None
    entrypoint: str | None = None  # drops the CMD, where `cmd` does not say it, as in a Dockerfile
    cmd: str | None = None
    expose: tuple[str, ...] = ()
    unset_expose: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    unset_volumes: tuple[str, ...] = ()
    stop_signal: str | None = None
    healthcheck: str | None = None


_CLEARED: Mapping[str, dict[str, object]] = {
    "USER": {"user": ""},
    "WORKDIR": {"working_dir": ""},
    "ENTRYPOINT": {"entrypoint": (), "cmd": ()},
    "CMD": {"cmd": ()},
    "STOPSIGNAL": {"stop_signal": ""},
    "HEALTHCHECK": {"healthcheck": None},
}


def words(edit: ConfigEdit) -> list[str]:
    """The flags of the command line that say the same."""
    found = []
    for name, value in edit._asdict().items():
        flag = name.replace("labels", "label").replace("volumes", "volume").replace("_", "-")
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        found += [f"--{flag}={each}" for each in values]
    return found


def edit_config(image: ImageConfig, edit: ConfigEdit) -> ImageConfig:
    """The config with the changes. InvalidInput; what is not there can be unset, too."""
    config = image.config
    config = config._replace(
        env=_env(config, edit),
        labels=_labels(config, edit),
        exposed_ports=_without(config.exposed_ports, map(_port, edit.unset_expose)),
        volumes=_without(config.volumes, edit.unset_volumes),
    )
    image = image._replace(config=config)
    for word, value in _instructions(edit):
        image = _advanced(image, word, value)
    return image


def edited(
    parts: Parts, edit: ConfigEdit, of: ImageID, created: str, what: str, diff_id: DiffID | None
) -> Parts:
    """The image with the changes, and the layer (None for none) of those to its files.

    `what` is the line of history, `of` the image that it was.
    """
    config = edit_config(parts.config, edit)
    if config == parts.config and diff_id is None:
        raise InvalidInput("nothing would change", hint="`lamina edit --help` shows what can be edited")
    return Parts(config, (*parts.lines, done(what, created, f"from {of}", diff_id)))


def _instructions(edit: ConfigEdit) -> list[tuple[str, str]]:
    """In the order in which they apply: an ENTRYPOINT before the CMD, which it would drop."""
    single = [
        ("USER", edit.user),
        ("WORKDIR", edit.workdir),
        ("STOPSIGNAL", edit.stop_signal),
        ("HEALTHCHECK", edit.healthcheck),
        ("ENTRYPOINT", edit.entrypoint),
        ("CMD", edit.cmd),
    ]
    many = [("EXPOSE", port) for port in edit.expose] + [("VOLUME", path) for path in edit.volumes]
    return [(word, value) for word, value in single if value is not None] + many


def _advanced(image: ImageConfig, word: str, value: str) -> ImageConfig:
    if not value.strip() and word in _CLEARED:
        config: ContainerConfig = image.config._replace(**_CLEARED[word])  # type: ignore[arg-type]
        return image._replace(config=config)
    if not value.strip() or not value.isprintable():
        raise InvalidInput(f"invalid value for {word}: {value!r}")
    if word == "HEALTHCHECK" and not value.startswith(("--", "CMD", "NONE", "cmd", "none")):
        value = f"CMD {value}"
    try:
        return apply_changes(image, [f"{word} {value}"])
    except LaminaError as error:
        raise InvalidInput(
            f"invalid value for {word}: {value!r}: {_reason(error)}", hint=error.hint
        ) from None


def _reason(error: LaminaError) -> str:
    """The message without the name of the flag that the same is for in other commands."""
    return error.message.removeprefix("--change:1: ").removeprefix("--change: ")


def _env(config: ContainerConfig, edit: ConfigEdit) -> tuple[str, ...]:
    """Each name keeps its place; new ones come last."""
    gone = set(edit.unset_env)
    new = dict(_pair(item, "--env") for item in edit.env)
    kept = []
    for item in config.env:
        name, value = split_env(item)
        if name in new:
            kept.append(f"{name}={new.pop(name)}")
        elif name not in gone:
            kept.append(f"{name}={value}")
    return (*kept, *[f"{name}={value}" for name, value in new.items()])


def _labels(config: ContainerConfig, edit: ConfigEdit) -> dict[str, str]:
    gone = set(edit.unset_labels)
    kept = {name: value for name, value in config.labels.items() if name not in gone}
    return kept | dict(_pair(item, "--label") for item in edit.labels)


def _pair(item: str, flag: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not name or not equals or "\0" in item:
        raise InvalidInput(f"invalid {flag}: {item!r}", hint="NAME=VALUE")
    return name, value


def _port(text: str) -> str:
    return text.lower() if "/" in text else f"{text}/tcp"


def _without(items: Iterable[str], gone: Iterable[str]) -> tuple[str, ...]:
    away = set(gone)
    return tuple([item for item in items if item not in away])
