"""Pod files: what --pod means, and every fault of a file in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.errors import FindingsError, UsageError
from millhand.pods.podfile import (
    LocalSpec,
    RunPodSpec,
    SshSpec,
    find_pod,
    is_former,
    parse_ssh_url,
    pod_names,
    read_pod_file,
    ssh_url,
)
from millhand.pods.podfile_check import EXAMPLES
from millhand.workspace import Workspace

ROOT = Path(__file__).parents[3]
GOOD = """\
kind: runpod
gpus: [NVIDIA L4]
image: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
max_usd_per_hour: 0.6
volume: {name: millhand, size_gb: 100}
lease: {hours: 8, spend_usd: 5, idle_minutes: 20}
"""


def write(workspace: Workspace, text: str, name: str = "l4") -> Path:
    path = workspace.root / "runpod" / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(workspace: Workspace, text: str) -> list[tuple[str, int | None, str | None, str]]:
    with pytest.raises(FindingsError) as caught:
        read_pod_file(write(workspace, text))
    assert all(f.mend and f.why for f in caught.value.findings)
    return [(f.id, f.line, f.column, f"{f.message} {f.mend}") for f in caught.value.findings]


@pytest.mark.parametrize("name", ["l4", "rtx4090", "a100", "h100"])
def test_the_shipped_pod_files_are_sound_and_limited(name: str) -> None:
    pod = read_pod_file(ROOT / "runpod" / f"{name}.yaml")
    assert isinstance(pod.spec, RunPodSpec)
    assert pod.spec.volume is not None
    assert pod.spec.end_action == "terminate"
    assert pod.spec.lease.spend_usd <= pod.spec.lease.hours * pod.spec.max_usd_per_hour + 1
    assert pod.requirements is not None
    assert pod.requirements.is_file()


def test_the_shipped_local_pod_is_this_machine() -> None:
    assert read_pod_file(ROOT / "runpod" / "local.yaml").spec == LocalSpec(kind="local")


@pytest.mark.parametrize("text", ["l4", "l4.yaml", "runpod/l4", "runpod/l4.yaml", "./runpod/l4.yaml"])
def test_one_pod_has_several_names(workspace: Workspace, text: str) -> None:
    write(workspace, GOOD)
    assert find_pod(workspace, text).name == "l4"


def test_a_path_is_read_from_the_current_folder_or_the_workspace(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(workspace, GOOD)
    monkeypatch.chdir(workspace.configs)
    assert find_pod(workspace, "runpod/l4").path == path
    assert find_pod(workspace, str(path)).path == path
    assert find_pod(workspace, "../runpod/l4.yaml").name == "l4"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("runpod/l4.yaml", "l4"),
        ("runpod/l4.yml", "runpod/l4.yml"),
        ("runpod/l4.yaml.yaml", "runpod/l4.yaml.yaml"),
        ("l4.yaml", "./l4"),
        ("pods/l4.yaml", "pods/l4"),
        ("../shared/l4.yaml", None),
    ],
)
def test_a_pod_s_name_means_it_from_any_folder(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, place: str, name: str | None
) -> None:
    path = workspace.root / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(GOOD, encoding="utf-8")
    found = find_pod(workspace, f"./{place}")
    assert found.name == (name or (path.parent.resolve() / "l4").as_posix())
    monkeypatch.chdir(workspace.configs)
    again = find_pod(workspace, found.name)
    assert again.path is not None
    assert again.path.samefile(path)
    assert again.name == found.name


def test_local_needs_no_file_and_an_unknown_name_is_told_with_its_nearest(workspace: Workspace) -> None:
    assert find_pod(workspace, "local").spec == LocalSpec(kind="local")
    write(workspace, GOOD, "rtx4090")
    assert pod_names(workspace) == ["local", "rtx4090"]
    with pytest.raises(UsageError, match=r"no pod 'rtx490'\.\nDid you mean 'rtx4090'\?"):
        find_pod(workspace, "rtx490")


def test_all_faults_are_told_at_once_each_in_its_place(workspace: Workspace) -> None:
    text = GOOD.replace("gpus:", "gpu:").replace("0.6", "cheap").replace("size_gb: 100", "size: 100")
    text = text.replace("hours: 8", "hours: 0") + "min_cuda: 12.10\nclouds: [secure, comunity]\n"
    told = faults(workspace, text)
    assert [(name, line) for name, line, _, _ in told] == [
        ("pod.missing", 1),
        ("pod.unknown-key", 2),
        ("pod.value", 4),
        ("pod.unknown-key", 5),
        ("pod.missing", 5),
        ("pod.value", 6),
        ("pod.value", 7),
        ("pod.value", 8),
    ]
    whole = "\n".join(text for *_, text in told)
    assert "Did you mean 'gpus'?" in whole
    assert "volume.size is no key here. Did you mean 'size_gb'?" in whole
    assert 'Put quotes around it: "12.1".' in whole
    assert told[-1][2] == "18"  # the second cloud, on its line


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("kind: runpod", "kind: runpood"), "Did you mean 'runpod'?"),
        (("kind: runpod\n", ""), "`kind` is missing"),
        (("volume: {name: millhand, size_gb: 100}\n", ""), "neither a volume nor"),
        (("kind", "persistent_gb: 20\nkind"), "stand together"),
        (("kind", "allow_loss: true\nkind"), "nothing is lost there"),
        (("size_gb: 100", "size_gb: 9"), "`int` >= 10"),
        (("lease:", "lease: 3\n#"), "expected `object`"),
        (("[NVIDIA L4]", "NVIDIA L4"), "Write a list"),
        (("[NVIDIA L4]", "[]"), "length >= 1"),
        (("spend_usd: 5, ", ""), "lease.spend_usd is missing. Add the line `spend_usd: 6`."),
        (("0.6", "-1"), "Write for example `max_usd_per_hour: 0.50`."),
    ],
)
def test_each_fault_is_told(workspace: Workspace, change: tuple[str, str], told: str) -> None:
    assert any(told in text for *_, text in faults(workspace, GOOD.replace(*change, 1)))


def test_every_key_has_an_example_and_together_they_are_a_pod(workspace: Workspace) -> None:
    fields = {name for kind in (RunPodSpec, SshSpec, LocalSpec) for name in kind.__struct_fields__}
    assert fields | {"name", "size_gb", "path", "hours", "spend_usd", "idle_minutes"} == EXAMPLES.keys()
    for kind, spec in (("runpod", RunPodSpec), ("ssh", SshSpec), ("local", LocalSpec)):
        keys = [key for key in spec.__struct_fields__ if key not in ("kind", "persistent_gb", "allow_loss")]
        text = f"kind: {kind}\n" + "".join(f"{key}: {EXAMPLES[key]}\n" for key in keys)
        write(workspace, text, kind)
        assert isinstance(read_pod_file(workspace.root / f"runpod/{kind}.yaml").spec, spec)


def test_what_becomes_of_the_data_decides_how_a_lease_ends(workspace: Workspace) -> None:
    volume = "volume: {name: millhand, size_gb: 100}"
    kept = read_pod_file(write(workspace, GOOD.replace(volume, "persistent_gb: 20"))).spec
    lost = read_pod_file(write(workspace, GOOD.replace(volume, "allow_loss: true"))).spec
    assert isinstance(kept, RunPodSpec)
    assert isinstance(lost, RunPodSpec)
    assert (kept.end_action, lost.end_action) == ("stop", "terminate")


@pytest.mark.parametrize(
    ("url", "spec"),
    [
        ("ssh://kim@gpu.lab:2222/data/qa", ("gpu.lab", 2222, "kim", "/data/qa")),
        ("ssh://gpu.lab", ("gpu.lab", 22, "", "millhand")),
        ("ssh://kim@gpu.lab/~/일%20터/", ("gpu.lab", 22, "kim", "일 터")),
        ("ssh://kim@gpu.lab/~", ("gpu.lab", 22, "kim", "millhand")),
        ("ssh://kim@[::1]:22/x", ("::1", 22, "kim", "/x")),
    ],
)
def test_an_ssh_url_is_a_pod(workspace: Workspace, url: str, spec: tuple[str, int, str, str]) -> None:
    found = find_pod(workspace, url).spec
    assert isinstance(found, SshSpec)
    assert (found.host, found.port, found.user, found.workspace) == spec


def test_a_machine_has_one_host_key_whoever_works_where_on_it(workspace: Workspace) -> None:
    write(workspace, "kind: ssh\nhost: gpu.lab\n", "box")
    urls = ("ssh://kim@gpu.lab:2222/a", "ssh://lee@GPU.lab:2222/~/b")
    assert {find_pod(workspace, url).host for url in urls} == {"gpu.lab-2222"}
    assert len({find_pod(workspace, url).name for url in urls}) == 2
    assert find_pod(workspace, "box").host == "box"


FOLDERS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(
    st.sampled_from(["gpu.lab", "10.0.0.7", "::1", "fe80::7"]),
    st.integers(1, 65535),
    st.text(st.characters(codec="utf-8")),
    FOLDERS.map(lambda folder: folder.rstrip("/")).filter(lambda f: f and not f.startswith("/~")),
)
def test_a_url_of_what_was_read_means_the_same(host: str, port: int, user: str, folder: str) -> None:
    spec = SshSpec(kind="ssh", host=host, port=port, user=user, workspace=folder)
    read = parse_ssh_url(ssh_url(spec))
    assert read.name == ssh_url(spec)
    assert (read.spec, read.host) == (spec, f"{host}-{port}")


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh:///x", "ssh://h:0x/", "ssh://h:99999", "ssh://h/x?y=1", "ssh://[::1"]
)
def test_what_is_no_ssh_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        parse_ssh_url(url)


@given(st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=8))
def test_a_password_in_a_url_is_refused_and_not_repeated(word: str) -> None:
    password = f"PW{word}"
    with pytest.raises(UsageError) as caught:
        parse_ssh_url(f"ssh://kim:{password}@gpu.lab/x")
    assert password not in str(caught.value)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted({*RunPodSpec.__struct_fields__, *SshSpec.__struct_fields__, "other"} - {"kind"})


@given(
    st.sampled_from(["runpod", "ssh", "local", "else"]),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5),
    st.booleans(),
)
def test_any_file_is_either_a_pod_or_told_with_its_lines(
    tmp_path_factory: pytest.TempPathFactory, kind: str, changes: dict[str, object], good: bool
) -> None:
    from millhand.llamafactory.yaml import dump_value, parse_yaml

    base = parse_yaml(GOOD, "x").values if good else {}
    values = {**base, **changes, "kind": kind}
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    text = "".join(f"{key}: {dump_value(value)}\n" for key, value in values.items())
    path.write_text(text, encoding="utf-8")
    try:
        pod = read_pod_file(path)
    except FindingsError as error:
        lines = len(text.splitlines())
        assert all(f.line is not None and 1 <= f.line <= lines and f.mend for f in error.findings)  # noqa: PT017
    else:
        assert pod.spec.kind == kind


def test_a_pod_is_known_by_the_name_that_it_had_before(workspace: Workspace) -> None:
    path = workspace.root / "pods/box.yaml"
    path.parent.mkdir()
    for name in ("box", "local"):
        path.with_stem(name).write_text("kind: ssh\nhost: h\n")
    url, box = find_pod(workspace, "ssh://kim@h:2222/data"), find_pod(workspace, "pods/box.yaml")
    assert is_former(workspace, "h-2222", url)
    assert is_former(workspace, "box", box)
    assert not is_former(workspace, "", find_pod(workspace, "local"))
    assert not is_former(workspace, "local", find_pod(workspace, "pods/local.yaml"))  # this machine
    assert not is_former(workspace, "h-22", url)
    (workspace.root / "runpod/box.yaml").write_text("kind: ssh\nhost: h\n")
    assert not is_former(workspace, "box", box)  # another one has that name
    assert find_pod(workspace, "box").former == ""
    with pytest.raises(UsageError) as caught:
        find_pod(workspace, "h-2222")
    assert "`--pod ssh://USER@h:2222`" in caught.value.mend
