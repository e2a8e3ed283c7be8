"""The part of Go's text/template that people use in --format: fields, pipes, if, range, with, functions.

`Template(text).execute(data)` works on what JSON can hold. A name that starts with a capital is a field and
must be there (or in `optional`); any other is a map's key, and prints <no value> when it is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.cli import template_functions as functions
from lamina.cli.template_functions import NO_VALUE, TemplateError, truth
from lamina.cli.template_words import Token, split, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Expression = Callable[["Scope"], object]
    Node = Callable[["Scope", list[str]], None]

_NOTHING: dict[str, object] = {}
_BLOCKS = ("if", "range", "with")


class Scope:
    """What `.`, `$` and the variables are while a template runs."""

    def __init__(self, data: object, optional: Mapping[str, object]) -> None:
        self.dot = data
        self.optional = optional
        self.variables: dict[str, object] = {"$": data}


class Block(NamedTuple):
    """An if, with or range: its condition, what to do when that holds (or for each item), and when not."""

    word: str
    names: list[str]
    condition: Expression
    body: list[Node]
    other: list[Node]


class Template:
    """A parsed template. TemplateError when it is not one."""

    def __init__(self, text: str) -> None:
        self._pieces = split(text)
        self._nodes, end = self._block()
        if end:
            raise TemplateError(f"unexpected {{{{{end}}}}}")

    def execute(self, data: object, optional: Mapping[str, object] = _NOTHING) -> str:
        """The text for `data`; fields named in `optional` have its value where they are missing or null."""
        out: list[str] = []
        _run(self._nodes, Scope(data, optional), out)
        return "".join(out)

    def _block(self) -> tuple[list[Node], str]:
        """Nodes up to the {{end}} or {{else …}} that closes them, and that word ("" where the text ends)."""
        nodes: list[Node] = []
        while self._pieces:
            piece = self._pieces.pop(0)
            if isinstance(piece, str):
                nodes.append(_literal(piece))
                continue
            word = piece[0].text
            if word in ("end", "else"):
                return nodes, " ".join(token.text for token in piece)
            nodes.append(self._control(word, piece[1:]) if word in _BLOCKS else _statement(piece))
        return nodes, ""

    def _control(self, word: str, tokens: list[Token]) -> Node:
        names, condition = _condition(tokens)
        body, end = self._block()
        other: list[Node] = []
        if end.startswith("else "):
            self._pieces.insert(0, words(end.removeprefix("else ")))
            other, end = self._block_of_else()
        elif end == "else":
            other, end = self._block()
        if end != "end":
            raise TemplateError("unexpected EOF")
        block = Block(word, names, condition, body, other)
        return lambda scope, out: (_range if word == "range" else _choose)(block, scope, out)

    def _block_of_else(self) -> tuple[list[Node], str]:
        """{{else if …}}: the inner block takes the one {{end}} that closes both."""
        piece = self._pieces.pop(0)
        assert not isinstance(piece, str)
        return [self._control(piece[0].text, piece[1:])], "end"


def _literal(text: str) -> Node:
    return lambda _scope, out: out.append(text)


def _statement(tokens: list[Token]) -> Node:
    names, value = _condition(tokens)

    def node(scope: Scope, out: list[str]) -> None:
        result = value(scope)
        if names:
            scope.variables[names[0]] = result
        else:
            out.append(functions.show(result))

    return node


def _condition(tokens: list[Token]) -> tuple[list[str], Expression]:
    """`$k, $v := pipeline`: the names (often none) and the pipeline."""
    names: list[str] = []
    for index, token in enumerate(tokens):
        if token.text in (":=", "="):
            names = [name.text for name in tokens[:index] if name.kind == "variable"]
            tokens = tokens[index + 1 :]
            break
    tokens = list(tokens)
    value = _pipeline(tokens)
    if tokens:
        raise TemplateError(f'unexpected "{tokens[0].text}" in command')
    return names, value


def _pipeline(tokens: list[Token]) -> Expression:
    """`command | command …`: each gets the one before as its last argument. Stops at `)`."""
    value = _command(tokens, None)
    while tokens and tokens[0].text == "|":
        tokens.pop(0)
        value = _command(tokens, value)
    return value


def _command(tokens: list[Token], piped: Expression | None) -> Expression:
    if not tokens or tokens[0].text in ("|", ")"):
        raise TemplateError("missing value for command")
    if tokens[0].kind == "word" and tokens[0].text not in ("true", "false", "nil"):
        return _call(tokens.pop(0).text, tokens, piped)
    value = _operand(tokens)
    if piped is not None or (tokens and tokens[0].text not in ("|", ")")):
        raise TemplateError("can't give argument to non-function")
    return value


def _call(name: str, tokens: list[Token], piped: Expression | None) -> Expression:
    function = functions.FUNCTIONS.get(name)
    if function is None:
        raise TemplateError(f'function "{name}" not defined')
    arguments: list[Expression] = []
    while tokens and tokens[0].text not in ("|", ")"):
        if tokens[0].kind == "word" and tokens[0].text in functions.FUNCTIONS:
            arguments.append(_call(tokens.pop(0).text, [], None))
        else:
            arguments.append(_operand(tokens))
    if piped is not None:
        arguments.append(piped)

    def call(scope: Scope) -> object:
        try:
            return function(*[argument(scope) for argument in arguments])
        except (TypeError, ValueError, LookupError) as error:
            raise TemplateError(f"error calling {name}: {error}") from error

    return call


def _operand(tokens: list[Token]) -> Expression:
    """A field, variable, literal or `( pipeline )`, with the fields that follow it."""
    token = tokens.pop(0)
    value: Expression
    if token.text == "(":
        value = _pipeline(tokens)
        if not tokens or tokens.pop(0).text != ")":
            raise TemplateError("unclosed left paren")
    elif token.kind == "field":
        value = _path(lambda scope: scope.dot, token.text)
    elif token.text == ".":
        value = lambda scope: scope.dot  # noqa: E731
    elif token.kind == "variable":
        value = _variable(token.text)
    else:
        constant = functions.constant(token.kind, token.text)
        value = lambda _scope: constant  # noqa: E731
    while tokens and tokens[0].kind == "field" and token.kind in ("sign", "variable") and token.text != ".":
        value = _path(value, tokens.pop(0).text)
    return value


def _variable(name: str) -> Expression:
    def value(scope: Scope) -> object:
        if name not in scope.variables:
            raise TemplateError(f'undefined variable "{name}"')
        return scope.variables[name]

    return value


def _path(base: Expression, path: str) -> Expression:
    names = path[1:].split(".")

    def value(scope: Scope) -> object:
        result = base(scope)
        for name in names:
            result = _field(result, name, path, scope.optional)
        return result

    return value


def _field(value: object, name: str, path: str, optional: Mapping[str, object]) -> object:
    if isinstance(value, dict):
        found: object = value.get(name)
        if found is None and name in optional:
            return optional[name]
        if name in value:
            return found
        if not name[:1].isupper():
            return NO_VALUE
        raise TemplateError(f'executing "" at <{path}>: map has no entry for key "{name}"')
    kind = "nil" if value is None or value is NO_VALUE else functions.kind_of(value)
    raise TemplateError(f'executing "" at <{path}>: can\'t evaluate field {name} in type {kind}')


def _run(nodes: list[Node], scope: Scope, out: list[str]) -> None:
    for node in nodes:
        node(scope, out)


def _choose(block: Block, scope: Scope, out: list[str]) -> None:
    """if and with; only `with` moves the dot."""
    value = block.condition(scope)
    if block.names:
        scope.variables[block.names[0]] = value
    if not truth(value):
        _run(block.other, scope, out)
    elif block.word == "with":
        _inside(value, block.body, scope, out)
    else:
        _run(block.body, scope, out)


def _range(block: Block, scope: Scope, out: list[str]) -> None:
    pairs = _pairs(block.condition(scope))
    for key, value in pairs:
        both = (key, value) if len(block.names) == 2 else (value,)
        scope.variables.update(zip(block.names, both, strict=False))
        _inside(value, block.body, scope, out)
    if not pairs:
        _run(block.other, scope, out)


def _inside(dot: object, body: list[Node], scope: Scope, out: list[str]) -> None:
    outer, scope.dot = scope.dot, dot
    _run(body, scope, out)
    scope.dot = outer


def _pairs(value: object) -> list[tuple[object, object]]:
    if isinstance(value, dict):
        mapping: Mapping[str, object] = value
        return [(key, mapping[key]) for key in sorted(mapping)]
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    if value is None or value is NO_VALUE:
        return []
    raise TemplateError(f"range can't iterate over {functions.show(value)}")


def of_flag(form: str) -> Template:
    """The template of a --format that stands for one object: Docker ends with 64 when it is none."""
    try:
        return Template("{{json .}}" if form == "json" else form)
    except TemplateError as error:
        error.exit_code = 64
        raise
