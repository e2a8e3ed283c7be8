"""Which commands there are: their names, their modules, one line of help each. Nothing is imported here."""

from __future__ import annotations

# Plain classes: a NamedTuple costs 0.3 ms at start-up, and every command comes through here.


class Verb:
    """One command: the module in lamina.cli.commands that does it and what --help says of it."""

    __slots__ = ("module", "own_failures", "summary")

    def __init__(self, module: str, summary: str, own_failures: int = 1) -> None:
        self.module = module
        self.summary = summary
        self.own_failures = own_failures  # exit code when Lamina itself fails


VERBS = {
    "append": Verb("append", "Put an archive or a folder on top of an image as a layer"),
    "bisect": Verb("bisect", "Find the layer of an image after which a command fails"),
    "blame": Verb("blame", "Show which layer and instruction wrote or deleted each path of an image"),
    "build": Verb("build", "Build an image from a Dockerfile"),
    "build logs": Verb("build_logs", "Print all that the steps of a build wrote"),
    "build ls": Verb("build_ls", "List the builds that were"),
    "build rm": Verb("build_rm", "Remove records of builds"),
    "build show": Verb("build_show", "Show a build: its steps, times, cache results and error"),
    "cat": Verb("cat", "Print files of an image"),
    "cherry-pick": Verb("cherry_pick", "Put layers of other images on top of an image"),
    "commit": Verb("commit", "Create a new image from a container's changes"),
    "copy": Verb("copy", "Copy an image between registries, archives, OCI layouts and the store"),
    "df": Verb("df", "Show how much of the disk images, containers and build cache use"),
    "diff": Verb("diff", "Show what differs between images, layers, containers and steps of builds"),
    "dockerfile": Verb("dockerfile", "Ask questions about a Dockerfile"),
    "drop": Verb("drop", "Leave layers out of an image"),
    "edit": Verb("edit", "Change the config and files of an image without a build"),
    "export": Verb("export", "Export a container's filesystem as a tar archive"),
    "fetch": Verb("fetch", "Bring the layers of images that are elsewhere"),
    "find": Verb("find", "Find files of an image by name, type, size, mode, owner, layer, ..."),
    "flatten": Verb("flatten", "Make one layer of all layers of an image"),
    "fold": Verb("fold", "Take out of layers what layers above them delete, overwrite or only touch"),
    "grep": Verb("grep", "Print the lines of an image's files that match a pattern", 2),
    "history": Verb("history", "Show the history of an image"),
    "images": Verb("images", "List images"),
    "import": Verb("import_", "Import the contents from a tarball to create a filesystem image"),
    "info": Verb("info", "Display system-wide information"),
    "inspect": Verb("inspect", "Return low-level information on images and containers"),
    "layers": Verb("layers", "Show the layers of an image, what made them and who shares them"),
    "load": Verb("load", "Load an image from a tar archive or STDIN"),
    "login": Verb("login", "Authenticate to a registry"),
    "logout": Verb("logout", "Log out from a registry"),
    "ls": Verb("ls", "List files of an image"),
    "mount": Verb("mount", "Mount an image read-only, or a container, and print the path"),
    "normalise": Verb("normalise", "Take the times of the build out of an image: equal builds become equal"),
    "prune": Verb("prune", "Remove stopped containers, unused images and build cache"),
    "ps": Verb("ps", "List containers"),
    "pull": Verb("pull", "Download an image from a registry"),
    "push": Verb("push", "Upload an image to a registry"),
    "rebase": Verb("rebase", "Put the layers of an application on another base image"),
    "reorder": Verb("reorder", "Put layers of an image into another order"),
    "report": Verb("report", "Write all that is known of an image as one HTML page"),
    "rm": Verb("rm", "Remove one or more containers"),
    "rmi": Verb("rmi", "Remove one or more images"),
    "run": Verb("run", "Create and run a new container from an image", 125),
    "save": Verb("save", "Save one or more images to a tar archive (streamed to STDOUT by default)"),
    "sbom": Verb("sbom", "Show the packages of an image and the layer that brought each, or as SPDX"),
    "split": Verb("split", "Make several layers of one: by size, by package or by how often files change"),
    "squash": Verb("squash", "Make one layer of several layers of an image"),
    "sql": Verb("sql", "Ask the store's database with a SELECT; nothing can be changed"),
    "tag": Verb("tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
    "tree": Verb("tree", "Show the folders of an image as a tree, with sizes and layers"),
    "umount": Verb("umount", "Unmount what `lamina mount` mounted"),
    "version": Verb("version", "Show the Lamina version information"),
    "waste": Verb("waste", "Show the bytes that a smaller image would not carry, and what saves them"),
    "who": Verb("who", "Show which images, layers and containers hold a file or a package"),
    "why": Verb("why", "Show why each step of a build ran, or by which rule it was reused"),
}

# what is asked of images, and what makes new images of old ones: blocks of their own in `lamina --help`
QUESTIONS = (
    "history",
    "blame",
    "diff",
    "waste",
    "who",
    "why",
    "sbom",
    "sql",
    "report",
    "ls",
    "cat",
    "find",
    "grep",
    "tree",
    "bisect",
)
SURGERY = (
    "rebase",
    "squash",
    "flatten",
    "fold",
    "split",
    "normalise",
    "drop",
    "reorder",
    "cherry-pick",
    "edit",
    "append",
)
COMMON = ("run", "ps", "build", "push", "pull", "images", "layers", "version", "info")


class Group:
    """Docker's management commands: `image ls` is `images`; other spellings lead to the same name."""

    __slots__ = ("aliases", "summary", "verbs")

    def __init__(self, summary: str, verbs: dict[str, Verb], aliases: dict[str, str]) -> None:
        self.summary = summary
        self.verbs = verbs
        self.aliases = aliases


def _group(summary: str, names: str, prune: str = "", **renamed: str) -> Group:
    """`prune` is the summary of a prune that removes less than `lamina prune` does."""
    verbs = {name: VERBS[name] for name in names.split()}
    if prune:
        verbs["prune"] = Verb("prune", prune)
    verbs |= {name: VERBS[target] for name, target in renamed.items()}
    return Group(summary, verbs, {"list": "ls", "ps": "ls", "remove": "rm"})


_HISTORY = Group(
    "Manage records of builds",
    {name: VERBS[f"build {name.replace('inspect', 'show')}"] for name in ("inspect", "logs", "ls", "rm")},
    {"list": "ls", "remove": "rm", "show": "inspect"},
)

_INDEX = Group(
    "Make indexes: images for several platforms under one name",
    {
        "add": Verb("index_add", "Add images to an index"),
        "annotate": Verb("index_annotate", "Change what an index says of an image, or of itself"),
        "create": Verb("index_create", "Create an index"),
        "inspect": Verb("index_inspect", "Show an index: one in the making, of the store or of a registry"),
        "ls": Verb("index_ls", "List indexes in the making"),
        "push": Verb("index_push", "Push an index and its images to a registry"),
        "remove": Verb("index_remove", "Take an image out of an index"),
        "rm": Verb("index_rm", "Remove indexes in the making"),
    },
    {"list": "ls"},
)

GROUPS = {
    "builder": _group("Manage builds", "build", prune="Remove build cache"),
    "container": _group(
        "Manage containers",
        "commit diff export inspect mount run umount",
        prune="Remove all stopped containers",
        ls="ps",
        rm="rm",
    ),
    "image": _group(
        "Manage images",
        "append bisect blame build cat cherry-pick diff drop edit find flatten fold grep history "
        "import inspect layers load mount normalise pull push rebase reorder report save sbom "
        "split squash tag tree umount waste",
        prune="Remove unused images",
        ls="images",
        rm="rmi",
    ),
    "cache": Group(
        "Manage cache mounts, the folders of RUN --mount=type=cache",
        {
            "export": Verb("cache_export", "Save cache mounts to a tar archive (to STDOUT by default)"),
            "import": Verb("cache_import", "Restore cache mounts from a tar archive or STDIN"),
            "inspect": Verb("cache_inspect", "Return low-level information on cache mounts"),
            "ls": Verb("cache_ls", "List cache mounts"),
            "rm": Verb("cache_rm", "Remove one or more cache mounts"),
        },
        {"list": "ls", "remove": "rm"},
    ),
    "context": Group(
        "Ask what is in a build context",
        {
            "ls": Verb("context_ls", "List what is in a build context, and how big it is"),
            "why": Verb("context_why", "Show which rule of .dockerignore leaves a path in or out"),
        },
        {"list": "ls"},
    ),
    "builder history": _HISTORY,
    "buildx": _group("Manage builds", "build", prune="Remove build cache"),
    "buildx history": _HISTORY,
    "index": _INDEX,
    "manifest": _INDEX,  # as Docker and Podman call it
    "registry": Group(
        "Ask and change registries",
        {
            "inspect": Verb("registry_inspect", "Show what a reference stands for, without pulling it"),
            "manifest": Verb("registry_manifest", "Print the manifest or index of a reference"),
            "referrers": Verb("registry_referrers", "List SBOMs, signatures, whatever refers to an image"),
            "rm": Verb("registry_rm", "Remove tags or manifests from a registry"),
            "serve": Verb("registry_serve", "Serve the store as a registry: pull from it, push to it"),
            "tags": Verb("registry_tags", "List the tags of a repository"),
        },
        {"list-tags": "tags", "ls": "tags", "delete": "rm", "remove": "rm"},
    ),
    "system": _group("Manage Lamina", "df info prune"),
}
