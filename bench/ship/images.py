"""What is shipped: an image with one large layer and a small one, a second version of each, and a build."""

from __future__ import annotations

import hashlib
import os
import random

FILES = 400  # in the large layer
_SOURCE = "print('version %d')\n"


def write_data(folder: str, size: int) -> None:
    """`size` bytes in FILES files of uneven sizes, of which half can be compressed away."""
    dice = random.Random(7)
    weights = [dice.expovariate(1) + 0.05 for _ in range(FILES)]
    for number, weight in enumerate(weights):
        path = os.path.join(folder, f"{number % 20:02}", f"{number}.bin")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        half = int(size * weight / sum(weights)) // 2
        with open(path, "wb") as file:
            file.write(dice.randbytes(half) + bytes(half))


def layered(folder: str, base: str, size: int) -> None:
    """A context whose source is a layer of its own, as images should be."""
    os.makedirs(f"{folder}/data")
    write_data(f"{folder}/data", size)
    _write(f"{folder}/Dockerfile", f"FROM {base}\nCOPY data /data\nCOPY app.py /app/\n")
    edit(folder, 1)


def wide(folder: str, base: str, size: int) -> None:
    """A context whose source lies in one layer with everything else, as many images are."""
    os.makedirs(f"{folder}/all/data")
    write_data(f"{folder}/all/data", size)
    _write(f"{folder}/Dockerfile", f"FROM {base}\nCOPY all /\n")
    edit(folder, 1, "all/app.py")


def steps(folder: str, base: str) -> None:
    """A context to be built elsewhere with a shared cache: each RUN writes a little."""
    os.makedirs(folder)
    runs = "".join(f"RUN sleep 0.3; head -c 3000000 /dev/urandom > /made{number}\n" for number in range(5))
    _write(f"{folder}/Dockerfile", f"FROM {base}\n{runs}COPY app.py /app/\nRUN cat /app/app.py > /done\n")
    edit(folder, 1)


def edit(folder: str, version: int, name: str = "app.py") -> None:
    """One source file as it is in this version."""
    _write(f"{folder}/{name}", _SOURCE % version + f"# {hashlib.sha256(b'%d' % version).hexdigest()}\n")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
