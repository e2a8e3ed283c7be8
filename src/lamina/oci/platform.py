"""Platform: what an image was made for (image-spec image-index.md, names as Go spells them)."""

from __future__ import annotations

from typing import NamedTuple

from lamina.errors import InvalidInput
from lamina.oci.fields import Extra, Fields, written

_MACHINES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv8l": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
    "mips64el": ("mips64le", ""),
    "mipsel": ("mipsle", ""),
}
_ARCHITECTURES = frozenset(
    (
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mipsle",
        "ppc64",
        "ppc64le",
        "riscv64",
        "s390x",
        "wasm",
    )
)
_SYSTEMS = frozenset(
    ("aix", "android", "darwin", "freebsd", "illumos", "linux", "netbsd", "openbsd", "solaris", "windows")
)


class Platform(NamedTuple):
    """An operating system and an architecture, with the architecture's variant where it has some."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
    extra: Extra = {}

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def normalised(self) -> Platform:
        """The same platform in the one spelling that is compared: arm64 has no v8, arm is v7."""
        architecture, variant = _architecture(self.architecture, self.variant)
        return self._replace(os=_system(self.os), architecture=architecture, variant=variant)

    def runs(self, wanted: Platform) -> bool:
        """Whether an image for `self` is one for `wanted`: same system, architecture and variant."""
        return self.normalised()[:3] == wanted.normalised()[:3]

    def distance(self, wanted: Platform) -> int | None:
        """0 for an image for just `wanted`, more for an older variant that it runs too; None for another.

        arm/v7 runs what is for v6 and v5, amd64/v3 what is for v2 and none.
        """
        own, other = self.normalised(), wanted.normalised()
        if own[:2] != other[:2]:
            return None
        if own.variant == other.variant:
            return 0
        if own.architecture not in ("arm", "amd64"):
            return None
        steps = _step(other.variant) - _step(own.variant)
        return steps if steps > 0 else None

    def to_json(self) -> dict[str, object]:
        """As in an index; always with both names."""
        known = (
            ("architecture", self.architecture),
            ("os", self.os),
            ("os.version", self.os_version),
            ("os.features", list(self.os_features)),
            ("variant", self.variant),
        )
        return written(known, {"architecture": "", "os": "", **self.extra})


def from_json(value: object) -> Platform:
    """Reads the platform of a descriptor. InvalidInput when a field has the wrong type."""
    fields = Fields(value, "platform")
    return Platform(
        os=fields.text("os"),
        architecture=fields.text("architecture"),
        variant=fields.text("variant"),
        os_version=fields.text("os.version"),
        os_features=fields.texts("os.features"),
        extra=fields.extra,
    )


def parse(text: str, default: Platform | None = None) -> Platform:
    """Reads `linux/arm64/v8`, or one name alone (`arm64`, `linux`) completed from `default`.

    The result is normalised. InvalidInput for other forms, and for one name that `default` cannot complete.
    """
    parts = text.lower().split("/")
    if len(parts) > 3 or not all(_is_name(part) for part in parts):
        raise InvalidInput(f"invalid platform {text[:100]!r}", hint="write it as os/architecture[/variant]")
    if len(parts) > 1:
        return Platform(parts[0], parts[1], parts[2] if len(parts) == 3 else "").normalised()
    if _system(parts[0]) in _SYSTEMS and default is not None:
        return default._replace(os=parts[0]).normalised()
    if _architecture(parts[0], "")[0] in _ARCHITECTURES:
        return Platform(default.os if default else "linux", parts[0]).normalised()
    raise InvalidInput(f"unknown platform {text[:100]!r}", hint="write it as os/architecture[/variant]")


def _step(variant: str) -> int:
    digits = variant.removeprefix("v")
    return int(digits) if digits.isdecimal() and digits.isascii() else 1


def host(machine: str) -> Platform:
    """The Linux platform of a machine that `uname -m` calls `machine`."""
    return Platform("linux", machine).normalised()


def _is_name(part: str) -> bool:
    return bool(part) and part.isascii() and part.replace("_", "").replace("-", "").replace(".", "").isalnum()


def _system(name: str) -> str:
    return "darwin" if name.lower() == "macos" else name.lower()


def _architecture(name: str, variant: str) -> tuple[str, str]:
    name, variant = name.lower(), variant.lower()
    if name in _MACHINES:
        name, implied = _MACHINES[name]
        variant = variant or implied
    if name == "arm":
        variant = variant if variant.startswith("v") else "v" + (variant or "7")
    elif (name == "arm64" and variant in ("8", "v8", "v8.0")) or (name == "amd64" and variant == "v1"):
        variant = ""
    return name, variant
