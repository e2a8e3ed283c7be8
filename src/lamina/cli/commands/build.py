"""lamina build: a Dockerfile and its context become an image."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lamina.cli.progress.drawer import KINDS, Drawer, choose
from lamina.cli.streams import read_file, write_file
from lamina.errors import InvalidInput, LaminaError, NotFound, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.build.request import BuildRequest, BuildResult
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session

_LATER = (
    "builder cgroup-parent cpu-period cpu-quota cpu-shares cpuset-cpus cpuset-mems "
    "isolation memory memory-swap policy security-opt"
)
# Flags whose values take some reading.
_RARE = (
    "add-host allow annotation attest build-context cache-from cache-rule cache-to cache-ttl label "
    "no-cache-filter output platform provenance pull push sbom secret shm-size squash ssh ulimit"
)
_EPOCH = "SOURCE_DATE_EPOCH"
_NAME = "Dockerfile"
_PLATFORM = "DOCKER_DEFAULT_PLATFORM"  # what --platform is when it is not given
_PROXIES: tuple[str, ...] = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_PROXIES += ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def configure(command: Command) -> None:
    """Flags of `lamina build`."""
    command.takes("PATH | URL | -", 1, 1)
    _inputs(command)
    _outputs(command)
    _ways(command)
    command.later(_LATER)
    command.later("m c", "this version of Lamina sets no limits of memory and CPUs")
    command.later("debug D", "it stands before the command: lamina --debug build")
    command.later("print", "write --call")
    command.details = (
        "PATH is a folder. URL is a Git repository, a tar archive or a Dockerfile. With -, a Dockerfile or a "
        "tar archive is read from STDIN."
    )


def _inputs(command: Command) -> None:
    """What goes into the build."""
    command.option("build-arg", "list", "Set build-time variables", many=True)
    command.option("build-context", "list", "Additional build contexts (name=path)", many=True)
    command.option("file", "string", "Name of the Dockerfile (default PATH/Dockerfile; - is STDIN)", "f")
    command.option("platform", "list", "Set target platform for build (several make an index)", many=True)
    command.switch("pull", "Always attempt to pull all referenced images")
    command.option("secret", "list", "Secret to expose to the build (id=ID[,src=PATH|,env=NAME])", many=True)
    command.option(
        "ssh", "list", "SSH agent socket or keys to expose (default|ID[=SOCKET|KEY,...])", many=True
    )
    command.option("target", "string", "Set the target build stage to build")


def _outputs(command: Command) -> None:
    """What becomes of the image."""
    command.option("annotation", "list", "Add annotation to the image", many=True)
    command.option(
        "attest", "list", "Attestation parameters (type=sbom, type=provenance,mode=max)", many=True
    )
    command.option("iidfile", "string", "Write the image ID to a file")
    command.option("label", "list", "Set metadata for an image", many=True)
    command.switch("load", "Load the image into the store (Lamina always does)")
    command.option("metadata-file", "string", "Write build result metadata to a file")
    command.option(
        "output",
        "list",
        "Also write the image: type=oci|docker|tar|local|image|registry|cacheonly,dest=path",
        "o",
        many=True,
    )
    command.maybe("provenance", "string", "Shorthand for --attest=type=provenance", "true")
    command.switch("push", "Shorthand for --output=type=registry")
    command.maybe("sbom", "string", "Shorthand for --attest=type=sbom", "true")
    command.switch("squash", "Squash newly built layers into a single new layer")
    command.option("tag", "list", "Name and optionally a tag (format: name:tag)", "t", many=True)


def _ways(command: Command) -> None:
    """How it is built, and what is said of it."""
    command.option("add-host", "list", "Add a custom host-to-IP mapping (host:ip)", many=True)
    command.option("allow", "list", "Allow extra privileged entitlement (security.insecure)", many=True)
    command.option("cache-from", "list", "External cache sources (NAME, type=registry|local,...)", many=True)
    command.option(
        "cache-rule",
        "list",
        "Switch a rule of reuse off (-exact, -same-content, -independent, -untouched), or verify",
        many=True,
    )
    command.option("cache-to", "list", "Cache export destinations (type=registry|local|inline)", many=True)
    command.option("cache-ttl", "duration", "Run steps that could use the network again at this age (12h)")
    command.option("call", "string", "Set method for evaluating build: build, check, outline, targets")
    command.switch("check", "Shorthand for --call=check")
    command.switch("compress", "Compress the build context (Lamina sends it nowhere)")
    command.switch("force-rm", "Always remove intermediate containers (Lamina keeps none)")
    command.option("format", "string", "Format of --check, --call: text (default) or json")
    command.switch("json", "Print what --plan says as JSON")
    command.option("network", "string", "Network of RUN instructions: host (default) or none")
    command.switch("no-cache", "Do not use cache when building the image")
    command.option("no-cache-filter", "list", "Do not cache specified stages", many=True)
    command.switch("plan", "Say what would be reused and what would run, and why; build nothing")
    command.option("progress", "string", f"Set type of progress output: {', '.join(KINDS)}")
    command.switch("quiet", "Suppress the build output and print image ID on success", "q")
    command.switch("rm", "Remove intermediate containers (Lamina keeps none)")
    command.option("shm-size", "bytes", "Shared memory size for RUN (default 64m)")
    command.option("snapshotter", "name", "overlay or native")
    command.option("ulimit", "list", "Ulimit options (name=soft[:hard])", many=True)
    command.switch("why", "Print why each step ran or was reused, as `lamina why` does, also if it fails")


def run(session: Session, args: Args) -> int:
    """Builds; the log goes to stderr, and with -q only the image's ID to stdout."""
    session.snapshotter = args.text("snapshotter") or session.snapshotter
    progress = _progress(args, session.environ)
    drawer = choose(progress)
    request = _request(args, session.environ)
    if args.given_any("plan json"):
        from lamina.cli.commands.plan import run_plan  # nothing is built then

        return run_plan(session, args, request)
    if args.given_any("call check format"):
        from lamina.cli.commands.check import run_check  # nothing is built then

        code = run_check(session, args, request)
        if code is not None:
            return code
    iidfile = args.text("iidfile")
    if iidfile and os.path.isfile(iidfile):
        os.unlink(iidfile)  # a build that fails must not leave the ID of an older one
    engine = session.engine
    try:
        result = engine.build(request, drawer)
    except (LaminaError, KeyboardInterrupt) as error:
        _explain(drawer, request, error)
        if args.on("why") and not isinstance(error, KeyboardInterrupt):
            _say_why(session, request, getattr(error, "recorded_as", ""))
        _warn(session, request, progress, error)
        raise
    if iidfile and request.keeps_image:
        write_file(iidfile, result.id)
    if args.text("metadata-file"):
        _write_metadata(args.text("metadata-file"), engine.metadata(result))
    drawer.succeeded(_results(result) if request.keeps_image else [])
    if not result.cached:
        _warn(session, request, progress)
    if progress == "quiet" and request.keeps_image:
        print(result.id)
    if args.on("why"):
        _say_why(session, request, result.build_id)
    return 0


def _progress(args: Args, environ: Mapping[str, str]) -> str:
    """--progress, else BUILDKIT_PROGRESS; -q is quiet. InvalidInput for -q with another one."""
    asked = args.text("progress") or "auto"
    if args.on("quiet"):
        if asked not in ("auto", "quiet"):
            raise InvalidInput(f"progress={asked} and quiet cannot be used together")
        return "quiet"
    return asked if args.given("progress") else environ.get("BUILDKIT_PROGRESS") or "auto"


def _request(args: Args, environ: Mapping[str, str]) -> BuildRequest:
    from lamina.build.request import BuildRequest  # after the flags are known to be right

    place, file = args.operands[0], args.text("file")
    if place == "-" or not os.path.isdir(place) or file.startswith(("http://", "https://")):
        from lamina.cli.build_places import request_for, with_agent  # with what tells URLs apart

        request = with_agent(request_for(place, file), environ)
    else:
        request = BuildRequest(place, *_dockerfile(place, file))
    request = request._replace(
        tags=tuple(args.texts("tag")),
        build_args=build_args(args.texts("build-arg"), environ),
        target=args.text("target") or None,
        no_cache=args.on("no-cache"),
        network=_network(args.text("network", "host")),
        proxies={name: environ[name] for name in _PROXIES if name in environ},
    )
    if not args.given_any(_RARE) and not environ.get(_PLATFORM):
        return request
    from lamina.cli.build_flags import with_rare_flags  # most builds do without

    return with_rare_flags(request, args, environ)


def _dockerfile(place: str, file: str) -> tuple[bytes, str, str | None]:
    """The Dockerfile of a folder: content, name to show, path."""
    if file == "-":
        return read_file("-"), "Dockerfile", None
    path = file or os.path.join(place, _NAME)
    if not os.path.exists(path):
        path = _in_small_letters(path)
    if not os.path.exists(path):
        raise NotFound(
            f"failed to read dockerfile: {path}: no such file", hint="-f FILE names a Dockerfile elsewhere"
        )
    return read_file(path), os.path.basename(path), path


def _in_small_letters(path: str) -> str:
    """`dockerfile` in place of a Dockerfile that is not there, as BuildKit takes it; else the same path."""
    folder, name = os.path.split(path)
    small = os.path.join(folder, _NAME.lower())
    return small if name == _NAME and os.path.exists(small) else path


def build_args(texts: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """--build-arg: K=V, or K for its value in the environment, which counts only where it is set.

    SOURCE_DATE_EPOCH of the environment counts without being named.
    """
    found = {_EPOCH: environ[_EPOCH]} if environ.get(_EPOCH) else {}  # as buildx passes it on
    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            raise InvalidInput(f"invalid build-arg {text!r}", hint="it is written NAME=VALUE, or NAME")
        if equals:
            found[name] = value
        elif name in environ:
            found[name] = environ[name]
    return found


def _network(name: str) -> str:
    if name == "default":
        return "host"
    if name not in ("host", "none"):
        raise Unsupported(f"network mode {name!r} is not supported by build", hint="host or none")
    return name


def _explain(drawer: Drawer, request: BuildRequest, error: BaseException) -> None:
    """Below what was drawn: the failed step's last output, and its lines in the Dockerfile."""
    step = drawer.failed()
    if step is None or isinstance(error, KeyboardInterrupt):
        return
    from lamina.cli.progress.failure import report  # only for a build that failed
    from lamina.dockerfile import DockerfileError

    located = isinstance(error, DockerfileError)  # its own text shows the line and a caret
    text = getattr(error, "dockerfile", request.dockerfile)  # it has that of a context from elsewhere
    text = report(step, request.dockerfile_name, text, excerpt=not located)
    if text:
        print(text, file=sys.stderr)


def _say_why(session: Session, request: BuildRequest, build_id: str) -> None:
    """--why: to STDOUT, or to STDERR where STDOUT has an output of the build."""
    from lamina.cli.commands.why import page  # a build from the cache mostly does without

    if build_id:
        why = session.engine.records.why(build_id)
        taken = any(output.dest == "-" for output in request.output)
        print(page(why, why.steps, whole=False), end="", file=sys.stderr if taken else sys.stdout)


def _warn(session: Session, request: BuildRequest, progress: str, error: BaseException | None = None) -> None:
    """The warnings of the checks, below all else; not where a program reads what is printed."""
    if progress not in ("auto", "plain", "tty") or isinstance(error, KeyboardInterrupt):
        return
    from lamina.cli.commands.check import print_warnings  # a build from the cache does without

    print_warnings(session, request, sys.stderr)


def _results(result: BuildResult) -> list[str]:
    written = [f"writing image {result.image_id}"]
    if len(result.images) > 1:
        written = [f"writing image {image.image_id} for {image.platform}" for image in result.images]
    if result.descriptor is not None and result.index_digest:
        what = "index" if "index" in result.descriptor.media_type else "manifest"
        written.append(f"writing {what} {result.index_digest}")
    written += [f"naming to {tag}" for tag in result.tags]
    return [*written, *(f"pushing manifest for {name}" for name in result.pushed_as)]


def _write_metadata(path: str, found: Mapping[str, object]) -> None:
    import json  # few builds want it

    write_file(path, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
