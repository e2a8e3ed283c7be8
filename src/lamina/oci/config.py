"""ImageConfig: what an image is and how it runs (image-spec config.md, with Docker's own fields).

Every known field is typed; every other one is kept in `extra`, at each level, and written back.
The bytes that an image is named by are those it came with: parse for reading, write only what is new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.oci import canonical
from lamina.oci import digest as digests
from lamina.oci.digest import DiffID
from lamina.oci.fields import Extra, Fields, name_set, written
from lamina.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SIZE = 16 << 20  # bytes of one config


class Healthcheck(NamedTuple):
    """How to see whether a container works; times in nanoseconds, 0 for the default."""

    test: tuple[str, ...] = ()  # () inherits, ("NONE",) switches off, else CMD or CMD-SHELL with its args
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0
    extra: Extra = {}

    def to_json(self) -> dict[str, object]:
        """As Docker writes it."""
        known = (
            ("Test", list(self.test)),
            ("Interval", self.interval),
            ("Timeout", self.timeout),
            ("StartPeriod", self.start_period),
            ("StartInterval", self.start_interval),
            ("Retries", self.retries),
        )
        return written(known, self.extra)


class ContainerConfig(NamedTuple):
    """What a container made from the image starts with."""

    user: str = ""
    exposed_ports: tuple[str, ...] = ()  # "80/tcp", sorted
    env: tuple[str, ...] = ()  # "NAME=value"
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()  # sorted
    working_dir: str = ""
    labels: Mapping[str, str] = {}
    stop_signal: str = ""
    args_escaped: bool = False
    healthcheck: Healthcheck | None = None
    on_build: tuple[str, ...] = ()
    shell: tuple[str, ...] = ()
    extra: Extra = {}

    def to_json(self) -> dict[str, object]:
        """As BuildKit writes it: the fields of the spec, then Docker's."""
        known = (
            ("User", self.user),
            ("ExposedPorts", name_set(self.exposed_ports)),
            ("Env", list(self.env)),
            ("Entrypoint", list(self.entrypoint)),
            ("Cmd", list(self.cmd)),
            ("Volumes", name_set(self.volumes)),
            ("WorkingDir", self.working_dir),
            ("Labels", dict(sorted(self.labels.items()))),
            ("StopSignal", self.stop_signal),
            ("ArgsEscaped", self.args_escaped),
            ("OnBuild", list(self.on_build)),
            ("Shell", list(self.shell)),
        )
        out = written(known, self.extra)
        if self.healthcheck is not None:  # an empty one is not the same as none
            out["Healthcheck"] = self.healthcheck.to_json()
        return out


class History(NamedTuple):
    """One instruction of the image, oldest first; an empty layer means that it made none."""

    created: str = ""  # RFC 3339
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False
    extra: Extra = {}

    def to_json(self) -> dict[str, object]:
        """As BuildKit writes it."""
        known = (
            ("created", self.created),
            ("created_by", self.created_by),
            ("author", self.author),
            ("comment", self.comment),
            ("empty_layer", self.empty_layer),
        )
        return written(known, self.extra)


class RootFS(NamedTuple):
    """The layers by diff ID, bottom one first."""

    diff_ids: tuple[DiffID, ...] = ()
    type: str = "layers"
    extra: Extra = {}

    def to_json(self) -> dict[str, object]:
        """As in the spec; the list is there even when it is empty."""
        known = (("type", self.type), ("diff_ids", list(self.diff_ids)))
        return written(known, {"diff_ids": [], **self.extra})


class ImageConfig(NamedTuple):
    """The config blob; its SHA-256 is the image ID."""

    architecture: str
    os: str
    rootfs: RootFS = RootFS()
    config: ContainerConfig = ContainerConfig()
    history: tuple[History, ...] = ()
    created: str = ""  # RFC 3339
    author: str = ""
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
    extra: Extra = {}

    @property
    def diff_ids(self) -> tuple[DiffID, ...]:
        """The layers by diff ID, bottom one first."""
        return self.rootfs.diff_ids

    @property
    def platform(self) -> Platform:
        """What the image was made for."""
        return Platform(self.os, self.architecture, self.variant, self.os_version, self.os_features)

    def to_json(self) -> dict[str, object]:
        """As BuildKit writes it: the fields of this level sorted by name."""
        known = (
            ("architecture", self.architecture),
            ("author", self.author),
            ("created", self.created),
            ("history", [item.to_json() for item in self.history]),
            ("os", self.os),
            ("os.features", list(self.os_features)),
            ("os.version", self.os_version),
            ("variant", self.variant),
        )
        out = written(known, {"architecture": "", "os": "", **self.extra})
        out["config"] = self.config.to_json()
        out["rootfs"] = self.rootfs.to_json()
        return dict(sorted(out.items()))

    def to_bytes(self) -> bytes:
        """The config blob."""
        return canonical.dumps(self.to_json())


def parse(data: bytes) -> ImageConfig:
    """Reads a config blob. InvalidInput when it is not one."""
    return from_json(canonical.loads(data, "image config", max_size=MAX_SIZE))


def from_json(value: object) -> ImageConfig:
    """Reads a config. InvalidInput when a field has the wrong type or there is no rootfs."""
    fields = Fields(value, "image config")
    return ImageConfig(
        architecture=fields.text("architecture"),
        os=fields.text("os"),
        rootfs=rootfs_from_json(fields.require("rootfs")),
        config=fields.part("config", container_from_json) or ContainerConfig(),
        history=fields.objects("history", history_from_json),
        created=fields.text("created"),
        author=fields.text("author"),
        variant=fields.text("variant"),
        os_version=fields.text("os.version"),
        os_features=fields.texts("os.features"),
        extra=fields.extra,
    )


def container_from_json(value: object) -> ContainerConfig:
    """Reads the `config` part. InvalidInput when a field has the wrong type."""
    fields = Fields(value, "image config")
    return ContainerConfig(
        user=fields.text("User"),
        exposed_ports=fields.names("ExposedPorts"),
        env=fields.texts("Env"),
        entrypoint=fields.texts("Entrypoint"),
        cmd=fields.texts("Cmd"),
        volumes=fields.names("Volumes"),
        working_dir=fields.text("WorkingDir"),
        labels=fields.mapping("Labels"),
        stop_signal=fields.text("StopSignal"),
        args_escaped=fields.flag("ArgsEscaped"),
        healthcheck=fields.part("Healthcheck", healthcheck_from_json),
        on_build=fields.texts("OnBuild"),
        shell=fields.texts("Shell"),
        extra=fields.extra,
    )


def healthcheck_from_json(value: object) -> Healthcheck:
    """Reads the `Healthcheck` part. InvalidInput when a field has the wrong type."""
    fields = Fields(value, "image config: Healthcheck")
    return Healthcheck(
        test=fields.texts("Test"),
        interval=fields.number("Interval"),
        timeout=fields.number("Timeout"),
        start_period=fields.number("StartPeriod"),
        start_interval=fields.number("StartInterval"),
        retries=fields.number("Retries"),
        extra=fields.extra,
    )


def history_from_json(value: object) -> History:
    """Reads one line of history. InvalidInput when a field has the wrong type."""
    fields = Fields(value, "image config: history")
    return History(
        created=fields.text("created"),
        created_by=fields.text("created_by"),
        author=fields.text("author"),
        comment=fields.text("comment"),
        empty_layer=fields.flag("empty_layer"),
        extra=fields.extra,
    )


def rootfs_from_json(value: object) -> RootFS:
    """Reads the `rootfs` part. InvalidInput when a diff ID is no digest."""
    fields = Fields(value, "image config: rootfs")
    diff_ids = fields.texts("diff_ids")
    return RootFS(
        diff_ids=tuple([DiffID(digests.parse(item)) for item in diff_ids]),
        type=fields.text("type") or "layers",
        extra=fields.extra,
    )
