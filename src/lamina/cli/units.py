"""Sizes and ages in Docker's words (docker/go-units)."""

from __future__ import annotations

from lamina.errors import InvalidInput

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def human_size(size: float, digits: int = 3) -> str:
    """Bytes in decimal units with `digits` significant digits: 0B, 1.24MB, 133MB."""
    unit = 0
    while unit < len(_UNITS) - 1 and float(f"{size:.{digits}g}") >= 1000:
        size /= 1000
        unit += 1
    return f"{size:.{digits}g}{_UNITS[unit]}"


def counted(number: int, what: str) -> str:
    """`1 layer`, `12 layers`, `1,200 files`."""
    return f"{number:,} {what}" + "s" * (number != 1)


def human_duration(seconds: float) -> str:
    """How long something took or lies back: About a minute, 3 days, 2 years."""
    whole = int(seconds)
    minutes, hours = whole // 60, int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    return _days(hours, seconds)


def _days(hours: int, seconds: float) -> str:
    days = hours // 24
    if days < 14:
        return f"{days} days"
    if days < 60:
        return f"{days // 7} weeks"
    if days < 730:
        return f"{days // 30} months"
    return f"{int(seconds) // 3600 // 24 // 365} years"


def seconds_of(moment: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 time; None where it is empty, year 1, or no time at all."""
    from datetime import UTC, datetime  # 2 ms at start-up that a build does not need

    try:
        value = datetime.fromisoformat(_whole(moment))
    except ValueError:
        return None
    if value.year <= 1:
        return None
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def _whole(moment: str) -> str:
    """The time with at most 6 digits of a second, which is all that datetime reads."""
    main, dot, rest = moment.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{main}.{rest[: min(digits, 6)].ljust(6, '0')}{rest[digits:]}" if dot else moment


def ago(moment: str, now: float) -> str:
    """`3 days ago`, or N/A for an image without a time."""
    then = seconds_of(moment)
    return "N/A" if then is None else human_duration(max(0.0, now - then)) + " ago"


def clock(moment: str) -> str:
    """A time as Docker's lists print it: 2026-11-23 06:00:37 +0000 UTC."""
    from datetime import UTC, datetime  # see seconds_of

    then = seconds_of(moment)
    if then is None:
        return "N/A"
    return datetime.fromtimestamp(then, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def stamp(moment: str) -> str:
    """A time to the second as Docker's history prints it: 2026-11-23T06:00:37Z."""
    from datetime import UTC, datetime  # see seconds_of

    then = seconds_of(moment)
    return "N/A" if then is None else datetime.fromtimestamp(then, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short_id(name: str) -> str:
    """The first 12 hex digits of an ID, without sha256:."""
    return name.removeprefix("sha256:")[:12]


def ellipsis(text: str, width: int) -> str:
    """`text`, or its beginning and … when it is longer than `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def bytes_of(text: str, flag: str) -> int:
    """Bytes of `64m`, `1.5g`, `512k`, `100`: units are powers of 1024, as Docker's flags have them."""
    digits = text.lower().rstrip("ib") if text[:1].isdigit() else ""
    unit = digits[-1:] if digits[-1:] in ("k", "m", "g", "t", "p") else ""
    try:
        return int(float(digits.removesuffix(unit)) * 1024 ** " kmgtp".index(unit or " "))
    except ValueError:
        raise InvalidInput(
            f"invalid size for --{flag}: {text!r}", hint="write a number and b, k, m or g"
        ) from None
