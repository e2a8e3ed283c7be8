"""lamina registry inspect: what a reference stands for, without pulling it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from lamina.cli.template import of_flag

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.transfer.remote import RemoteImage

_OPTIONAL: dict[str, object] = {
    "ArtifactType": "",
    "Env": None,
    "Labels": None,
    "Platforms": None,
    "RepoTags": None,
    "Variant": "",
}


def configure(command: Command) -> None:
    """Flags of `lamina registry inspect`: skopeo's, and --platform."""
    command.takes("NAME[:TAG|@DIGEST]", 1, 1)
    command.switch("config", "Output the image's config")
    command.option("format", "string", "Format output: json, or a template", "f")
    command.switch("no-tags", "Do not list the tags of the repository", "n")
    command.option("platform", "string", "Inspect the image for this platform (os/architecture[/variant])")
    command.switch("raw", "Output the manifest or, with --config, the config, byte for byte")
    command.later("authfile", "REGISTRY_AUTH_FILE names such a file")
    command.later("creds", "`lamina login` keeps credentials")
    command.later("tls-verify", "registries.toml says which registries are insecure")


def run(session: Session, args: Args) -> int:
    """One JSON object, with skopeo's names."""
    name, platform = args.operands[0], args.text("platform")
    if args.on("raw") and not args.on("config"):
        return _raw(session.engine.registry.manifest(name, platform=platform).data)
    tags = not args.on("no-tags") and not args.on("config")
    image = session.engine.registry.inspect(name, platform=platform, tags=tags)
    if args.on("config") and args.on("raw"):
        return _raw(image.config_bytes)
    thing = json.loads(image.config_bytes) if args.on("config") else fields(image)
    form = args.text("format")
    if form:
        print(of_flag(form).execute(thing, _OPTIONAL))
    else:
        print(json.dumps(thing, indent=4, ensure_ascii=False))
    return 0


def _raw(data: bytes) -> int:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    return 0


def fields(image: RemoteImage) -> dict[str, object]:
    """What skopeo calls them; MediaType, Platforms, Size and ArtifactType are ours."""
    layers, config = image.manifest.layers, image.config
    found: dict[str, object] = {
        "Name": image.reference.name,
        "Tag": image.reference.tag,
        "Digest": image.root.digest,
        "MediaType": image.root.media_type,
        "ArtifactType": image.manifest.artifact_type,
        "RepoTags": None if image.tags is None else list(image.tags),
        "Created": config.created if config else "",
        "DockerVersion": str(config.extra.get("docker_version", "")) if config else "",
        "Labels": dict(config.config.labels) if config and config.config else None,
        "Architecture": config.architecture if config else "",
        "Os": config.os if config else "",
        "Variant": config.variant if config else "",
        "Layers": [layer.digest for layer in layers],
        "LayersData": [
            {
                "MIMEType": layer.media_type,
                "Digest": layer.digest,
                "Size": layer.size,
                "Annotations": dict(layer.annotations) or None,
            }
            for layer in layers
        ],
        "Env": list(config.config.env) if config and config.config else None,
        "Size": image.manifest.config.size + sum(layer.size for layer in layers),
    }
    if image.whole is not None:
        rows = [each.platform for each in image.whole.manifests if each.platform]
        found["Platforms"] = [str(each) for each in rows if each.os != "unknown"]
    return {key: value for key, value in found.items() if value or key not in _OPTIONAL}
