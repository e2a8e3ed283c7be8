"""Templates of --format print what Go's do."""

from __future__ import annotations

import pytest

from lamina.cli.commands.inspect import OPTIONAL
from lamina.cli.template import Template, of_flag
from lamina.cli.template_functions import TemplateError

DATA = {
    "Id": "sha256:ab",
    "Size": 12,
    "Os": "linux",
    "Config": {
        "Env": ["A=1", "B=2"],
        "Labels": {"x": "1", "a.b": "c"},
        "Cmd": None,
        "WorkingDir": "/w",
        "Tty": False,
    },
    "RootFS": {"Type": "layers", "Layers": ["one", "two"]},
}


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain", "plain"),
        ("{{.Id}}", "sha256:ab"),
        ("{{ .Id }}", "sha256:ab"),
        ("{{.Config.Env}}", "[A=1 B=2]"),
        ("{{.Config.Labels}}", "map[a.b:c x:1]"),
        ("{{.Config.Tty}}", "false"),
        ("{{.Config.Cmd}}", "[]"),
        ("{{json .Config.Cmd}}", "null"),
        ("{{.Config.Healthcheck}}", "<nil>"),
        ("{{.Config.Labels.x}} {{.Config.Labels.zz}}", "1 <no value>"),
        ('{{index .Config.Labels "a.b"}}|{{index .Config.Labels "none"}}|', "c||"),
        ("{{json .RootFS}}", '{"Type":"layers","Layers":["one","two"]}'),
        ("{{range .RootFS.Layers}}{{println .}}{{end}}", "one\ntwo\n"),
        ("{{range $i, $l := .RootFS.Layers}}{{if $i}}, {{end}}{{$l}}{{end}}", "one, two"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a.b=c;x=1;"),
        ("{{range .Config.Cmd}}x{{else}}none{{end}}", "none"),
        ("{{range .Config.Env}}{{$.Os}} {{end}}", "linux linux "),
        ("{{len .RootFS.Layers}} {{len .Config.Cmd}} {{.Config.Env | len}}", "2 0 2"),
        ("{{if .Config.Cmd}}a{{else if .Size}}b{{else}}c{{end}}", "b"),
        ("{{if not .Size}}a{{else}}b{{end}}", "b"),
        ("{{with .Config}}{{.WorkingDir}}{{end}}", "/w"),
        ("{{with .Config.Cmd}}{{.}}{{else}}no{{end}}", "no"),
        ("{{(index .Config.Env 0)}}", "A=1"),
        ("{{eq .Size 12}} {{ne .Os `linux`}} {{eq .Os `x` `linux`}} {{gt .Size 3}}", "true false true true"),
        ("{{and .Id .Os}} {{or .Config.Cmd .Os}}", "linux linux"),
        ('{{printf "%s|%d|%v|%q|%5d|%-5s|" .Os .Size .Config.Env .Os 3 "x"}}',
         'linux|12|[A=1 B=2]|"linux"|    3|x    |'),
        ("{{.Os | upper | printf `%s!`}}", "LINUX!"),
        ('{{join .Config.Env ","}} {{split .Os "n"}}', "A=1,B=2 [li ux]"),
        ("{{slice .Os 1 3}}", "in"),
        ("{{title .Os}} {{lower `ABC`}}", "Linux abc"),
        ("a  {{- .Os -}}  b", "alinuxb"),
        ("a  {{.Os}}  b", "a  linux  b"),
        ("{{/* nothing */}}x", "x"),
        ('{{"a}}b"}}', "a}}b"),
        ("{{$x := .Os}}{{$x}}{{$x}}", "linuxlinux"),
        ("{{print .Size 1 `a` 2}}", "12 1a2"),
        ("", ""),
    ],
)  # fmt: skip
def test_prints(text: str, printed: str) -> None:
    assert Template(text).execute(DATA, OPTIONAL) == printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{.Id", "unclosed action"),
        ("{{foo .Id}}", 'function "foo" not defined'),
        ("{{end}}", "unexpected {{end}}"),
        ("{{if .Id}}x", "unexpected EOF"),
        ("{{}}", "missing value for command"),
        ("{{.Id | }}", "missing value for command"),
        ("{{(.Id}}", "unclosed left paren"),
        ("{{.Id ~}}", "unexpected '~'"),
        ("{{.Id .Os}}", "can't give argument"),
    ],
)
def test_what_is_no_template_is_refused(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match="template parsing error") as caught:
        Template(text)
    assert message in str(caught.value)
    with pytest.raises(TemplateError) as caught:
        of_flag(text)
    assert caught.value.exit_code == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{.Config.Foo}}", 'map has no entry for key "Foo"'),
        ("{{.Id.X}}", "can't evaluate field X in type string"),
        ("{{index .Config.Env 9}}", "index out of range: 9"),
        ("{{$y}}", 'undefined variable "$y"'),
        ("{{range .Id}}{{end}}", "range can't iterate"),
        ("{{upper .Size}}", "error calling upper"),
        ("{{lt .Size .Os}}", "incompatible types"),
        ("{{len .Size}}", "len of type int"),
    ],
)
def test_what_is_not_there_is_an_error(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(text).execute(DATA)
    assert message in str(caught.value)
    assert caught.value.exit_code == 1
