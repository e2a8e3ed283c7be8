"""lamina report: all that is known of an image on one HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.streams import notices, output

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina report`."""
    command.takes("IMAGE", 1, 1)
    command.option("output", "string", "Write to a file, instead of STDOUT", "o")
    command.option("platform", "string", "Ask about the image for this platform (os/architecture[/variant])")
    command.switch("json", "Write what the page shows as JSON")
    command.details = (
        "The page shows the layers to scale, the files by size and layer, waste, packages and history. It is "
        "one file, which needs no network: open it in a browser, print it, send it."
    )


def run(session: Session, args: Args) -> int:
    """Writes the page."""
    report = session.engine.report(args.operands[0], notices, platform=args.text("platform"))
    if args.on("json"):
        from lamina.cli.as_json import dumps

        text = dumps(report) + "\n"
    else:
        import lamina
        from lamina.insight.report.page import page

        text = page(report, lamina.__version__)
    with output(args.text("output"), "write the report") as file:
        file.write(text.encode())
    return 0
