"""lamina build --check and --call: what is said of a Dockerfile instead of building it, or below a build."""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING, NamedTuple, TextIO

from lamina.cli.listing import table
from lamina.cli.progress.failure import marked
from lamina.errors import InvalidInput, LaminaError
from lamina.gobool import TRUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.build.request import BuildRequest
    from lamina.cli.flags import Args
    from lamina.cli.session import Session
    from lamina.dockerfile.lint.linter import Warning
    from lamina.engine.checking import Report
    from lamina.graph.lint.outline import Outline, Parameter, Target

_METHODS = ("build", "check", "lint", "outline", "targets")


class Call(NamedTuple):
    """--call METHOD[,format=json][,ignorestatus=true]; `form` is text, json, or list (--format json)."""

    method: str
    form: str = "text"
    ignore_status: bool = False


def parse_call(args: Args) -> Call:
    """What --check, --call and --format ask for. InvalidInput."""
    text = args.text("call") or ("check" if args.on("check") else "build")
    method, *fields = text.split(",")
    if args.on("check") and method not in ("check", "lint"):
        raise InvalidInput(f"--check and --call={text} cannot be used together", hint="give one of them")
    if method not in _METHODS:
        raise InvalidInput(f"invalid --call method {method!r}", hint=f"one of {', '.join(_METHODS)}")
    call = Call("check" if method == "lint" else method)
    for field in fields:
        name, equals, value = field.partition("=")
        if name == "format" and value in ("text", "json"):
            call = call._replace(form=value)
        elif name == "ignorestatus" and equals:
            call = call._replace(ignore_status=value in TRUE)
        else:
            raise InvalidInput(f"invalid --call field {field!r}", hint="format=json or ignorestatus=true")
    asked = args.text("format")
    if asked not in ("", "text", "json"):
        raise InvalidInput(f"invalid --format {asked!r}", hint="text or json")
    if asked and call.method == "build":
        raise InvalidInput("--format needs --check or --call", hint="`lamina build --check --format json`")
    if asked == "json":
        call = call._replace(form="list" if call.method == "check" else "json")
    return call


def run_check(session: Session, args: Args, request: BuildRequest) -> int | None:
    """Answers --check and --call; None when a build is wanted after all."""
    call = parse_call(args)
    if call.method == "build":
        return None
    request = session.engine.checks.bring(request)  # the messages show lines of it
    if call.method == "targets":
        _print_targets(session.engine.checks.targets(request), request, call)
        return 0
    if call.method == "outline":
        _print_outline(session.engine.checks.outline(request), request, call)
        return 0
    return _print_report(session.engine.checks.report(request), request, call)


# --- warnings


def _print_report(report: Report, request: BuildRequest, call: Call) -> int:
    """Warnings on stdout; why the Dockerfile cannot be built is raised after them."""
    warnings = report.warnings
    if call.form == "list":
        print(json.dumps([_item(warning, request) for warning in warnings], indent=2))
    elif call.form == "json":
        print(json.dumps(_lint_results(report, request), indent=2))
    elif warnings:
        count = "1 warning has" if len(warnings) == 1 else f"{len(warnings)} warnings have"
        print(f"Check complete, {count} been found!")
        for warning in warnings:
            print(_long(warning, request))
    elif report.error is None:
        print("Check complete, no warnings found.")
    if report.error is not None:
        sys.stdout.flush()
        raise report.error
    return 1 if warnings and not call.ignore_status else 0


def _long(warning: Warning, request: BuildRequest) -> str:
    """A warning with its place, as buildx prints it."""
    place = marked(request.dockerfile_name, request.dockerfile, warning.line, warning.end_line)
    return f"\nWARNING: {warning.rule.name} - {warning.rule.url}\n{warning.message}\n{place}"


def _item(warning: Warning, request: BuildRequest) -> dict[str, object]:
    return {
        "rule": warning.rule.name,
        "file": request.dockerfile_name,
        "line": warning.line,
        "column": warning.column,
        "end_line": warning.end_line,
        "message": warning.message,
        "url": warning.rule.url,
        "severity": warning.rule.severity,
    }


def _lint_results(report: Report, request: BuildRequest) -> dict[str, object]:
    """BuildKit's result.json of frontend.lint."""
    results: dict[str, object] = {
        "warnings": [
            {
                "ruleName": warning.rule.name,
                "description": warning.rule.description,
                "url": warning.rule.url,
                "detail": warning.message,
                "location": _location(warning.line, warning.end_line),
            }
            for warning in report.warnings
        ],
        "sources": [
            {"filename": request.dockerfile_name, "language": "Dockerfile", "data": _source(request)}
        ],
    }
    if report.error is not None:
        line = getattr(report.error, "line", 0)
        results["buildError"] = {
            "message": getattr(report.error, "detail", report.error.message),
            "location": _location(line, line) if line else {},
        }
    return results


def _location(first: int, last: int) -> dict[str, object]:
    return {"ranges": [{"start": {"line": first}, "end": {"line": last}}]}


def _source(request: BuildRequest) -> str:
    return base64.b64encode(request.dockerfile).decode()


def print_warnings(session: Session, request: BuildRequest, out: TextIO) -> None:
    """Below a build that ran something: its warnings, each on a line; --debug shows more of each."""
    try:
        warnings = session.engine.checks.warnings(request)
    except LaminaError:
        return  # the build has said what is wrong
    print_short(warnings, request, out, debug=session.debug)


def print_short(
    warnings: Sequence[Warning], request: BuildRequest, out: TextIO, *, debug: bool = False
) -> None:
    """` 1 warning found (use lamina --debug to expand):` and what they are."""
    if not warnings:
        return
    count = "1 warning" if len(warnings) == 1 else f"{len(warnings)} warnings"
    head = f"{count} found{'' if debug else ' (use lamina --debug to expand)'}:"
    print(f"\n {_yellow(head, out)}", file=out)
    for warning in warnings:
        print(f" - {warning.short()}", file=out)
        if debug:
            place = marked(request.dockerfile_name, request.dockerfile, warning.line, warning.end_line)
            print(f"{warning.rule.description}\nMore info: {warning.rule.url}\n{place}\n", file=out)
    out.flush()


def _yellow(text: str, out: TextIO) -> str:
    return f"\x1b[33m{text}\x1b[0m" if out.isatty() else text


# --- outline and targets


def _print_targets(targets: Sequence[Target], request: BuildRequest, call: Call) -> None:
    if call.form == "json":
        listed = [
            _without_empty(
                name=one.name,
                default=one.default,
                description=one.description,
                base=one.base,
                platform=one.platform,
                location=_location(one.line, one.line),
            )
            for one in targets
        ]
        print(json.dumps({"targets": listed, "sources": [_source(request)]}, indent=2))
        return
    names = [f"{one.name} (default)".strip() if one.default else one.name for one in targets]
    lines = [("TARGET", "DESCRIPTION")]
    lines += [(name, one.description) for name, one in zip(names, targets, strict=True)]
    _print_table(lines)


def _print_outline(outline: Outline, request: BuildRequest, call: Call) -> None:
    if call.form == "json":
        found = _without_empty(
            name=outline.name,
            description=outline.description,
            args=[_parameter(one) for one in outline.args],
            secrets=[_parameter(one) for one in outline.secrets],
            ssh=[_parameter(one) for one in outline.ssh],
            sources=[_source(request)],
        )
        print(json.dumps(found, indent=2))
        return
    if outline.name or outline.description:
        print(f"TARGET:      {outline.name or '(default)'}")
        if outline.description:
            print(f"DESCRIPTION: {outline.description}")
        print()
    if outline.args:
        rows = [(one.name, one.value, one.description) for one in outline.args]
        _print_table([("BUILD ARG", "VALUE", "DESCRIPTION"), *rows])
        print()
    for title, parameters in (("SECRET", outline.secrets), ("SSH", outline.ssh)):
        if parameters:
            rows_of = [(one.name, "true" if one.required else "") for one in parameters]
            _print_table([(title, "REQUIRED"), *rows_of])
            print()


def _parameter(one: Parameter) -> dict[str, object]:
    return _without_empty(
        name=one.name,
        description=one.description,
        value=one.value,
        required=one.required,
        location=_location(one.line, one.line),
    )


def _without_empty(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value}


def _print_table(lines: Iterable[tuple[str, ...]]) -> None:
    for line in table(list(lines)).splitlines():
        print(line.rstrip())
