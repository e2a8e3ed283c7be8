"""A store of 1,000 images, 5,000 layers and 2,000,000 files: rows only, of the shape that real stores have.

Twenty bases of five layers below 1,000 applications of four or five layers of their own: what apt, pip or npm
installed, and COPY. Names, depths, kinds and sharing are like real ones; digests are drawn. Always the same.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from lamina.db import cachedb, imagedb, layerdb, packagedb
from lamina.db.connect import Database
from lamina.db.imagedb import ImageRow
from lamina.db.layerdb import Diff, Layer
from lamina.oci import media
from lamina.oci.config import ContainerConfig, History, ImageConfig, RootFS
from lamina.oci.digest import DiffID, ImageID, sha256
from lamina.store.blobs import BlobStore
from lamina.store.layout import Layout
from lamina.store.lease import Lease
from lamina.tree.entry import Entry, Kind

BASES, BASE_LAYERS = 20, 5
WHEN = "2026-01-02T03:04:05Z"
STATUS = b"var/lib/dpkg/status"
OPENSSL = ("openssl", "libssl3")


class Size(NamedTuple):
    """How big the store is."""

    images: int = 1_000
    layers: int = 5_000
    files: int = 2_000_000


WHOLE = Size()


class Asked(NamedTuple):
    """What is worth asking of the store: of few layers and of many."""

    digest: str  # of a file of a base
    rare: str  # of a file of one application
    path: str  # of a file of a base
    image: str  # an application
    package: str
    version: str  # one that few images have
    file: str  # a path of the image


class Maker:
    """Makes one store; `rand` draws all that is drawn."""

    def __init__(self, root: str, size: Size) -> None:
        self.layout = Layout(root)
        self.size = size
        self.rand = random.Random(6)
        self.lease = Lease.acquire(self.layout)
        self.db = Database.open(self.layout.database)
        self.blobs = BlobStore(self.layout, self.lease)
        self._words = [self._word() for _ in range(3000)]
        self._made = 0

    def _word(self) -> str:
        return "".join(self.rand.choice("abcdefghilmnoprstuvwy") for _ in range(self.rand.randint(3, 11)))

    def digest(self) -> str:
        """A digest that no other file has."""
        return self.rand.randbytes(32).hex()

    def layer(self, parent: Layer | None, files: int, root: str, text: str, packages: Sequence[str]) -> Layer:
        """One layer on `parent` with so many rows, most of them below `root`; with a dpkg database."""
        entries = self.entries(files, root, status=bool(packages))
        self._made += 1
        diff_id = DiffID(sha256(b"layer %d" % self._made))
        size = sum(entry.size for entry in entries)
        diff = Diff(diff_id, diff_id[7:], size, size + 512 * files, len(entries), None, media.LAYER)
        layer = layerdb.make_layer(parent, diff, text, WHEN)
        with self.db.write(durable=False) as tx:
            layerdb.put_diff(tx, diff)
            cachedb.put_files(tx, diff_id, entries)
            layerdb.put_layer(tx, layer)
            self._put_packages(tx, diff_id, entries, packages)
        return layer

    def _put_packages(self, tx, diff_id: DiffID, entries: Sequence[Entry], packages: Sequence[str]) -> None:  # type: ignore[no-untyped-def]
        number = tx.execute("SELECT num FROM diffs WHERE diff_id = ?", (diff_id,)).fetchone()[0]
        digest = next((bytes.fromhex(entry.digest) for entry in entries if entry.path == STATUS), b"")
        places = []
        if packages:
            version = f"3.0.{self.rand.randint(1, 15)}-1"
            listed = [packagedb.Listed(name, version, "amd64") for name in packages]
            places.append((STATUS, packagedb.put_file(tx, "deb", digest, listed)))
        packagedb.put_layer(tx, number, places)

    def entries(self, count: int, root: str, *, status: bool) -> list[Entry]:
        """Rows of one layer: folders with files in them, some links, a whiteout here and there."""
        rand = self.rand
        found: dict[bytes, Entry] = {}
        if status:
            _with_folders(found, Entry(STATUS, Kind.FILE, 0o644, size=200_000, digest=self.digest()))
        while len(found) < count:
            depth = rand.randint(1, 4)
            folder = "/".join([root, *(rand.choice(self._words) for _ in range(depth))])
            for _ in range(min(rand.randint(2, 24), count - len(found))):
                name = rand.choice(self._words) + rand.choice((".py", ".so", ".js", ".h", "", ".pyc", ".md"))
                _with_folders(found, self._entry(f"{folder}/{name}".encode()))
        return [found[path] for path in sorted(found)]

    def _entry(self, path: bytes) -> Entry:
        drawn = self.rand.random()
        if drawn < 0.06:
            return Entry(path, Kind.SYMLINK, 0o777, link=b"target")
        if drawn < 0.07:
            return Entry(path, Kind.WHITEOUT)
        return Entry(path, Kind.FILE, 0o644, size=self.rand.randint(0, 40_000), digest=self.digest())

    def image(self, name: str, layers: Sequence[Layer]) -> None:
        """An image of these layers under this name."""
        ids = tuple(layer.diff_id for layer in layers)
        history = tuple(History(WHEN, layer.created_by) for layer in layers)
        env = (f"APP={name}", "PATH=/usr/local/bin:/usr/bin:/bin")
        config = ImageConfig("amd64", "linux", RootFS(ids), ContainerConfig(env=env), history, WHEN)
        data = config.to_bytes()
        self.blobs.put(data)
        row = ImageRow(ImageID(sha256(data)), sha256(data), WHEN, 1, "linux", "amd64", "", WHEN)
        with self.db.write(durable=False) as tx:
            imagedb.put_image(tx, row, [layer.chain_id for layer in layers])
            imagedb.put_tag(tx, f"docker.io/library/{name}:latest", row.image_id)


def _with_folders(found: dict[bytes, Entry], entry: Entry) -> None:
    found[entry.path] = entry
    folder = entry.path.rpartition(b"/")[0]
    while folder and folder not in found:
        found[folder] = Entry(folder, Kind.DIR, 0o755)
        folder = folder.rpartition(b"/")[0]


ROOTS = ("usr/lib/python3/dist-packages", "srv/app/node_modules", "usr/share", "usr/lib/x86_64-linux-gnu")
TEXTS = ("RUN apt-get install -y", "RUN pip install -r requirements.txt", "RUN npm ci", "COPY . /srv/app")


def make(root: str, size: Size = WHOLE) -> Asked:
    """Makes the store in the folder `root`, and says what to ask of it."""
    maker = Maker(root, size)
    names = [f"lib{word}" for word in maker._words[:150]] + list(OPENSSL)
    per_base = int(size.files * 0.06 / BASES / BASE_LAYERS)
    bases: list[list[Layer]] = []
    for number in range(BASES):
        stack: list[Layer] = []
        for place in range(BASE_LAYERS):
            parent = stack[-1] if stack else None
            text = f"ADD base-{number}.tar /" if not place else f"RUN step {place} of base {number}"
            stack.append(maker.layer(parent, per_base, "usr", text, names if not place else ()))
        bases.append(stack)
        maker.image(f"base-{number}", stack)
    apps = size.images - BASES
    own = size.layers - BASES * BASE_LAYERS
    per_app = int(size.files * 0.94 / own)
    for number in range(apps):
        stack = list(bases[number % BASES])
        for place in range(own * (number + 1) // apps - own * number // apps):
            some = names if place == 0 and number % 3 == 0 else ()
            root_of = ROOTS[(number + place) % len(ROOTS)]
            text = f"{TEXTS[place % len(TEXTS)]} # {number}"
            stack.append(maker.layer(stack[-1], per_app, root_of, text, some))
        maker.image(f"app-{number}", stack)
    found = _asked(maker, bases[0][0], stack[-1])
    maker.db.close()
    maker.lease.release()
    return found


def _asked(maker: Maker, base: Layer, top: Layer) -> Asked:
    c = maker.db.read()
    low = [entry for entry in cachedb.files(c, base.diff_id) if entry.kind is Kind.FILE]
    high = [entry for entry in cachedb.files(c, top.diff_id) if entry.kind is Kind.FILE]
    path = "/" + low[len(low) // 2].path.decode()
    version = c.execute(
        "SELECT version FROM packages WHERE name = ? ORDER BY file", (OPENSSL[0],)
    ).fetchone()[0]
    image, file = f"app-{maker.size.images - BASES - 1}", "/" + high[9].path.decode()
    return Asked(low[7].digest, high[5].digest, path, image, OPENSSL[0], version, file)
