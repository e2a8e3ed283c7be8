"""What a build is asked for, and what it answers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.build.builtin import wants_index
from lamina.errors import NotFound
from lamina.gobool import TRUE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.build.done import Facts, Scan
    from lamina.build.given import CacheFrom, CacheTo, Secret, SshForward, Ulimit
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest, ImageID
    from lamina.oci.platform import Platform


class Output(NamedTuple):
    """Where the image goes beside the store, and how.

    `type` is image, oci, docker, tar, local or cacheonly; `dest` is a path, "-" for standard output, "" for
    none. `options` are the others as written: compression, compression-level, rewrite-timestamp, ...
    """

    type: str
    dest: str = ""
    options: Mapping[str, str] = {}

    @property
    def is_pushed(self) -> bool:
        """Whether it goes to a registry."""
        return self.type == "registry" or self.options.get("push", "") in TRUE


class BuildRequest(NamedTuple):
    """One build.

    `context` is a folder (None: an empty one). `dockerfile` is the text itself; `dockerfile_name` is what
    messages call it; `dockerfile_path` is where it lies, for PATH.dockerignore beside it (None: nowhere).
    `tags` are as a user writes them. `target` is a stage's name or number, None for the last one.
    `network` is that of RUN: host or none. `contexts` are more contexts by name, with what each is, as
    --build-context writes it. `platforms` are as written, () for this machine's; several make an index.
    `add_hosts` are pairs (name, address); `shm_size` is in bytes, 0 for the usual 64 MiB. `allow` has
    what the Dockerfile may ask for: security.insecure, network.host. `provenance` is "" for none, "min" or
    "max", and what else --provenance says is in `provenance_options`.

    `context` may also be a Git repository or a URL, and `archive` is a tar that is the context instead; then
    `dockerfile_inside` is the Dockerfile's path in there ("": `dockerfile` is its text). `proxies` are proxy
    variables for what is fetched; those among `build_args` go before them.

    `rules_off` are rules of graph.rules by which nothing is reused. `verify`: what the rules independent and
    untouched would reuse is done, and compared. `cache_ttl` is the age in seconds from which a step that
    could use the network is done again; None for no such age. `cache_from` and `cache_to` are shared caches.
    """

    context: str | None
    dockerfile: bytes
    dockerfile_name: str = "Dockerfile"
    dockerfile_path: str | None = None
    tags: tuple[str, ...] = ()
    build_args: Mapping[str, str] = {}
    target: str | None = None
    no_cache: bool = False
    network: str = "host"
    output: tuple[Output, ...] = ()
    contexts: Mapping[str, str] = {}
    secrets: tuple[Secret, ...] = ()
    ssh: tuple[SshForward, ...] = ()
    platforms: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    annotations: tuple[str, ...] = ()
    add_hosts: tuple[tuple[str, str], ...] = ()
    shm_size: int = 0
    ulimits: tuple[Ulimit, ...] = ()
    no_cache_filter: tuple[str, ...] = ()
    pull: bool = False
    squash: bool = False
    allow: frozenset[str] = frozenset()
    provenance: str = ""
    provenance_options: Mapping[str, str] = {}
    sbom: bool = False
    archive: BinaryIO | None = None
    dockerfile_inside: str = ""
    proxies: Mapping[str, str] = {}
    rules_off: frozenset[str] = frozenset()
    verify: bool = False
    cache_ttl: float | None = None
    cache_from: tuple[CacheFrom, ...] = ()
    cache_to: tuple[CacheTo, ...] = ()

    @property
    def keeps_files(self) -> bool:
        """Whether the files of the image are wanted here: what is only pushed needs none."""
        return self.keeps_image and not (self.output and all(each.is_pushed for each in self.output))

    @property
    def is_plain(self) -> bool:
        """Whether the names stand for just the image: one platform, nothing attested, no annotations."""
        return not (
            self.annotations
            or self.provenance
            or self.sbom
            or self.wants_index
            or any(output.type == "image" and output.options for output in self.output)
        )

    @property
    def wants_index(self) -> bool:
        """Whether an index is made: for several platforms, or BUILDKIT_MULTI_PLATFORM. InvalidInput."""
        return wants_index(self.build_args, len(self.platforms))

    @property
    def keeps_image(self) -> bool:
        """Whether the store gets the image: not when cacheonly is all that is to be made."""
        return not self.output or any(output.type != "cacheonly" for output in self.output)

    @classmethod
    def of_folder(
        cls,
        folder: str | os.PathLike[str],
        *,
        file: str | os.PathLike[str] | None = None,
        tags: tuple[str, ...] = (),
        build_args: Mapping[str, str] | None = None,
        target: str | None = None,
        no_cache: bool = False,
    ) -> BuildRequest:
        """The request for a folder and its Dockerfile, or another `file`. NotFound when that is not there."""
        path = os.path.join(folder, "Dockerfile") if file is None else os.fspath(file)
        try:
            with open(path, "rb") as opened:
                text = opened.read()
        except OSError as error:
            raise NotFound(f"cannot read {path}: {error.strerror}") from None
        return cls(
            os.fspath(folder),
            text,
            os.path.basename(path),
            path,
            tags,
            build_args or {},
            target,
            no_cache,
        )


class StepResult(NamedTuple):
    """One step that makes a layer, as the build went."""

    text: str  # the instruction, on one line
    line: int  # in the Dockerfile, from 1
    stage: str
    cached: bool
    diff_id: str
    seconds: float  # 0 when it was cached
    rule: str = ""  # by which it was reused (graph.rules); "" when it was done


class BuiltImage(NamedTuple):
    """The image of a build for one platform."""

    image_id: ImageID
    platform: Platform
    facts: Facts | None = None  # for its provenance, when that was asked for
    scans: tuple[Scan, ...] = ()  # stages whose packages its SBOM is to have as well
    lines: tuple[int, ...] = ()  # in the Dockerfile, of what the build added to the history


class BuildResult(NamedTuple):
    """An image, by its ID and the full names that it was given, and how it came about.

    Of a build for several platforms `image_id` is the image for this machine, else the first; `images` has
    all. `index_digest` is what the names stand for where it is not just the image: an index, or a manifest
    with annotations.
    """

    image_id: ImageID
    tags: tuple[str, ...]
    steps: tuple[StepResult, ...]
    build_id: str = ""  # of its record: `lamina build show ID`
    facts: Facts | None = None  # for the provenance, when that was asked for
    images: tuple[BuiltImage, ...] = ()
    index_digest: Digest | None = None
    descriptor: Descriptor | None = None  # of that index or manifest
    pushed: Descriptor | None = None  # what the registry has, which may be packed in another way
    pushed_as: tuple[str, ...] = ()  # the full names there, with its digest

    @property
    def id(self) -> str:
        """What names the result of the build: the image ID; of several platforms the digest of the index."""
        return self.index_digest if self.index_digest and len(self.images) > 1 else self.image_id

    def without_notes(self) -> BuildResult:
        """The same without what only attestations are made of; the rest can travel between processes."""
        images = tuple([image._replace(facts=None, scans=()) for image in self.images])
        return self._replace(facts=None, images=images)

    @property
    def cached(self) -> bool:
        """Whether nothing had to be done."""
        return all(step.cached for step in self.steps)
