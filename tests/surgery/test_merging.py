"""merge: the config of an application on a new base."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.oci.config import ContainerConfig, Healthcheck
from lamina.surgery.merging import CONFLICT, TAKEN, MergedValue, merge, merged_list

WORDS = st.sampled_from(["a", "b", "c", "d"])
LISTS = st.lists(WORDS, unique=True, max_size=4).map(tuple)
ENVS = st.dictionaries(st.sampled_from(["A", "B", "PATH"]), WORDS, max_size=3).map(
    lambda found: tuple(f"{name}={value}" for name, value in found.items())
)
CONFIGS = st.builds(
    ContainerConfig,
    user=st.sampled_from(["", "a", "b"]),
    env=ENVS,
    entrypoint=LISTS,
    cmd=LISTS,
    exposed_ports=LISTS.map(lambda found: tuple(sorted(found))),
    volumes=LISTS.map(lambda found: tuple(sorted(found))),
    labels=st.dictionaries(WORDS, WORDS, max_size=3),
    working_dir=st.sampled_from(["", "/", "/a"]),
    healthcheck=st.sampled_from([None, Healthcheck(("NONE",)), Healthcheck(("CMD", "a"))]),
)


@settings(max_examples=50)
@given(CONFIGS, CONFIGS)
def test_the_same_base_changes_nothing(base: ContainerConfig, app: ContainerConfig) -> None:
    assert merge(base, app, base) == (app._replace(labels=dict(app.labels)), ())


@settings(max_examples=50)
@given(CONFIGS, CONFIGS)
def test_an_application_that_set_nothing_has_what_the_new_base_has(
    old: ContainerConfig, new: ContainerConfig
) -> None:
    merged, told = merge(old, old, new)
    assert sorted(merged.env) == sorted(new.env)
    assert merged._replace(env=()) == new._replace(env=())
    assert all(each.outcome == TAKEN for each in told)
    assert bool(told) == (old._replace(env=()) != new._replace(env=()) or sorted(old.env) != sorted(new.env))


@settings(max_examples=50)
@given(CONFIGS, CONFIGS, CONFIGS)
def test_what_the_application_set_stays(
    old: ContainerConfig, app: ContainerConfig, new: ContainerConfig
) -> None:
    merged, told = merge(old, app, new)
    for name in ("user", "entrypoint", "working_dir", "healthcheck"):
        if getattr(app, name) != getattr(old, name):
            assert getattr(merged, name) == getattr(app, name)
    env = dict(line.split("=") for line in merged.env)
    before = dict(line.split("=") for line in old.env)
    for name, value in dict(line.split("=") for line in app.env).items():
        if before.get(name) != value and name != "PATH":
            assert env[name] == value
    for each in told:
        assert each.old != each.new
        assert each.outcome == CONFLICT or each.name == "PATH" or each.result == each.new


@given(LISTS, LISTS, LISTS)
def test_lists(old: tuple[str, ...], app: tuple[str, ...], new: tuple[str, ...]) -> None:
    merged = merged_list(old, app, new)
    assert len(set(merged)) == len(merged)
    assert set(merged) == (set(app) - (set(old) - set(new))) | (set(new) - set(old))
    kept = [item for item in app if item in merged]
    assert [item for item in merged if item in kept] == kept, "in the application's order"


def test_paths() -> None:
    old, new = ["/usr/bin", "/bin"], ["/opt/new", "/usr/bin", "/usr/games", "/bin"]
    assert merged_list(old, ["/venv", *old], new) == ("/venv", *new)
    assert merged_list(old, [*old, "/last"], new) == (*new, "/last")
    assert merged_list(old, ["/venv", "/bin"], ["/usr/bin"]) == ("/venv",)


def test_conflicts() -> None:
    old = ContainerConfig(env=("PATH=/bin", "V=1", "GONE=x"), labels={"l": "1"}, cmd=("sh",))
    app = old._replace(env=("PATH=/app:/bin", "V=2", "GONE=x", "NEW=y"), entrypoint=("/app/run",), cmd=())
    new = old._replace(env=("PATH=/bin:/sbin", "V=3"), labels={"l": "2"}, cmd=("bash",))
    merged, told = merge(old, app, new)
    assert merged.env == ("PATH=/app:/bin:/sbin", "V=2", "NEW=y")
    assert merged.cmd == () and merged.entrypoint == ("/app/run",), "ENTRYPOINT resets CMD"
    assert merged.labels == {"l": "2"}
    assert told == (
        MergedValue(TAKEN, "ENV", "PATH", "/bin", "/bin:/sbin", "/app:/bin:/sbin"),
        MergedValue(CONFLICT, "ENV", "V", "1", "3", "2"),
        MergedValue(TAKEN, "ENV", "GONE", "x", None, None),
        MergedValue(TAKEN, "LABEL", "l", "1", "2", "2"),
    )
