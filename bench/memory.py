"""python -m bench memory: how much memory an image of 10 GB takes on its way in, out and off.

Each command runs in a process of its own, for that image and for a tiny one; the difference of the largest
resident sets is what the size of the image costs. More than LIMIT MiB end with 1.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

from bench.ship.case import registry

LIMIT = 64  # MiB
GB = int(os.environ.get("MEMORY_GB", "10"))
SMALL = int(os.environ.get("MEMORY_FILES", "300000"))
_MIB = 1 << 20
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

# Runs a command of Lamina and tells of its memory: a child's ru_maxrss would begin with that of its parent.
_RUN = """
import sys
from lamina.cli.main import main
code = main(sys.argv[2:])
with open("/proc/self/status") as status, open(sys.argv[1], "w") as out:
    out.write(next(line.split()[1] for line in status if line.startswith("VmHWM")))
sys.exit(code)
"""


class Cost(NamedTuple):
    """Of one command: seconds, and the peak of its resident set in MiB."""

    seconds: float
    peak: float


def memory(folder: str) -> None:
    """Prints the table. SystemExit with 1 when a command takes too much."""
    archives = {"large": f"{folder}/large.tar", "tiny": f"{folder}/tiny.tar"}
    write_image(archives["large"], [one_file(GB * 5 // 8), big_files(GB * 3 // 8), small_files(SMALL)])
    write_image(archives["tiny"], [small_files(1)])
    costs: dict[str, dict[str, Cost]] = {}
    with registry(f"{folder}/registry") as port:
        for size, archive in archives.items():
            costs[size] = _costs(folder, archive, f"localhost:{port}/{size}:1")
    worst = 0.0
    print(f"| an image of {GB} GB, {SMALL} small files | seconds | peak MiB | over a tiny image's |")
    print("| --- | --- | --- | --- |")
    for what, cost in costs["large"].items():
        more = cost.peak - costs["tiny"][what].peak
        worst = max(worst, more)
        print(f"| {what} | {cost.seconds:.1f} | {cost.peak:.0f} | {more:.0f} |", flush=True)
    if worst > LIMIT:
        raise SystemExit(1)


def _costs(folder: str, archive: str, name: str) -> dict[str, Cost]:
    """Every command on one image, in a store of its own."""

    def lamina(*words: str) -> Cost:
        told = f"{folder}/told"
        command = [sys.executable, "-c", _RUN, told, "--root", f"{folder}/store", *words]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(told) as file:
            return Cost(time.perf_counter() - started, int(file.read()) / 1024)

    found = {"load": lamina("load", "-q", "-i", archive)}
    os.unlink(archive)
    lamina("tag", "bench:1", name)
    found["push"] = lamina("push", "-q", name)
    found["save, uncompressed"] = lamina("save", "-o", "/dev/null", name)
    found["rmi"] = lamina("rmi", "bench:1", name)
    found["pull"] = lamina("pull", "-q", name)
    found["rmi, again"] = lamina("rmi", name)
    lamina("prune", "-a", "-f")
    return found


# --- images


def write_image(path: str, layers: list[Iterator[bytes]]) -> None:
    """An OCI archive of gzip layers."""
    with tarfile.open(path, "w") as tar:
        packed = [_gzipped(f"{path}.layer", pieces) for pieces in layers]
        diff_ids = [diff_id for diff_id, _, _ in packed]
        config = _json(
            {"os": "linux", "architecture": _machine(), "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        )
        rows = []
        for _, digest, size in packed:
            rows.append({"mediaType": _LAYER, "digest": digest, "size": size})
            tar.add(f"{path}.layer{digest[7:]}", f"blobs/sha256/{digest[7:]}")
            os.unlink(f"{path}.layer{digest[7:]}")
        manifest = _json(
            {"schemaVersion": 2, "mediaType": _MANIFEST, "config": _row(config, _CONFIG), "layers": rows}
        )
        named = {**_row(manifest, _MANIFEST), "annotations": {"org.opencontainers.image.ref.name": "bench:1"}}
        files = {f"blobs/sha256/{_digest(data)[7:]}": data for data in (config, manifest)}
        files["index.json"] = _json({"schemaVersion": 2, "manifests": [named]})
        files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))


def one_file(gb: int) -> Iterator[bytes]:
    """One file, of which a sixteenth is noise."""
    yield _header("one", gb << 30)
    yield from _content(gb << 10, 16)
    yield bytes(1024)


def big_files(gb: int) -> Iterator[bytes]:
    """Files of 8 MiB, of which an eighth is noise."""
    for number in range(gb << 7):
        yield _header(f"big/{number}", 8 * _MIB)
        yield from _content(8, 8)
    yield bytes(1024)


def small_files(count: int) -> Iterator[bytes]:
    """Files of some hundred bytes, a hundred in a folder."""
    noise = os.urandom(_MIB)
    for number in range(count):
        size = 100 + number % 900
        start = number * 7919 % (_MIB - 1000)
        name = f"usr/lib/python3/dist-packages/{number // 100:05d}/module_{number % 100:02d}.py"
        yield _header(name, size) + noise[start : start + size] + bytes(-size % 512)
    yield bytes(1024)


def _content(mib: int, part: int) -> Iterator[bytes]:
    zeros = bytes(_MIB)
    for number in range(mib):
        yield zeros if number % part else os.urandom(_MIB)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, 1_600_000_000
    return info.tobuf(tarfile.GNU_FORMAT)


def _gzipped(path: str, pieces: Iterator[bytes]) -> tuple[str, str, int]:
    """Writes a layer beside `path`; its diff ID, its digest and its size."""
    diff_id, digest, size = hashlib.sha256(), hashlib.sha256(), 0
    compressor = zlib.compressobj(1, wbits=31)
    with open(path, "wb") as out:

        def put(data: bytes) -> None:
            nonlocal size
            digest.update(data)
            size += out.write(data)

        for piece in pieces:
            diff_id.update(piece)
            put(compressor.compress(piece))
        put(compressor.flush())
    os.rename(path, path + digest.hexdigest())
    return "sha256:" + diff_id.hexdigest(), "sha256:" + digest.hexdigest(), size


def _machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _row(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
