"""What becomes of a build beside plain images: indexes, annotations, attestations, and --output.

Everything that --output says is checked before the build begins. A file is complete, or not there.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.archive.folder import write_layout
from lamina.archive.opening import Spools
from lamina.archive.writing import Named, write_archive
from lamina.build.builtin import wants_index
from lamina.build.foreign import targets
from lamina.errors import Denied, InvalidInput, NoSpace, NotFound
from lamina.events import Notice
from lamina.graph.scope import EPOCH
from lamina.oci import annotations as notes
from lamina.oci import reference as references
from lamina.oci.platform import host
from lamina.transfer.compose import check_no_index, compose, keep
from lamina.transfer.files import FileSet, write_folder, write_tar
from lamina.transfer.form import Form, form_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.build.request import BuildRequest, BuildResult, Output
    from lamina.engine.attesting import Attester
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.platform import Platform
    from lamina.registry.settings import Settings
    from lamina.transfer.compose import Composed

_ARCHIVES = ("oci", "docker")
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/sys", "/usr", "/var")
_NO_EPOCH = "[Warning] rewrite-timestamp is specified, but no source-date-epoch was found"


class Planned(NamedTuple):
    """An output with its options, checked."""

    output: Output
    form: Form


class Outputs:
    """The outputs of one build; made before it begins. InvalidInput, Unsupported for what cannot be."""

    def __init__(
        self, ctx: Layers, request: BuildRequest, observer: Observer, registries: Callable[[], Settings]
    ) -> None:
        self._ctx = ctx
        self._registries = registries
        self._request = request
        self._observer = observer
        self._attests: Attester | None = None
        self._machine = host(os.uname().machine)
        self._flags = tuple(each for text in request.annotations for each in notes.parse_flag(text))
        self._planned = [
            Planned(each, form_of(each.type, each.options, self._flags))
            for each in map(_meant, request.output)
        ]
        self._several = wants_index(request.build_args, len(targets(request.platforms, self._machine)))
        self._indexed = self._several or bool(request.provenance or request.sbom)
        self._check()

    def deliver(self, result: BuildResult) -> BuildResult:
        """Names what was built, and writes the outputs. The result as the names have it.

        The caller is root in here. NotFound, Denied, NoSpace for the places; LaminaErrors of the images.
        """
        if not self._request.keeps_image:
            return result
        if not self._request.is_plain:
            result = self._name(result)
        for each in self._planned:
            if each.output.type in _ARCHIVES:
                self._write_images(result, each)
            elif each.output.type in ("tar", "local"):
                self._write_files(result, each)
            elif each.form.push:
                result = self._push(result, each.form)
        return result

    def _push(self, result: BuildResult, form: Form) -> BuildResult:
        """To the registry of each name what the name stands for now; packed on the way."""
        from lamina.engine.pushing import push_built  # with all that speaks to registries

        found, names = push_built(
            self._ctx, form.names or result.tags, self._registries(), form, self._observer
        )
        return result._replace(pushed=found, pushed_as=(*result.pushed_as, *names))

    def _check(self) -> None:
        """What the outputs want and the build does not give."""
        to_stdout = [output for output in self._request.output if output.dest == "-"]
        if len(to_stdout) > 1:
            raise InvalidInput("only one output can go to standard output", hint="give the others dest=PATH")
        forms = [Form(annotations=self._flags), *(each.form for each in self._planned)]
        for form in forms:
            if not self._indexed:
                check_no_index(form.annotations)
        for output, form in self._planned:
            if output.type == "docker" and self._indexed:
                raise InvalidInput(
                    "docker exporter does not currently support exporting manifest lists",
                    hint="use type=oci; `lamina save` writes an archive that newer Docker loads",
                )
            if output.type in _ARCHIVES and not form.tar and output.dest in ("", "-"):
                raise InvalidInput(
                    f"output type {output.type} with tar=false needs a folder", hint="dest=FOLDER"
                )
            if form.push:
                self._check_names(form)
            if form.delete:
                self._check_expendable(output.dest)
            if form.rewrite and not self._epoch:
                self._observer(Notice(_NO_EPOCH))

    def _check_names(self, form: Form) -> None:
        """What is pushed has a name, and a registry that may be asked. InvalidInput, FetchFailed."""
        from lamina.registry.failures import check_online  # few builds push

        names = form.names or self._request.tags
        if not names:
            raise InvalidInput("tag is needed when pushing to registry", hint="-t NAME, or name=NAME")
        for name in names:
            check_online(references.parse_tagged(name), self._registries())

    def _check_expendable(self, dest: str) -> None:
        """A slip of the pen may not delete the machine, nor what is being worked on. InvalidInput."""
        folder = os.path.realpath(dest)
        context = self._request.context or ""
        for path, what in (
            (os.getcwd(), "the current folder"),
            (os.path.expanduser("~"), "the home folder"),
            (self._ctx.layout.root, "the store"),
            (context if os.path.isdir(context) else os.getcwd(), "the build context"),
            *((each, "the system") for each in _SYSTEM),
        ):
            if os.path.commonpath([folder, os.path.realpath(path)]) == folder:
                raise InvalidInput(
                    f"mode=delete would delete what else is in {folder}, and {what} is in there",
                    hint="give it a folder of its own, or leave mode=delete out",
                )

    @property
    def _epoch(self) -> int | None:
        text = self._request.build_args.get(EPOCH, "")
        return int(text) if text.isascii() and text.isdigit() else None

    def _name(self, result: BuildResult) -> BuildResult:
        """Puts what the names stand for into the store, once for each output of type image."""
        wanted = [each.form for each in self._planned if each.output.type == "image"]
        digest, tags, descriptor = None, result.tags, None
        for form in wanted or [Form(annotations=self._flags)]:
            if form.push:  # it is packed on its way
                form = form._replace(compression="", oci=True)
            with Spools(self._ctx.layout.root) as spools:
                composed = self._composed(result, form, spools)
                names = form.names or result.tags
                digest = keep(self._ctx, composed, names, self._machine)
                descriptor = composed.descriptor
                tags = tuple(dict.fromkeys((*tags, *names))) if form.names else tags
        return result._replace(index_digest=digest, tags=tags, descriptor=descriptor)

    def _composed(self, result: BuildResult, form: Form, spools: Spools) -> Composed:
        def attest(number: int, subject: Descriptor) -> Sequence[Descriptor]:
            if not (self._request.provenance or self._request.sbom):
                return ()
            names = form.names or result.tags
            return self._attester(result).attest(number, subject, names, artifact=form.artifact)

        if self._request.provenance or self._request.sbom:
            form = form._replace(oci=True)  # as BuildKit: Docker's media types have no attestations
        ids = [image.image_id for image in result.images]
        return compose(self._ctx, ids, form._replace(indexed=self._several), spools, attest)

    def _write_images(self, result: BuildResult, planned: Planned) -> None:
        output, form = planned
        docker = output.type == "docker"
        with Spools(self._ctx.layout.root) as spools:
            composed = self._composed(result, form, spools)
            shown = next((n for n, image in enumerate(result.images) if image.image_id == result.image_id), 0)
            about = composed.descriptor_annotations
            named = Named(composed.views[shown], form.names or result.tags, composed.whole, about)
            if form.tar:
                with sink(output.dest) as out:
                    write_archive([named], out.write, docker=docker)
            else:
                write_layout([named], output.dest, docker=docker)

    def _write_files(self, result: BuildResult, planned: Planned) -> None:
        output, form = planned
        split = form.split if form.split is not None else self._several
        if not split and len(result.images) > 1:
            raise InvalidInput(
                "the files of several platforms cannot lie in one folder",
                hint="leave out platform-split=false",
            )
        sets = []
        for number, image in enumerate(result.images):
            folder = _folder(image.platform) if split else ""
            sets.append(FileSet(image.image_id, folder, self._beside(result, number, form)))
        if output.type == "local":
            write_folder(self._ctx, sets, output.dest, self._epoch, delete=form.delete)
            return
        with sink(output.dest) as out:
            write_tar(self._ctx, sets, out.write, self._epoch)

    def _beside(self, result: BuildResult, number: int, form: Form) -> tuple[tuple[str, bytes], ...]:
        """The attestations of an image, as files."""
        if not (self._request.provenance or self._request.sbom):
            return ()
        files = self._attester(result).files(number)
        return tuple((form.prefix + name, data) for name, data in files)

    def _attester(self, result: BuildResult) -> Attester:
        """What attests for all outputs."""
        if self._attests is None:
            from lamina.engine.attesting import Attester  # packages, provenance, SPDX

            self._attests = Attester(self._ctx, self._request, result, self._observer)
        return self._attests


def _meant(output: Output) -> Output:
    """type=registry is type=image that is pushed."""
    if output.type != "registry":
        return output
    return output._replace(type="image", options={"push": "true", **output.options})


def _folder(platform: Platform) -> str:
    """The folder of a platform in an output of files: linux_arm64."""
    return str(platform).replace("/", "_")


@contextmanager
def sink(dest: str) -> Iterator[BinaryIO]:
    """A file at `dest` once all is written; "-" is this process's standard output."""
    if dest == "-":
        with os.fdopen(os.dup(1), "wb") as out:
            yield out
        return
    temporary = f"{dest}.{os.getpid()}.tmp"
    try:
        if os.path.exists(dest) and not os.path.isfile(dest) and not os.path.isdir(dest):
            with open(dest, "wb") as out:  # a pipe or /dev/null: renaming over it would replace it
                yield out
            return
        with open(temporary, "wb") as out:
            yield out
        os.replace(temporary, dest)
    except FileNotFoundError:
        raise NotFound(f"cannot write {dest}: there is no such folder") from None
    except OSError as error:
        kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else Denied
        raise kind(f"cannot write {dest}: {error.strerror}") from None
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)
