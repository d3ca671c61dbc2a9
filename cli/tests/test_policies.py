"""Policies from files: what is taken, what is refused and how it is said, identity, and the plan."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from weir_api.nodeprobe import PlannedObservation
from weir_api.selector import Workload
from weir_cli.exits import Failure
from weir_cli.policies.compiler import Compiler
from weir_cli.policies.documents import read
from weir_cli.policies.folder import PolicyFolder

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SAMPLES = Path(__file__).resolve().parents[2] / "config" / "samples"
SHOP = [
    Workload("shop", name, {"app": name, "app.kubernetes.io/name": name}, frozenset({("Pod", name)}))
    for name in ("web", "api", "redis", "dns", "load")
]


def observation(name: str = "checkout", namespace: str = "shop", spec: str = "selector: {all: true}") -> str:
    return (
        "apiVersion: weir.dev/v1alpha1\nkind: FlowObservation\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )


@pytest.fixture
def said(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """What is said of each observation in the folder, by its name, and under "" what else is said."""

    def say() -> dict[str, str]:
        policies = PolicyFolder(tmp_path).read(NOW)
        states = Compiler().compile(policies, SHOP, NOW).states
        texts = {f"{policies.where[key]}: {key[0]}/{key[1]}": state.text for key, state in states.items()}
        return {**texts, "": "\n".join(policies.errors)}

    return say


Said = Callable[[], dict[str, str]]


def test_several_documents_in_one_file(tmp_path: Path, said: Said) -> None:
    (tmp_path / "two.yaml").write_text(f"---\n{observation('a')}---\n{observation('b')}")
    assert said() == {
        "two.yaml (document 1): shop/a": "observing 5 workloads",
        "two.yaml (document 2): shop/b": "observing 5 workloads",
        "": "",
    }


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("selector: {all: true}, duration: 5 minutes", "spec.duration: "),
        ("selector: {all: true}, colour: red", "spec.colour: "),
        ("selector: {pod_selector: {}}", "spec.selector.pod_selector: "),
        ("selector: {podSelector: {matchLabels: {app: not valid!}}}", "spec.selector.podSelector.matchLabels.app: "),
        ("selector: {all: true, podSelector: {}}", "spec.selector: give exactly one of "),
        ("selector: {all: true}, duration: 0s", "spec.duration: must be longer than zero"),
        ("selector: {all: true}, signals: {traces: {enabled: true}}", "spec.signals.traces: not supported yet"),
        ("selector: {all: true, namespaceSelector: {}}", "spec.selector.namespaceSelector: allowed only in "),
    ],
)
def test_a_refused_observation_names_the_field_and_leaves_the_others(
    tmp_path: Path, said: Said, spec: str, field: str
) -> None:
    (tmp_path / "bad.yaml").write_text(observation(spec=spec))
    (tmp_path / "good.yaml").write_text(observation("good"))
    texts = said()
    assert texts["bad.yaml: shop/checkout"].startswith(field)
    assert texts["good.yaml: shop/good"] == "observing 5 workloads"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\na: 2\n", "bad.yaml: line 2, column 1: a is given twice; the rest is not read"),
        ("a: [1\n", "bad.yaml: line 2, column 1: "),
        ("a: \x01", "bad.yaml: not YAML: "),
        ("when: 2026-99-99", "bad.yaml: not YAML: "),
        ("[" * 5000, "bad.yaml: not YAML: "),
        ("- 1", "bad.yaml: not an object; give apiVersion, kind, metadata and spec"),
        ("kind: Pod\napiVersion: v1\n", "bad.yaml: kind: Pod of v1 is not a policy; give FlowObservation of "),
        ("kind: FlowObservation\napiVersion: v1\n", "bad.yaml: FlowObservation: apiVersion: v1; give weir.dev/"),
        ("kind: L7Protocol\napiVersion: weir.dev/v1alpha1", "bad.yaml: L7Protocol: not supported yet by this ver"),
        (observation("Check_Out"), "bad.yaml: FlowObservation shop/Check_Out: metadata.name: "),
        (observation() + "status: {}\n", "bad.yaml: FlowObservation shop/checkout: status: "),
        (observation().partition("spec")[0], "bad.yaml: FlowObservation shop/checkout: spec: "),
        ("kind: Namespace\napiVersion: v1\nmetadata: {name: shop, labels: {a: b c}}\n", "bad.yaml: Namespace "),
    ],
)  # fmt: skip
def test_a_document_that_is_no_policy(tmp_path: Path, said: Said, text: str, error: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    (tmp_path / "good.yaml").write_text(observation("good"))
    texts = said()
    assert texts[""].startswith(error), texts[""]
    assert "good.yaml: shop/good" in texts


def test_what_stands_before_broken_yaml_is_taken() -> None:
    content = read(f"{observation('a')}---\n{observation('b')}---\nx: [\n", "some.yaml")
    assert [stated.name for stated in content.observations] == ["a", "b"]
    assert content.errors[0].startswith("some.yaml (document 3): line ")


def test_files_that_cannot_be_read(tmp_path: Path, said: Said) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "huge.yaml").write_bytes(b"#" * (1 << 20) + b"\n")
    (tmp_path / "notes.txt").write_text("not a policy, and not read")
    assert said()[""].splitlines() == [
        "binary.yaml: byte 0: not UTF-8",
        "folder.yaml: not a regular file",
        "huge.yaml: larger than 1048576 bytes; split it",
    ]


def test_aliases_that_grow_without_end_are_an_error_soon(tmp_path: Path, said: Said) -> None:
    lines = ["a0: &a0 {x: y}", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30))]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    assert said()[""].startswith("bomb.yaml: kind: (not given)")


def test_the_same_name_twice_is_said_of_the_second(tmp_path: Path, said: Said) -> None:
    (tmp_path / "a.yaml").write_text(observation())
    (tmp_path / "b.yaml").write_text(observation())
    texts = said()
    assert "a.yaml: shop/checkout" in texts
    assert texts[""].startswith("b.yaml: FlowObservation shop/checkout: defined already in a.yaml; ")


def test_a_folder_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no such folder; `mkdir -p ") as failure:
        PolicyFolder(tmp_path / "none")
    assert failure.value.code == 2


def test_identity_lasts_while_the_document_does(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.yaml", PolicyFolder(tmp_path)
    file.write_text(observation())
    first = folder.read(NOW).observations[0]
    file.write_text(observation(spec="selector: {all: true}, paused: true"))
    changed = folder.read(NOW + timedelta(minutes=1)).observations[0]
    assert (changed.uid, changed.created, changed.generation) == (first.uid, NOW, first.generation + 1)
    file.write_text("broken: [")
    assert folder.read(NOW + timedelta(minutes=2)).observations == ()
    file.write_text(observation())
    mended = folder.read(NOW + timedelta(minutes=3)).observations[0]
    assert (mended.uid, mended.created) == (first.uid, NOW)
    file.unlink()
    folder.read(NOW + timedelta(minutes=4))
    file.write_text(observation())
    again = folder.read(NOW + timedelta(minutes=5)).observations[0]
    assert again.uid != first.uid
    assert again.created == NOW + timedelta(minutes=5)


def test_changes_are_told(tmp_path: Path) -> None:
    folder, stop, changed = PolicyFolder(tmp_path), threading.Event(), threading.Semaphore(0)
    thread = threading.Thread(target=folder.watch, args=(changed.release, stop))
    thread.start()
    try:
        # the watch is in force some time after the thread began: write until it is
        for attempt in range(100):
            (tmp_path / "a.yaml").write_text(observation(f"a{attempt}"))
            if changed.acquire(timeout=0.5):
                break
        else:
            pytest.fail("no change was told")
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def _plan(tmp_path: Path, now: datetime = NOW, first_seen: datetime = NOW) -> dict[str, PlannedObservation]:
    policies = PolicyFolder(tmp_path).read(first_seen)
    return {o.name: o for o in Compiler().compile(policies, SHOP, now).plan.observations}


def test_paused_and_expired_have_no_part_in_the_plan(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(observation("paused", spec="selector: {all: true}, paused: true"))
    (tmp_path / "b.yaml").write_text(observation("brief", spec="selector: {all: true}, duration: 10s"))
    (tmp_path / "c.yaml").write_text(observation("nobody", namespace="elsewhere"))
    assert set(_plan(tmp_path)) == {"brief"}
    assert set(_plan(tmp_path, NOW + timedelta(seconds=10))) == set()


def test_the_loop_is_told_when_the_next_observation_expires(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(observation("brief", spec="selector: {all: true}, duration: 10s"))
    compiled = Compiler().compile(PolicyFolder(tmp_path).read(NOW), SHOP, NOW)
    assert compiled.next_expiry == NOW + timedelta(seconds=10)


def test_of_too_many_observations_the_oldest_are_in_force(tmp_path: Path) -> None:
    folder, compiler = PolicyFolder(tmp_path), Compiler()
    (tmp_path / "a.yaml").write_text("---\n".join(observation(f"z{n:02}") for n in range(64)))
    folder.read(NOW)
    (tmp_path / "b.yaml").write_text(observation("a-late-one"))
    compiled = compiler.compile(folder.read(NOW + timedelta(seconds=1)), SHOP, NOW)
    assert len(compiled.plan.observations) == 64
    late = compiled.states["shop", "a-late-one"]
    assert late.refused
    assert "64 older observations" in late.text


def test_namespaces_are_selected_by_the_labels_that_files_give_them(tmp_path: Path) -> None:
    spec = "selector: {all: true, namespaceSelector: {matchLabels: {team: a}}}"
    (tmp_path / "a.yaml").write_text(observation("wide", "weir-system", spec))
    assert _plan(tmp_path) == {}
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n")
    assert _plan(tmp_path)["wide"].namespaces == ["shop"]


def test_every_sample_is_accepted_and_selects_somebody_in_the_shop() -> None:
    policies = PolicyFolder(SAMPLES).read(NOW)
    compiled = Compiler().compile(policies, SHOP, NOW)
    assert policies.errors == ()
    assert len(compiled.states) == len(list(SAMPLES.glob("*.yaml"))) - 1  # one is the namespace
    assert {key: s.text for key, s in compiled.states.items() if not s.text.startswith("observing")} == {}
