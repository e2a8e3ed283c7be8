"""lamina copy: an image from one place to another, whatever places these are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli.streams import write_file
from lamina.events import silent

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session

_DETAILS = """\
An image is written
  docker://REFERENCE               in a registry
  oci:FOLDER[:TAG]                 in an OCI image layout
  oci-archive:FILE[:TAG]           in a tar of one
  docker-archive:FILE[:REFERENCE]  in what `docker save` and `lamina save` write
  NAME, or store:NAME              in the store"""


def configure(command: Command) -> None:
    """Flags of `lamina copy`: skopeo's, and some."""
    command.takes("SOURCE-IMAGE DESTINATION-IMAGE", 2, 2)
    command.switch("all", "Copy all images if SOURCE-IMAGE is an index", "a")
    command.option("digestfile", "string", "Write the digest of the copied image to this file")
    command.option(
        "format",
        "string",
        "Kind of manifest at the destination: oci or docker (default: that of the source)",
        "f",
    )
    command.option("platform", "string", "Copy the image for this platform (default: this machine's)")
    command.switch("preserve-digests", "Change no digests (Lamina does so only with --format)")
    command.switch("quiet", "Suppress output", "q")
    command.switch("referrers", "Copy what refers to the image, too: SBOMs, signatures, attestations")
    command.later("dest-compress dest-compress-format dest-decompress", "`lamina push` compresses layers")
    command.later("multi-arch", "use --all or --platform")
    command.later("retry-times", "what breaks off is tried again anyway")
    command.later("authfile src-authfile dest-authfile", "REGISTRY_AUTH_FILE names such a file")
    command.later("src-creds dest-creds", "`lamina login` keeps credentials")
    command.later("src-tls-verify dest-tls-verify", "registries.toml says which registries are insecure")
    command.later("additional-tag sign-by remove-signatures encryption-key decryption-key")
    command.details = _DETAILS


def run(session: Session, args: Args) -> int:
    """Says what happens to each blob, then what the destination stands for."""
    from lamina.cli.progress.transfer import Transfer

    if args.on("preserve-digests") and args.given("format"):
        from lamina.errors import InvalidInput

        raise InvalidInput("--format makes other digests, and --preserve-digests wants the same")
    source, target = args.operands
    title = f"Copying {source} to {target}"
    shown = Transfer(sys.stdout, title, "Copying", is_terminal=sys.stdout.isatty())
    if not args.on("quiet"):
        shown.begin()
    try:
        copied = session.engine.copy(
            source,
            target,
            silent if args.on("quiet") else shown,
            all=args.on("all"),
            platform=args.text("platform"),
            referrers=args.on("referrers"),
            format=args.text("format"),
        )
    finally:
        shown.end()
    if args.given("digestfile"):
        write_file(args.text("digestfile"), copied.digest)
    if not args.on("quiet"):
        if copied.referrers:
            print(f"Referrers: {copied.referrers}")
        print(f"Digest: {copied.digest}")
    return 0
