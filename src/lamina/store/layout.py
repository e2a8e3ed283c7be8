"""Where things lie below the root folder (DESIGN.md, "On disk")."""

from __future__ import annotations

import os
import stat

from lamina.errors import Denied, InvalidInput
from lamina.oci.digest import ChainID, DiffID, Digest, hex_of, parse
from lamina.store.guard import guard

TEMP_PREFIX = ".tmp-"  # then the lease's ID, a dash, and a number


class Layout:
    """The paths of one store. Making it touches nothing; `prepare` makes the folders."""

    __slots__ = ("blobs", "builds", "cachemounts", "database", "diff", "layers", "leases", "mnt", "root")

    def __init__(self, root: str) -> None:
        self.root = root = os.path.abspath(root)
        self.blobs = root + "/blobs/sha256"
        self.diff = root + "/diff"
        self.layers = root + "/layers"
        self.mnt = root + "/mnt"
        self.cachemounts = root + "/cachemounts"
        self.builds = root + "/builds"  # made with the first log
        self.leases = root + "/leases"
        self.database = root + "/lamina.db"

    def __repr__(self) -> str:
        return f"Layout({self.root!r})"

    def exists(self) -> bool:
        """Whether the store is there. Denied when its folder belongs to someone else."""
        try:
            with guard(self.root):
                found = os.stat(self.root)
        except (FileNotFoundError, NotADirectoryError):
            return False
        self._check_ours(found)
        return os.path.isdir(self.leases)

    def prepare(self) -> None:
        """Makes the root folder (mode 0700) and what belongs in it, where missing.

        Denied when the root is someone else's or cannot be written, NoSpace, InvalidInput when a
        file stands in its place. Costs two calls of stat when all is there.
        """
        if self.exists():
            return
        with guard(self.root):
            try:
                os.makedirs(self.root, 0o700, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise InvalidInput(f"{self.root} is not a folder", hint="check LAMINA_ROOT") from None
            except FileNotFoundError:  # /proc, for one, has no room for folders of ours
                raise Denied(f"{self.root} cannot be made", hint="check LAMINA_ROOT") from None
            self._check_ours(os.stat(self.root))
            # leases comes last: `exists` takes it as the sign that the others are there
            for folder in (*self.temp_folders(), self.leases):
                os.makedirs(folder, 0o700, exist_ok=True)

    def _check_ours(self, found: os.stat_result) -> None:
        if not stat.S_ISDIR(found.st_mode):
            raise InvalidInput(f"{self.root} is not a folder", hint="check LAMINA_ROOT")
        # In a user namespace both numbers are as seen in there, so this is right for its root too.
        if found.st_uid != os.geteuid():
            raise Denied(
                f"{self.root} belongs to another user (uid {found.st_uid}, not {os.geteuid()})",
                hint="set LAMINA_ROOT to a folder of your own",
            )

    def blob(self, digest: Digest) -> str:
        """The file of a blob. InvalidInput when `digest` is none, so that it cannot name another place."""
        return f"{self.blobs}/{hex_of(parse(digest))}"

    def diff_dir(self, diff_id: DiffID) -> str:
        """The folder with a layer's files."""
        return f"{self.diff}/{hex_of(parse(diff_id))}"

    def layer_file(self, chain_id: ChainID) -> str:
        """The text file that says what a layer stands on; store.layerfile reads and writes it."""
        return f"{self.layers}/{hex_of(parse(chain_id))}"

    def snapshot_dir(self, key: str) -> str:
        """The folder of an active snapshot: `key` is a container's ID, or a `Lease.temp_name()`."""
        if not key or "/" in key or key in {".", ".."}:
            raise InvalidInput(f"invalid snapshot key {key[:100]!r}")
        return f"{self.mnt}/{key}"

    def cache_mount(self, name: str) -> str:
        """The folder of a cache mount: info.json, and data/ with its files."""
        if not name or name.strip("0123456789abcdef"):
            raise InvalidInput(f"invalid name of a cache mount {name[:100]!r}")
        return f"{self.cachemounts}/{name}"

    def build_dir(self, build_id: str) -> str:
        """The folder with the logs of a build: STEP.log for each step that wrote something."""
        if not build_id.isalnum():
            raise InvalidInput(f"invalid build ID {build_id[:100]!r}")
        return f"{self.builds}/{build_id}"

    def temp_folders(self) -> tuple[str, ...]:
        """The folders in which temporary names may stand."""
        return (self.blobs, self.diff, self.layers, self.mnt, self.cachemounts)

    def temps(self) -> list[tuple[str, str]]:
        """Every temporary path, and the ID of the lease that it belongs to."""
        found = []
        for folder in self.temp_folders():
            try:
                names = os.listdir(folder)
            except FileNotFoundError:  # a store that an older Lamina made has fewer folders
                continue
            owners = [(f"{folder}/{name}", temp_owner(name)) for name in names]
            found += [(path, owner) for path, owner in owners if owner is not None]
        return found


def temp_owner(name: str) -> str | None:
    """The ID of the lease that a temporary name belongs to; None for any other name."""
    if not name.startswith(TEMP_PREFIX):
        return None
    lease, dash, _ = name[len(TEMP_PREFIX) :].partition("-")
    return lease if dash else None
