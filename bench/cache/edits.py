"""What people do to a project between two builds.

Each edit is a function on a fresh copy of a project, and names the instructions that saw a difference: those,
and no others, have to be run again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import NamedTuple


class Project(NamedTuple):
    """A copy of a project that an edit may change."""

    folder: str

    def path(self, name: str) -> str:
        """Where the file `name` is."""
        return os.path.join(self.folder, name)

    def append(self, name: str, text: str) -> None:
        """Adds `text` to a file, which need not be there before."""
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "a") as file:
            file.write(text)

    def replace(self, name: str, old: str, new: str) -> None:
        """Replaces `old`, which must be there, everywhere in a file."""
        with open(self.path(name)) as file:
            text = file.read()
        assert old in text, (name, old)
        with open(self.path(name), "w") as file:
            file.write(text.replace(old, new))

    def above(self, line: str, new: str) -> None:
        """Adds the line `new` to the Dockerfile, above the one that begins with `line`."""
        self.replace("Dockerfile", f"\n{line}", f"\n{new}\n{line}")

    def line(self, start: str) -> str:
        """The line of the Dockerfile that begins with `start`."""
        with open(self.path("Dockerfile")) as file:
            return next(line for line in file if line.startswith(start))


class Edit(NamedTuple):
    """One row of the table. `saw`: labels (outputs.label) of the instructions that saw a difference."""

    project: str
    name: str
    change: Callable[[Project], object]
    saw: tuple[str, ...] = ()


def _swap(project: Project, upper: str, lower: str) -> None:
    """The line that begins with `upper` goes below the one that begins with `lower`."""
    first, second = project.line(upper), project.line(lower)
    project.replace("Dockerfile", first, "")
    project.replace("Dockerfile", second, second + first)


def _new_npm_package(project: Project) -> None:
    with open(project.path("package.json")) as file:
        package = json.load(file)
    package["dependencies"]["ms"] = "^2.1.3"
    with open(project.path("package.json"), "w") as file:
        json.dump(package, file, indent=2)


def _apt(package: str) -> str:
    words = "apt-get update && apt-get install -y --no-install-recommends"
    return f"RUN {words} {package} && rm -rf /var/lib/apt/lists/*"


_TOUCHED = (1_500_000_000, 1_500_000_000)
_PIP, _TINI, _ALL = "RUN pip", "RUN apt-get tini", "COPY ."
_GCC, _MAKE, _RESULT = "RUN apt-get gcc", "RUN make", "COPY --from=build"

FLASK = (
    Edit("flask", "app.py is edited", lambda p: p.append("app.py", "# more\n"), (_ALL,)),
    Edit("flask", "app.py is touched", lambda p: os.utime(p.path("app.py"), _TOUCHED)),
    Edit("flask", "app.py: mode 644 to 755", lambda p: os.chmod(p.path("app.py"), 0o755), (_ALL,)),
    Edit("flask", "README.md is edited", lambda p: p.append("README.md", "More.\n"), (_ALL,)),
    Edit("flask", "views.py is added", lambda p: p.append("views.py", "VIEWS = ()\n"), (_ALL,)),
    Edit("flask", "settings.py is removed", lambda p: os.unlink(p.path("settings.py")), (_ALL,)),
    Edit(
        "flask",
        "requirements.txt: a line is added",
        lambda p: p.append("requirements.txt", "idna\n"),
        (_ALL, _PIP),
    ),
    Edit("flask", "Dockerfile: a comment", lambda p: p.above("WORKDIR", "# The application.")),
    Edit("flask", "Dockerfile: LABEL on top", lambda p: p.above("RUN apt-get", "LABEL version=2")),
    Edit("flask", "Dockerfile: ENV above pip", lambda p: p.above("RUN pip", "ENV LANG=C.UTF-8"), (_PIP,)),
    Edit(
        "flask",
        "Dockerfile: ENV on top",
        lambda p: p.above("RUN apt-get", "ENV STAGE=1"),
        (_TINI, _PIP),
    ),
    Edit("flask", "Dockerfile: RUN apt-get below COPY", lambda p: _swap(p, "RUN apt-get", "COPY")),
    Edit(
        "flask",
        "Dockerfile: RUN apt-get at the end",
        lambda p: _swap(p, "RUN apt-get", "RUN pip"),
        (_PIP,),  # Python lists /usr/bin, the folder of pip
    ),
    Edit(
        "flask",
        "Dockerfile: a second COPY above",
        lambda p: p.above("COPY . .", "COPY settings.py /srv/settings.py"),
        ("COPY settings.py",),
    ),
    Edit(
        "flask",
        "Dockerfile: apt-get install publicsuffix above",
        lambda p: p.above("COPY . .", _apt("publicsuffix")),
        ("RUN apt-get publicsuffix",),
    ),
    Edit(
        "flask",
        "Dockerfile: apt-get install tree above",
        lambda p: p.above("COPY . .", _apt("tree")),
        ("RUN apt-get tree", _PIP),  # Python lists /usr/bin, the folder of pip
    ),
    Edit(
        "flask",
        "Dockerfile: apt-get install libyaml-0-2 above",
        lambda p: p.above("COPY . .", _apt("libyaml-0-2")),
        ("RUN apt-get libyaml-0-2", _PIP),  # every dynamic program reads /etc/ld.so.cache
    ),
    Edit(
        "flask",
        "base: a file that nothing reads",
        lambda p: p.replace("Dockerfile", "FROM debian", "FROM debian-zone"),
    ),
    Edit(
        "flask",
        "base: a file that pip reads",
        lambda p: p.replace("Dockerfile", "FROM debian", "FROM debian-pip"),
        (_PIP,),
    ),
    Edit(
        "flask",
        "base: bash is updated (and dpkg's status)",
        lambda p: p.replace("Dockerfile", "FROM debian", "FROM debian-bash"),
        (_TINI,),
    ),
)

NODE = (
    Edit("node", "server.js is edited", lambda p: p.append("server.js", "// more\n"), (_ALL,)),
    Edit("node", "lib/words.js is added", lambda p: p.append("lib/words.js", "// words\n"), (_ALL,)),
    Edit("node", "package.json: a dependency is added", _new_npm_package, (_ALL, "RUN npm")),
    Edit(
        "node",
        "base: a file that nothing reads",
        lambda p: p.replace("Dockerfile", "FROM node", "FROM node-zone"),
    ),
)

C = (
    Edit("c", "README.md is edited", lambda p: p.append("README.md", "More.\n"), (_ALL,)),
    Edit("c", "docs/more.txt is added", lambda p: p.append("docs/more.txt", "More.\n"), (_ALL,)),
    Edit(
        "c",
        "include/more.h is added",
        lambda p: p.append("include/more.h", "/* more */\n"),
        (_ALL, _MAKE),  # GNU make lists the folders of what it needs
    ),
    Edit(
        "c", "count.c: a comment", lambda p: p.append("src/count.c", "/* all */\n"), (_ALL, _MAKE)
    ),  # the program is the same
    Edit(
        "c",
        "show.c is edited",
        lambda p: p.replace("src/show.c", " lines,", " rows,"),
        (_ALL, _MAKE, _RESULT),
    ),
    Edit(
        "c",
        "Dockerfile: tree beside gcc",
        lambda p: p.replace("Dockerfile", "gcc libc6-dev make", "gcc libc6-dev make tree"),
        (_GCC,),
    ),
    Edit(
        "c",
        "base: a file that nothing reads",
        lambda p: p.replace("Dockerfile", "FROM debian", "FROM debian-zone"),
    ),
)

EDITS = (*FLASK, *NODE, *C)

# Every step of the examples on other layers than before, for `verify`.
EXAMPLES = tuple(
    Edit(f"examples/{name}", "Dockerfile: COPY on top", lambda p: p.above("WORKDIR", "COPY . /srv/all"))
    for name in ("flask", "node", "static")
)

BASES = {
    "flask": "debian", "node": "node", "c": "debian",
    "examples/flask": "debian", "examples/node": "node", "examples/static": "busybox",
}  # fmt: skip
