"""Cards: what they tell, what they never tell, and that the Hub's own library takes them."""

from __future__ import annotations

import getpass
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from millhand.hub.blocks import pieces, split_card
from millhand.hub.card import dataset_card, keep_personal_text, model_card
from millhand.hub.facts import Base, DatasetFacts, ModelFacts, Override
from millhand.hub.leaks import find_secrets
from millhand.hub.usage import chat_values
from tests.hub_fake.commits import card_faults
from tests.unit.hub.made import MODEL, ROWS, datasets, models, replaced

KEY = "hf_" + "aB3dE" * 8


def test_a_models_card_tells_how_it_was_made_and_how_to_use_it() -> None:
    card = model_card(MODEL)
    for told in (
        "# Llama-3-qa", "Built with Meta Llama 3", "1 × NVIDIA L4", "1.30 h of NVIDIA L4, $0.58 (as billed)",
        "lora_rank: 8", "learning_rate: 1.0e-4", "ab" * 32, "![The loss by step](training_loss.png)",
        "AutoModelForCausalLM.from_pretrained(name", "llamafactory-cli chat", "vllm serve kim/Llama-3-qa",
        "ollama create llama-3-qa -f Modelfile", "1,200 rows", "CC-BY-4.0",
        "8,030,261,248 parameters, bfloat16", "torch 2.10.0", "| `held` | no | Exact match | 0.81 | 100 |",
    ):  # fmt: skip
        assert told in card, told


def test_a_datasets_card_tells_what_is_in_it_and_where_it_comes_from() -> None:
    card = dataset_card(ROWS)
    for told in ("# qa", "| `instruction` | what is asked | `질문` |", "load_dataset('kim/qa')", "qa.xlsx",
                 "10 rows of the source had faults", "100 too short", '"hf_hub_url": "kim/qa"'):  # fmt: skip
        assert told in card, told


def test_a_fact_that_is_not_known_is_not_told() -> None:
    card = model_card(ModelFacts(name="qa", kind="adapter", base=Base(name="models/tiny")))
    assert "Rent" not in card
    assert "None" not in card.replace('("token_type_ids", None)', "")
    assert "No evaluation of its answers is recorded." in card
    assert "base_model" not in split_card(card)[0]


def test_the_rows_that_it_saw_are_no_more_than_it_could_see() -> None:
    def told(config: dict[str, object], changed: bool = False) -> str:
        data = (replaced(MODEL.data[0], rows=50_000, changed=changed),)
        return model_card(replaced(MODEL, data=data, config=config))

    assert "It was fine-tuned on 50,000 rows." in told({})
    assert "It was fine-tuned on at most 1,000 rows." in told({"max_samples": 1000})
    assert "It was fine-tuned on at most 50,000 rows." in told({"val_size": 0.1})
    assert "It was fine-tuned on at most 50,000 rows." in told({"max_steps": 5})
    assert "It was fine-tuned on 50,000 rows." in told({"max_steps": -1, "val_size": 0.0})
    assert "It was fine-tuned on" not in told({}, changed=True)


def test_of_a_machine_that_is_not_known_nothing_is_told() -> None:
    assert "**Machine:**" not in model_card(replaced(MODEL, gpus=(), platform=""))
    assert "- **Machine:** CPU, Linux\n" in model_card(replaced(MODEL, gpus=()))
    assert "- **Machine:** 1 × NVIDIA L4\n" in model_card(replaced(MODEL, platform=""))


def test_the_system_prompt_is_in_the_chat_of_llamafactory_too() -> None:
    assert chat_values(MODEL)["default_system"] == "짧게 답하세요."
    given = replaced(MODEL, config={"default_system": "given"})
    assert chat_values(given)["default_system"] == "given"
    assert "default_system" not in chat_values(replaced(MODEL, system=""))


def test_a_persons_configs_and_norwegian_outlive_the_next_push() -> None:
    edited = dataset_card(ROWS).replace(
        "configs:\n",
        "language_bcp47: no\ngated: true\nconfigs:\n- config_name: extra\n  data_files: more.csv\n",
        1,
    )
    metadata = split_card(keep_personal_text(dataset_card(ROWS), edited))[0]
    assert [config["config_name"] for config in metadata["configs"]] == ["default", "extra"]
    assert metadata["language_bcp47"] == "no"
    assert metadata["gated"] is True
    again = keep_personal_text(dataset_card(replaced(ROWS, splits=())), edited)
    assert split_card(again)[0]["configs"] == [{"config_name": "extra", "data_files": "more.csv"}]
    none = dataset_card(replaced(ROWS, splits=()))
    own = none.replace("---\n", "---\nconfigs:\n- config_name: default\n- config_name: b\n", 1)
    assert split_card(keep_personal_text(none, own))[0]["configs"] == split_card(own)[0]["configs"]
    assert yaml.safe_load(re.split(r"^---\n", again, flags=re.M)[1])["language_bcp47"] == "no"


def test_an_opened_gate_stands_in_the_card_with_its_reason() -> None:
    opened = (Override("licence", "qa", "the author agreed by letter"),)
    assert "- licence, qa: the author agreed by letter" in model_card(replaced(MODEL, overrides=opened))
    assert "- licence, qa: the author agreed by letter" in dataset_card(replaced(ROWS, overrides=opened))


def test_the_hubs_library_reads_a_models_metadata_as_it_was_meant() -> None:
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard(model_card(MODEL)).data
    assert isinstance(data, hub.ModelCardData)
    assert (data.base_model, data.license, data.library_name) == (
        "meta-llama/Meta-Llama-3-8B",
        "llama3",
        "transformers",
    )
    assert (data.language, data.pipeline_tag) == (["ko"], "text-generation")
    (result,) = data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == ("held", "exact_match", 0.81)
    assert (result.source_name, result.source_url) == ("Millhand", "https://huggingface.co/kim/Llama-3-qa")


def test_the_hubs_library_reads_a_datasets_metadata_as_it_was_meant() -> None:
    hub = pytest.importorskip("huggingface_hub")
    data = hub.DatasetCard(dataset_card(ROWS)).data
    assert (data.license, data.language, data.size_categories) == ("cc-by-4.0", ["ko"], ["1K<n<10K"])
    assert data.configs == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "rows.jsonl"}]}
    ]


@settings(max_examples=20)
@given(models())
def test_any_models_card_is_one_that_the_hubs_library_writes_back_unchanged(facts: ModelFacts) -> None:
    hub = pytest.importorskip("huggingface_hub")
    text = model_card(facts)
    card = hub.ModelCard(text)
    again = hub.ModelCard(card.content)
    assert again.data.to_dict() == card.data.to_dict()
    assert again.text == card.text == split_card_body(text)
    assert len(card.data.eval_results or []) == len(facts.evaluations)


@settings(max_examples=20)
@given(datasets())
def test_any_datasets_card_is_one_that_the_hubs_library_writes_back_unchanged(facts: DatasetFacts) -> None:
    hub = pytest.importorskip("huggingface_hub")
    text = dataset_card(facts)
    front = re.split(r"^---\n", text, maxsplit=2, flags=re.M)[1]
    assert hub.DatasetCard(hub.DatasetCard(text).content).data.to_dict() == yaml.safe_load(front)


@settings(max_examples=30)
@given(st.one_of(models(), datasets()))
def test_the_hub_would_take_any_card(facts: ModelFacts | DatasetFacts) -> None:
    card = model_card(facts) if isinstance(facts, ModelFacts) else dataset_card(facts)
    assert list(card_faults(card)) == []


def split_card_body(card: str) -> str:
    return re.split(r"^---\n", card, maxsplit=2, flags=re.M)[2]


@settings(max_examples=20)
@given(models())
def test_what_a_fact_says_never_ends_or_begins_a_block(facts: ModelFacts) -> None:
    _, body = split_card(model_card(facts))
    found = pieces(body)
    assert next(piece.name for piece in found if piece.name) == "about"
    assert len({piece.name for piece in found if piece.name}) == sum(bool(piece.name) for piece in found)
    assert all(not piece.text.strip() for piece in found if not piece.name)


OURS = re.compile(r"\s*(<!-- .* -->|</?details>|<summary>[^<]*</summary>)\s*", re.S)


@settings(max_examples=30)
@given(st.one_of(models(), datasets()))
def test_no_fact_becomes_markup(facts: ModelFacts | DatasetFacts) -> None:
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    card = model_card(facts) if isinstance(facts, ModelFacts) else dataset_card(facts)
    tokens = markdown.parse(split_card(card)[1])
    every = [inner for token in tokens for inner in (token, *(token.children or ()))]
    html = [token.content for token in every if token.type in ("html_block", "html_inline")]
    assert [text for text in html if re.sub(OURS, "", text)] == []
    assert {token.tag for token in every if token.type == "heading_open"} <= {"h1", "h2", "h3"}
    assert sum(token.tag == "h1" for token in every if token.type == "heading_open") == 1
    hubs = [str(token.attrs["href"]) for token in every if token.type == "link_open"]
    assert all(address.startswith("https://") for address in hubs)


PATHS = st.sampled_from(
    ["/home/{u}/models/x", "C:\\Users\\{u}\\data\\x.csv", "~/{u}/x", "/Users/{u}", "/mnt/{u}/y/", "file:///home/{u}/x",
     "\\\\server\\{u}\\x", "D:/data/{u}/x", "../../{u}/x"]
)  # fmt: skip
USER = "kimyuna7"
LOCAL = PATHS.map(lambda path: path.format(u=USER))


@settings(max_examples=30)
@given(st.one_of(models(LOCAL), datasets(LOCAL), models(LOCAL.map(lambda path: f"see {path} there, {KEY}"))))
def test_no_folder_of_a_machine_and_no_key_is_ever_in_a_card(facts: ModelFacts | DatasetFacts) -> None:
    card = model_card(facts) if isinstance(facts, ModelFacts) else dataset_card(facts)
    assert USER not in card
    assert KEY not in card
    assert not list(find_secrets(card))


def test_this_machines_own_folders_are_in_no_card() -> None:
    home = str(Path.home())
    facts = replaced(
        MODEL, config={"model_name_or_path": f"{home}/models/a b/c", "cache_dir": home, "hub_token": "x1"}
    )
    card = model_card(facts)
    assert f"{home}/" not in card
    assert "x1" not in card
    assert getpass.getuser() == "root" or getpass.getuser() not in card


def test_a_persons_text_and_metadata_outlive_the_next_push() -> None:
    first = model_card(MODEL)
    edited = first.replace("---\n\n<!--", "thumbnail: a.png\n---\n\n안녕!\n\n<!--", 1).replace(
        "<!-- millhand:end results -->", "<!-- millhand:end results -->\n\n## 우리 팀\n\n직접 쓴 글\n"
    ).replace("tags:\n", "tags:\n- finance\n", 1)  # fmt: skip
    later = keep_personal_text(model_card(replaced(MODEL, steps=999, method="full")), edited)
    metadata, body = split_card(later)
    assert metadata["thumbnail"] == "a.png"
    assert "finance" in metadata["tags"]
    assert "full" in metadata["tags"]
    assert "lora" not in metadata["tags"]  # ours of before, not theirs
    assert body.lstrip().startswith("안녕!")
    assert "## 우리 팀\n\n직접 쓴 글" in body
    assert "999" in body
    assert "**Steps:** 240" not in body


def test_what_is_written_no_more_is_not_taken_for_a_persons() -> None:
    before = dataset_card(replaced(ROWS, licence="KOGL Type 1", rows=None))
    assert split_card(before)[0]["license_name"] == "kogl-type-1"
    after = split_card(keep_personal_text(dataset_card(replaced(ROWS, rows=None)), before))[0]
    assert after["license"] == "cc-by-4.0"
    assert not {"license_name", "license_link"} & set(after)
    on_disk = model_card(replaced(MODEL, base=Base(name="models/mine", made_here=True)))
    after = split_card(keep_personal_text(on_disk, model_card(MODEL)))[0]
    assert not {"base_model", "base_model_relation"} & set(after)


def test_a_base_that_a_person_named_is_kept() -> None:
    on_disk = model_card(replaced(MODEL, base=Base(name="models/mine", licence="mit")))
    named = on_disk.replace("---\n", "---\nbase_model: org/named\n", 1)
    again = keep_personal_text(on_disk, keep_personal_text(on_disk, named))
    assert split_card(again)[0]["base_model"] == "org/named"


def test_a_card_of_before_that_names_no_keys_loses_the_licence_and_the_base_of_before() -> None:
    before = dataset_card(replaced(ROWS, licence="KOGL Type 1"))
    old = re.sub(r'"keys": \[[^]]*\], ', "", before)
    assert old != before
    edited = old.replace("---\n", "---\nthumbnail: a.png\nbase_model: org/x\n", 1)
    after = split_card(keep_personal_text(dataset_card(ROWS), edited))[0]
    assert not {"license_name", "license_link", "base_model"} & set(after)
    assert after["thumbnail"] == "a.png"


def test_a_card_that_a_person_wrote_alone_is_kept_below() -> None:
    own = "---\nlicense: other\nlicense_name: mine\nwidget:\n- text: hi\n---\n# 내 모델\n\n설명\n"
    card = keep_personal_text(model_card(MODEL), own)
    metadata, body = split_card(card)
    assert metadata["license"] == "llama3"
    assert "license_name" not in metadata
    assert metadata["widget"] == [{"text": "hi"}]
    assert body.rstrip().endswith("# 내 모델\n\n설명")
    assert keep_personal_text(model_card(MODEL), card) == card


def test_a_result_that_a_person_entered_is_kept_and_ours_are_not_doubled() -> None:
    hub = pytest.importorskip("huggingface_hub")
    theirs = (
        "  - task: {type: text-generation}\n    dataset: {type: kmmlu, name: KMMLU}\n"
        "    metrics:\n    - {type: acc, value: 0.4}\n"
    )
    edited = model_card(MODEL).replace("  results:\n", f"  results:\n{theirs}", 1)
    card = keep_personal_text(model_card(MODEL), edited)
    assert sorted(result.dataset_name for result in hub.ModelCard(card).data.eval_results) == [
        "KMMLU",
        "held",
    ]
    assert keep_personal_text(model_card(MODEL), card) == card


PERSONAL = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029\x85"), max_size=30
)


@settings(max_examples=30)
@given(models(), models(), st.lists(st.tuples(st.integers(0, 7), PERSONAL), max_size=3))
def test_whatever_was_written_between_the_blocks_is_there_after_the_next_push(
    before: ModelFacts, after: ModelFacts, written: list[tuple[int, str]]
) -> None:
    metadata, body = split_card(model_card(before))
    parts = [piece.text for piece in pieces(body)]
    for place, text in written:
        parts.insert(min(place, len(parts)), f"\n{text}\n")
    standing = f"---\n{yaml.safe_dump(metadata, allow_unicode=True)}---\n{''.join(parts)}"
    card = keep_personal_text(model_card(after), standing)
    _, kept = split_card(card)
    own = "".join(piece.text for piece in pieces(kept) if not piece.name)
    assert all(text in own for _, text in written)
    fresh = {piece.name: piece.text for piece in pieces(split_card(model_card(after))[1]) if piece.name}
    assert {piece.name: piece.text for piece in pieces(kept) if piece.name} == fresh
    assert keep_personal_text(model_card(after), card) == card


@pytest.mark.parametrize(
    "standing",
    [
        "",
        "\n",
        "no metadata\n",
        "---\n: : :\n---\nbroken\n",
        "---\n- a\n---\nx\n",
        "\ufeff---\r\na: 1\r\n---\r\nx\r\n",
    ],
)
def test_any_standing_file_is_gone_on_from(standing: str) -> None:
    card = keep_personal_text(model_card(MODEL), standing)
    assert keep_personal_text(model_card(MODEL), card) == card
    assert all(word in card for word in re.findall(r"[a-z]{3,}|x$", standing.strip()))


def test_a_block_whose_end_a_person_deleted_loses_no_text() -> None:
    broken = model_card(MODEL).replace("<!-- millhand:end use -->\n", "직접 쓴 글\n")
    card = keep_personal_text(model_card(MODEL), broken)
    assert "직접 쓴 글" in card
    assert card.count("<!-- millhand:begin use -->") == card.count("<!-- millhand:end use -->") == 1
