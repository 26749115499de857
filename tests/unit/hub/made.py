"""Facts for tests: whole ones, and any."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from millhand.hub.facts import (
    Base,
    Data,
    DatasetFacts,
    Evaluation,
    Loss,
    ModelFacts,
    Origin,
    Override,
    Spent,
    Split,
    Step,
)

DATA = Data(
    name="qa",
    sha256="ab" * 32,
    rows=1200,
    licence="CC-BY-4.0",
    description="상담 기록의 질문과 답변",
    origins=(Origin(name="qa.xlsx", sha256="cd" * 32, rows=1210, size=40_000),),
)
MODEL = ModelFacts(
    name="qa-2",
    kind="model",
    repository="kim/Llama-3-qa",
    base=Base(name="meta-llama/Meta-Llama-3-8B", repository="meta-llama/Meta-Llama-3-8B", licence="llama3"),
    data=(DATA,),
    template="llama3",
    config={"model_name_or_path": "meta-llama/Meta-Llama-3-8B", "lora_rank": 8, "learning_rate": 1e-4},
    export={"export_size": 5},
    seed=42,
    millhand="0.1.0",
    versions={"llamafactory": "0.9.5", "torch": "2.10.0"},
    python="3.11.9",
    platform="Linux",
    gpus=("NVIDIA L4",),
    training_s=4000.0,
    spent=Spent(gpus=("NVIDIA L4",), hours=1.3, usd=0.58, billed=True),
    steps=240,
    losses=tuple(Loss(step, loss=5 / step) for step in range(10, 250, 10)),
    curve="training_loss.png",
    evaluations=(
        Evaluation(dataset="held", metric="exact_match", title="Exact match", value=0.81, asked=100),
    ),
    cutoff_len=1024,
    system="짧게 답하세요.",
    modelfile='FROM .\n\nTEMPLATE """{{ .System }}"""\n',
    chat_template="{% for message in messages %}{{ message['content'] }}{% endfor %}",
    parameters=8_030_261_248,
    dtype="bfloat16",
    spoke=True,
    languages=("ko",),
)
ROWS = DatasetFacts(
    name="qa",
    repository="kim/qa",
    description="상담 기록의 질문과 답변",
    licence="CC-BY-4.0",
    languages=("ko",),
    rows=1200,
    sha256="ab" * 32,
    columns=("instruction", "input", "output"),
    mapping={"instruction": "질문", "output": "답변"},
    origins=DATA.origins,
    rejected=10,
    steps=(Step(name="filter", options={"min_chars": 30}, came=1300, went=1200, dropped={"too short": 100}),),
    splits=(Split("train", "rows.jsonl", 1200),),
    entry={"formatting": "alpaca", "columns": {"prompt": "instruction"}},
    millhand="0.1.0",
)

# Texts that want to break out: marks of blocks, fences, HTML, YAML, pipes.
HOSTILE = st.sampled_from(
    ["<!-- millhand:end data -->", "<!-- millhand:begin x -->\n", "-->", "<!--", "```", "````\n# x",
     "| a | b |", "---", "--- \n", "- a", "<script>", "</details>", "# x", "a: b", "{{x}}",
     "!!python/object", "\x00", "\r\n", "'\"", "[a](b)", "&lt;", "*", "\u2028", "…", "null", "1e5"]
)  # fmt: skip
TEXT = st.lists(
    st.one_of(st.text(st.characters(blacklist_categories=["Cs"]), max_size=12), HOSTILE), max_size=4
).map("".join)
_NAMES = st.from_regex(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}/[A-Za-z0-9][A-Za-z0-9_.-]{0,8}[A-Za-z0-9]", fullmatch=True
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(TEXT, st.integers(-5, 5), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXT, inner, max_size=2)),
    max_leaves=4,
)
_CONFIG = st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), _VALUES, max_size=4)


def _origins(text: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[Origin, ...]]:
    one = st.builds(Origin, name=text, sha256=text, licence=text, rows=st.none() | st.integers(0, 9999))
    return st.lists(one, max_size=2).map(tuple)


def models(text: st.SearchStrategy[str] = TEXT) -> st.SearchStrategy[ModelFacts]:
    """Any facts of a model."""
    data = st.builds(
        Data, name=text, sha256=text, rows=st.none() | st.integers(0, 10**9), licence=text, description=text,
        repository=st.one_of(st.just(""), text, _NAMES), origins=_origins(text), changed=st.booleans(),
    )  # fmt: skip
    base = st.builds(
        Base, name=text, repository=st.one_of(st.just(""), text, _NAMES), revision=text,
        licence=st.one_of(text, st.sampled_from(["llama3", "apache-2.0", "gemma"])), licence_name=text,
        licence_link=text, gated=st.none() | st.booleans(), files=st.dictionaries(text, text, max_size=2),
    )  # fmt: skip
    evaluation = st.builds(
        Evaluation, dataset=text, metric=text, title=text, value=st.floats(0, 1), trained_on=st.booleans()
    )
    return st.builds(
        ModelFacts, name=text, kind=st.sampled_from(["adapter", "model"]), base=base,
        repository=st.one_of(st.just(""), _NAMES), data=st.lists(data, max_size=2).map(tuple),
        stage=st.one_of(st.sampled_from(["sft", "rm", "dpo"]), text), method=text, template=text,
        config=_CONFIG, export=_CONFIG, versions=st.dictionaries(text, text, max_size=2), python=text,
        platform=text, gpus=st.lists(text, max_size=2).map(tuple), curve=text, system=text, modelfile=text,
        chat_template=text, evaluations=st.lists(evaluation, max_size=2).map(tuple), dtype=text,
        languages=st.just(("ko",)),
        overrides=st.lists(st.builds(Override, st.just("licence"), text, text), max_size=1).map(tuple),
    )  # fmt: skip


def datasets(text: st.SearchStrategy[str] = TEXT) -> st.SearchStrategy[DatasetFacts]:
    """Any facts of a dataset."""
    split = st.builds(Split, text, text, st.none() | st.integers(0, 9999))
    return st.builds(
        DatasetFacts, name=text, repository=st.one_of(st.just(""), _NAMES), description=text, licence=text,
        rows=st.none() | st.integers(0, 10**9), sha256=text, columns=st.lists(text, max_size=3).map(tuple),
        mapping=st.dictionaries(text, text, max_size=2), origins=_origins(text),
        splits=st.lists(split, max_size=2).map(tuple), entry=_CONFIG,
    )  # fmt: skip


def replaced(facts: Any, **fields: Any) -> Any:
    """The facts with other fields."""
    return msgspec.structs.replace(facts, **fields)
