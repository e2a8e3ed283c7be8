"""Settings: what this machine says about registries, read from its files (docs/registries.md).

Our own file is registries.toml; Docker's daemon.json and Podman's registries.conf are read too, where they
say which mirrors there are and which registries may be reached without TLS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from lamina.errors import Denied, InvalidInput
from lamina.oci import reference as references

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lamina.oci.reference import Reference

Said = TypeVar("Said")

_OURS = frozenset({"offline", "registry", "short-names"})
_OF_REGISTRY = frozenset({"insecure", "location", "mirrors"})


class Places(NamedTuple):
    """The files to read, the strongest first; what is not there says nothing."""

    ours: Sequence[str] = ()
    podman: Sequence[str] = ()  # registries.conf
    docker: Sequence[str] = ()  # daemon.json
    credentials: Sequence[str] = ()  # auth.json, config.json
    certificates: Sequence[str] = ()  # folders: certs.d


class Mirror(NamedTuple):
    """Where a registry, or a part of it, is also to be had: `host[:port][/path]`."""

    location: str
    insecure: bool = False


class Rule(NamedTuple):
    """What is said of the registry, or the part of it, that `prefix` names: host[:port][/path].

    It lies at `location` in truth, if that is not "". `insecure`: without TLS, or with any certificate.
    """

    prefix: str
    location: str = ""
    insecure: bool = False
    mirrors: tuple[Mirror, ...] = ()


class Settings(NamedTuple):
    """All of it. `proxies` are variables as HTTPS_PROXY; `credentials` the files that may have some."""

    rules: tuple[Rule, ...] = ()
    offline: bool = False
    proxies: Mapping[str, str] = {}
    credentials: tuple[str, ...] = ()
    helpers: str = ""  # PATH: where credential helpers are looked for
    home: str = ""  # HOME, for helpers
    certificates: tuple[str, ...] = ()  # folders certs.d, the strongest first (registry/trust.py)
    short_names: Mapping[str, Reference] = {}  # where a name without a registry lies, by its full name

    def lies(self, reference: Reference) -> Reference:
        """The same reference where its repository is to be had."""
        found = self.short_names.get(reference.name)
        return reference._replace(domain=found.domain, path=found.path) if found else reference

    def rule_for(self, name: str) -> Rule:
        """What is said of the repository `name` (in full): the rule with the longest prefix."""
        found = [rule for rule in self.rules if _begins(name, rule.prefix)]
        best = max(found, key=lambda rule: len(rule.prefix), default=Rule(name.partition("/")[0]))
        own = [rule for rule in found if rule.prefix == best.prefix]
        return Rule(
            best.prefix,
            next((rule.location for rule in own if rule.location), ""),
            any(rule.insecure for rule in own),
            tuple(dict.fromkeys(mirror for rule in own for mirror in rule.mirrors)),
        )


def read_settings(places: Places, *, offline: bool, proxies: Mapping[str, str]) -> Settings:
    """Reads the files. InvalidInput for one that makes no sense, Denied for one that may not be read."""
    rules: list[Rule] = []
    short_names: dict[str, Reference] = {}
    for path in places.ours:
        document = _toml(path)
        rules += _checked(path, _our_rules, document)
        short_names = dict(_checked(path, _short_names, document)) | short_names
        offline = offline or document.get("offline") is True
    for path in places.podman:
        rules += _checked(path, _podman_rules, _toml(path))
    for path in places.docker:
        rules += _checked(path, _docker_rules, _json(path))
    return Settings(
        tuple(rules),
        offline,
        proxies,
        tuple(places.credentials),
        certificates=tuple(places.certificates),
        short_names=short_names,
    )


def _begins(name: str, prefix: str) -> bool:
    """Whether a repository belongs to a prefix; `*.host` stands for the hosts below."""
    if prefix.startswith("*."):
        return name.partition("/")[0].endswith(prefix[1:])
    return name == prefix or name.startswith(prefix + "/")


def _our_rules(document: Mapping[str, object]) -> list[Rule]:
    """[registry."HOST[/PATH]"] with location, insecure, mirrors."""
    _only(document, _OURS)
    if not isinstance(document.get("offline", False), bool):
        raise TypeError("offline is true or false")
    found = []
    for prefix, value in cast("dict[str, object]", document.get("registry", {})).items():
        table = cast("dict[str, object]", value)
        _only(table, _OF_REGISTRY)
        mirrors = [_of_url(text) for text in _texts(table.get("mirrors", []))]
        location, insecure = table.get("location", ""), table.get("insecure", False)
        if not isinstance(location, str) or not isinstance(insecure, bool):
            raise TypeError("location is a text, insecure is true or false")
        found.append(Rule(prefix, location.rstrip("/"), insecure, tuple(mirrors)))
    return found


def _short_names(document: Mapping[str, object]) -> list[tuple[str, Reference]]:
    """[short-names] NAME = "HOST/PATH": a name without a registry lies there, and not at Docker Hub."""
    found = []
    for name, target in cast("dict[str, object]", document.get("short-names", {})).items():
        short = references.parse(name)
        if short.tag or short.digest or short.domain != references.DOCKER_HUB:
            raise ValueError(f"{name[:100]!r} is no short name: it has a registry, a tag or a digest")
        if not isinstance(target, str):
            raise TypeError("a short name stands for a text")
        meant = references.parse(target)
        if meant.tag or meant.digest or meant.name != target:
            raise ValueError(f"{target[:100]!r} is no repository in full: HOST/PATH is expected")
        found.append((short.name, meant))
    return found


def _podman_rules(document: Mapping[str, object]) -> list[Rule]:
    """[[registry]] of registries.conf, version 2."""
    found = []
    for table in cast("list[dict[str, object]]", document.get("registry", [])):
        location = str(table.get("location", ""))
        prefix = str(table.get("prefix", "")) or location
        mirrors = [
            Mirror(str(mirror["location"]), mirror.get("insecure") is True)
            for mirror in cast("list[dict[str, object]]", table.get("mirror", []))
        ]
        if prefix:
            real = location if location != prefix else ""
            found.append(Rule(prefix, real, table.get("insecure") is True, tuple(mirrors)))
    return found


def _docker_rules(document: Mapping[str, object]) -> list[Rule]:
    """registry-mirrors, which are Docker Hub's, and insecure-registries (networks are left out)."""
    mirrors = tuple([_of_url(text) for text in _texts(document.get("registry-mirrors", []))])
    insecure = [text for text in _texts(document.get("insecure-registries", [])) if "/" not in text]
    mirrors = tuple([each._replace(insecure=each.insecure or each.location in insecure) for each in mirrors])
    hub = [Rule(references.DOCKER_HUB, mirrors=mirrors)] if mirrors else []
    return [*hub, *(Rule(host, insecure=True) for host in insecure)]


def _of_url(text: str) -> Mirror:
    """http://… is one without TLS."""
    if "://" not in text:
        return Mirror(text.rstrip("/"))
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(f"invalid mirror {text[:200]!r}")
    return Mirror((parts.netloc + parts.path).rstrip("/"), parts.scheme == "http")


def _only(table: Mapping[str, object], known: frozenset[str]) -> None:
    for name in table:
        if name not in known:
            raise ValueError(f"{name[:100]!r} is not known; known are {', '.join(sorted(known))}")


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("a list of texts is expected")
    return value


def _checked(
    path: str, rules: Callable[[Mapping[str, object]], list[Said]], document: Mapping[str, object]
) -> list[Said]:
    try:
        return rules(document)
    except (AttributeError, KeyError, TypeError, ValueError, InvalidInput) as error:
        raise InvalidInput(f"{path}: {error}", hint="docs/registries.md says what may stand there") from None


def _toml(path: str) -> Mapping[str, object]:
    import tomllib  # only where there is such a file

    data = read(path)
    try:
        return tomllib.loads(data.decode()) if data is not None else {}
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}") from None


def _json(path: str) -> Mapping[str, object]:
    import json

    data = read(path)
    try:
        found = json.loads(data) if data is not None else {}
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{path}: it is no JSON object")
    return found


def read(path: str) -> bytes | None:
    """A small file; None where there is none. Denied."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Denied(f"cannot read {path}: {error.strerror}") from None
