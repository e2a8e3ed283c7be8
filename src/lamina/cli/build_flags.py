"""The values of the flags of `build` that most builds do without, read as buildx reads them."""

from __future__ import annotations

import os
import re
import stat
import sys
from typing import TYPE_CHECKING

from lamina.build.given import Secret, SshForward, Ulimit
from lamina.build.request import Output
from lamina.cli.units import bytes_of
from lamina.errors import Denied, InvalidInput, NotFound, Unsupported
from lamina.gobool import truth
from lamina.graph.rules import RULES, VERIFY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.build.request import BuildRequest
    from lamina.cli.build_caches import SharedCaches
    from lamina.cli.flags import Args

_LARGEST_SECRET = 1 << 20  # bytes; a build takes half of that
_OUTPUTS = "type=oci|docker|tar|local|image|registry|cacheonly,dest=PATH"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}  # in seconds
_ALLOWED = ("security.insecure", "network.host")
_LIMITS = frozenset(
    ("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss")
) | frozenset(("rtprio", "rttime", "sigpending", "stack"))


def with_rare_flags(request: BuildRequest, args: Args, environ: Mapping[str, str]) -> BuildRequest:
    """The request with what these flags say. InvalidInput for a value that means nothing."""
    provenance, options, sbom = attestations(args)
    rules = _rules(args.texts("cache-rule"))
    return request._replace(
        output=_outputs(args),
        contexts=dict(_named(text) for text in args.texts("build-context")),
        secrets=tuple(parse_secret(text, environ) for text in args.texts("secret")),
        ssh=_agents(args.texts("ssh"), environ),
        platforms=tuple(_platforms(args, environ)),
        labels=dict(_label(text) for text in args.texts("label")),
        annotations=tuple(args.texts("annotation")),
        add_hosts=tuple(parse_host(text) for text in args.texts("add-host")),
        shm_size=bytes_of(args.text("shm-size", "0"), "shm-size"),
        ulimits=tuple(parse_ulimit(text) for text in args.texts("ulimit")),
        no_cache_filter=tuple(name for text in args.texts("no-cache-filter") for name in text.split(",")),
        pull=args.on("pull"),
        squash=args.on("squash"),
        allow=frozenset(_allowed(args.texts("allow"))),
        provenance=provenance,
        provenance_options=options,
        sbom=sbom,
        rules_off=frozenset(name for name in rules if name != VERIFY),
        verify=VERIFY in rules,
        **_shared_caches(args),
        cache_ttl=_age(args.text("cache-ttl")) if args.text("cache-ttl") else None,
    )


def _shared_caches(args: Args) -> SharedCaches:
    """--cache-from and --cache-to."""
    if not args.given_any("cache-from cache-to"):
        return {}
    from lamina.cli.build_caches import parse_from, parse_to  # most builds share nothing

    return {
        "cache_from": tuple(parse_from(args.texts("cache-from"))),
        "cache_to": tuple(parse_to(args.texts("cache-to"))),
    }


def _rules(texts: Sequence[str]) -> set[str]:
    """--cache-rule: the rules that are switched off by `-NAME`, and `verify`."""
    found = set()
    for word in (word.strip() for text in texts for word in text.split(",")):
        name = word.removeprefix("-")
        if not (word == VERIFY or (word.startswith("-") and name in RULES)):
            choices = ", ".join(f"-{rule}" for rule in RULES)
            raise InvalidInput(f"invalid cache rule: {word}", hint=f"there are {choices}, and {VERIFY}")
        found.add(name)
    return found


def _age(text: str) -> float:
    """--cache-ttl in seconds: 90s, 12h, 1h30m, 7d. InvalidInput."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", text)
    if "".join(number + unit for number, unit in parts) != text:
        raise InvalidInput(f"invalid value for --cache-ttl: {text}", hint="write 90s, 30m, 12h, 7d or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _platforms(args: Args, environ: Mapping[str, str]) -> Iterable[str]:
    texts = args.texts("platform") or [environ.get("DOCKER_DEFAULT_PLATFORM", "")]
    return (name.strip() for text in texts for name in text.split(",") if name.strip())


def _outputs(args: Args) -> tuple[Output, ...]:
    found = [output for text in args.texts("output") if text and (output := parse_output(text))]
    if args.on("load") and found and all(output.type == "cacheonly" for output in found):
        found.append(Output("image"))
    if args.on("push"):
        found = [_pushed(output) for output in found]
        if not any(output.type == "image" for output in found):
            found.append(_pushed(Output("image")))
    return tuple(found)


def _pushed(output: Output) -> Output:
    """--push, and type=registry: the image goes to the registry as well."""
    if output.type != "image":
        return output
    return output._replace(options={**output.options, "push": "true"})


def fields_of(text: str, flag: str) -> dict[str, str]:
    """`type=oci,dest=a` as names and values; a row of CSV, so that a quoted field may hold a comma."""
    from csv import Error, reader

    try:
        (row,) = reader([text], strict=True)
    except (Error, ValueError):
        raise InvalidInput(f"invalid value for --{flag}: {text}", hint="write name=value,...") from None
    found: dict[str, str] = {}
    for field in row:
        name, equals, value = field.strip().partition("=")
        if not name:
            raise InvalidInput(f"invalid value for --{flag}: {text}", hint="write name=value,...")
        found[name.lower()] = value if equals else "true"
    return found


def parse_output(text: str) -> Output | None:
    """-o: `type=tar,dest=x.tar`, or a path alone (a folder; `-` is a tar on STDOUT). None: only the store."""
    if "=" not in text and "," not in text:
        return Output("tar", _to_stdout("tar")) if text == "-" else Output("local", text)
    fields = fields_of(text, "output")
    if not fields.get("type"):
        raise InvalidInput(f"type is required for output: {text}", hint=_OUTPUTS)
    kind, dest = fields.pop("type"), fields.pop("dest", fields.pop("dst", ""))
    if kind == "registry":
        kind, fields = "image", {**fields, "push": fields.get("push", "true")}
    if kind not in ("oci", "docker", "tar", "local", "image", "cacheonly"):
        raise Unsupported(f"output type {kind!r} is not supported", hint=_OUTPUTS)
    if kind == "docker" and not dest and "tar" not in fields:
        return Output("image", "", fields) if fields else None  # into the store, where every image goes
    if kind == "local" and dest in ("", "-"):
        raise InvalidInput("output type local needs a folder", hint="type=local,dest=FOLDER")
    if kind in ("image", "cacheonly"):
        if dest:
            raise InvalidInput(f"output type {kind} has no dest: {dest}", hint=_OUTPUTS)
        return Output(kind, "", fields)
    is_folder = kind in ("oci", "docker") and fields.get("tar") in ("false", "0")
    to_stdout = dest in ("", "-") and not is_folder
    return Output(kind, _to_stdout(kind) if to_stdout else dest, fields)


def _to_stdout(kind: str) -> str:
    if sys.stdout.isatty():
        raise InvalidInput(f"dest file is required for {kind} exporter. refusing to write to console")
    return "-"


def _label(text: str) -> tuple[str, str]:
    """--label NAME=VALUE, or NAME for an empty one."""
    name, _, value = text.partition("=")
    if not name:
        raise InvalidInput(f"invalid label {text!r}: it has no name", hint="write NAME=VALUE")
    return name, value


def _named(text: str) -> tuple[str, str]:
    """--build-context NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise InvalidInput(f"invalid context value: {text}, expected key=value", hint="write NAME=PATH")
    return name, value


def parse_secret(text: str, environ: Mapping[str, str]) -> Secret:
    """--secret id=ID[,src=PATH|,env=NAME][,type=file|env]; without a place, the variable or file named ID."""
    fields = fields_of(text, "secret")
    kind, name = fields.pop("type", ""), fields.pop("id", "")
    path, variable = fields.pop("src", fields.pop("source", "")), fields.pop("env", "")
    if fields:
        raise InvalidInput(
            f"unexpected key '{next(iter(fields))}' in --secret {text}", hint="id, src, env, type"
        )
    if kind not in ("", "file", "env"):
        raise InvalidInput(f"unsupported secret type {kind!r}", hint="file or env")
    if kind == "env" and not variable:
        path, variable = "", path
    name = name or variable or os.path.basename(path)
    if not name:
        raise InvalidInput(
            f"--secret {text} has no id", hint="write id=NAME,src=PATH or id=NAME,env=VARIABLE"
        )
    if not path and not variable and kind != "file":
        variable = name if name in environ else ""
    if variable or kind == "env":
        value = environ.get(variable or name)
        return Secret(name, value=os.fsencode(value) if value is not None else b"")
    path = path or name
    if os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):
        return Secret(name, value=_from_pipe(path))
    if not os.path.isfile(path):
        fault = "it is no file" if os.path.lexists(path) else "no such file"
        raise NotFound(f"failed to stat {path}: {fault}", hint=f"it is the source of the secret {name}")
    return Secret(name, os.path.abspath(path))


def _from_pipe(path: str) -> bytes:
    """What the shell's `<(command)` writes: it can be read once only, and by us. A bit more than may be."""
    try:
        with open(path, "rb") as pipe:
            return pipe.read(_LARGEST_SECRET)
    except OSError as error:
        raise Denied(f"cannot read {path}: {error.strerror}") from None


def parse_ssh(text: str, environ: Mapping[str, str]) -> SshForward:
    """--ssh ID[=SOCKET|KEY,...]; without a path it is the agent of SSH_AUTH_SOCK."""
    name, equals, value = text.partition("=")
    paths = tuple(os.path.abspath(os.path.expanduser(path)) for path in value.split(",") if path)
    if not equals or not paths:
        socket = environ.get("SSH_AUTH_SOCK", "")
        if not socket:
            raise InvalidInput(
                f"invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set (--ssh {text})",
                hint="start an agent, or give a key: --ssh default=PATH",
            )
        paths = (os.path.abspath(socket),)
    for path in paths:
        if not os.path.exists(path):
            raise NotFound(f"failed to stat {path}: no such file", hint=f"it is what --ssh {text} names")
    return SshForward(name or "default", paths)


def _agents(texts: Iterable[str], environ: Mapping[str, str]) -> tuple[SshForward, ...]:
    found: dict[str, SshForward] = {}
    for forward in (parse_ssh(text, environ) for text in texts):
        if forward.id in found:
            raise InvalidInput(f"invalid duplicate ID {forward.id} of --ssh", hint="one ID, one agent")
        found[forward.id] = forward
    return tuple(found.values())


def parse_host(text: str) -> tuple[str, str]:
    """--add-host NAME:IP or NAME=IP; host-gateway is this machine itself, whose network a RUN has."""
    separator = "=" if "=" in text else ":"
    name, found, address = text.partition(separator)
    if not found or not name or not address:
        raise InvalidInput(f"invalid host {text!r}", hint="write NAME:ADDRESS")
    address = address.removeprefix("[").removesuffix("]")
    if address == "host-gateway":
        return name, "127.0.0.1"
    from ipaddress import ip_address

    try:
        return name, str(ip_address(address))
    except ValueError:
        raise InvalidInput(
            f"invalid IP address in add-host: {address!r}", hint="write NAME:ADDRESS"
        ) from None


def parse_ulimit(text: str) -> Ulimit:
    """--ulimit NAME=SOFT[:HARD]; -1 is no limit."""
    name, equals, value = text.partition("=")
    if name not in _LIMITS:
        raise InvalidInput(f"invalid ulimit type: {name}", hint="one of " + ", ".join(sorted(_LIMITS)))
    words = value.split(":")
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        numbers = []
    if not equals or not 1 <= len(numbers) <= 2 or min(numbers) < -1:
        raise InvalidInput(f"invalid ulimit argument: {text}", hint=f"write {name}=SOFT or {name}=SOFT:HARD")
    soft, hard = numbers[0], numbers[-1]
    if hard != -1 and (soft == -1 or soft > hard):
        raise InvalidInput(
            f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}", hint=text
        )
    return Ulimit(name, soft, hard)


def _allowed(texts: Iterable[str]) -> Iterable[str]:
    for name in (name for text in texts for name in text.split(",")):
        if name not in _ALLOWED:
            raise InvalidInput(f"unknown entitlement {name!r}", hint="one of " + ", ".join(_ALLOWED))
        yield name


def attestations(args: Args) -> tuple[str, dict[str, str], bool]:
    """What --attest, --provenance and --sbom ask for: the mode ("" for none), its options, an SBOM or not."""
    mode, options, sbom = "", {}, False
    kinds: set[str] = set()
    for fields in _attest_fields(args):
        kind = fields.pop("type", "")
        disabled = _is_disabled(fields.pop("disabled", "false"))
        if not kind:
            raise InvalidInput("attestation type not specified", hint="type=sbom or type=provenance")
        if kind in kinds:
            raise InvalidInput(f"duplicate attestation field {kind}", hint="give all of it once")
        kinds.add(kind)
        if kind == "sbom":
            if fields:
                raise Unsupported(
                    "an SBOM scanner cannot be chosen", hint="Lamina reads the package databases itself"
                )
            sbom = not disabled
        elif kind == "provenance":
            mode = "" if disabled else fields.pop("mode", "max").replace("full", "max")  # as BuildKit does
            options = fields
            if mode not in ("", "min", "max"):
                raise InvalidInput(f"invalid provenance mode {mode!r}", hint="min or max")
        else:
            raise InvalidInput(f"unknown attestation type {kind!r}", hint="sbom or provenance")
    return mode, options, sbom


def _is_disabled(value: str) -> bool:
    said = truth(value)
    if said is None:
        raise InvalidInput(f"invalid value disabled={value}", hint="true or false")
    return said


def _attest_fields(args: Args) -> Sequence[dict[str, str]]:
    found = [fields_of(text, "attest") for text in args.texts("attest")]
    for name in ("provenance", "sbom"):
        if args.given(name):
            text = args.text(name)
            said = truth(text)
            fields = fields_of(text, name) if said is None else {} if said else {"disabled": "true"}
            found.append({"type": name, **fields})
    return found
