"""The wordings of questions by their kind. One is chosen by a hash, so a build gives the same each time.

``{topic:을를}`` takes the particle that belongs to the word.
"""

from __future__ import annotations

from hashlib import sha256

TEMPLATES: dict[str, tuple[str, ...]] = {
    "procedure": (
        "{procedure:을를} 단계별로 알려 주십시오.",
        "{topic:은는} 어떤 순서로 진행합니까?",
        "{during} 따라야 할 절차를 순서대로 설명해 주십시오.",
    ),
    "response": (
        "{event} 어떻게 대응합니까?",
        "{event} 어떤 순서로 조치해야 합니까?",
        "{event} 무엇을 해야 하는지 단계별로 알려 주십시오.",
    ),
    "first": ("{during} 가장 먼저 할 일은 무엇입니까?", "{procedure}의 첫 단계는 무엇입니까?"),
    "last": ("{procedure}의 마지막 단계는 무엇입니까?", "{during} 마지막으로 할 일은 무엇입니까?"),
    "next": (
        "{procedure}에서 {done} 다음 단계는 무엇입니까?",
        "{during} {done} 다음에는 어떤 조치가 이어집니까?",
        "{during} {done} 뒤에 이어지는 단계를 알려 주십시오.",
    ),
    "purpose": (
        "{procedure}의 목적은 무엇입니까?",
        "{procedure:은는} 왜 필요합니까?",
        "{procedure:은는} 무엇을 위한 것입니까?",
    ),
    "scope": (
        "{procedure:은는} 어디까지 적용됩니까?",
        "{procedure}의 적용 범위는 어떻게 됩니까?",
        "{procedure:은는} 무엇을 대상으로 합니까?",
    ),
    "people": (
        "{procedure}의 책임자와 담당자는 누구입니까?",
        "{topic}에 관한 책임과 역할은 어떻게 나뉩니까?",
        "{procedure:은는} 누가 맡습니까?",
    ),
    "person": ("{procedure}에서 {key} 담당은 누구입니까?", "{topic}의 {key} 담당을 알려 주십시오."),
    "cautions": (
        "{during} 주의할 점은 무엇입니까?",
        "{during} 지켜야 할 주의 사항을 알려 주십시오.",
        "{topic}에서 조심해야 할 것은 무엇입니까?",
    ),
    "forbidden": ("{procedure}에서 {done} 것은 허용됩니까?", "{during} {done} 행동을 해도 됩니까?"),
    "records": (
        "{topic}에 관한 기록은 어떻게 보관합니까?",
        "{procedure:과와} 관련하여 남기는 기록을 알려 주십시오.",
        "{procedure}에서 남긴 기록은 어떻게 관리합니까?",
    ),
    "term": (
        "{term:은는} 무엇입니까?",
        "{term:이란} 무엇을 뜻합니까?",
        "{procedure}에서 {term:은는} 무엇을 가리킵니까?",
    ),
    "terms": (
        "{procedure}에서 쓰는 용어를 설명해 주십시오.",
        "{topic:과와} 관련된 용어의 뜻을 알려 주십시오.",
    ),
    "condition": (
        "{condition} 어떻게 해야 합니까?",
        "{condition} 어떤 조치를 합니까?",
        "{condition} 무엇을 합니까?",
    ),
    "condition_of": (
        "{during} {condition} 어떻게 해야 합니까?",
        "{procedure}에서 {condition} 어떤 조치를 합니까?",
        "{during} {condition} 무엇을 합니까?",
    ),
    "condition_not": ("{condition} 하지 말아야 할 일은 무엇입니까?",),
    "condition_not_of": ("{during} {condition} 하지 말아야 할 일은 무엇입니까?",),
    "amount": ("{asked}",),
    "amount_of": ("{procedure}에서 {asked}",),
    "who": ("{done} 사람은 누구입니까?", "{procedure}에서 {done} 사람은 누구입니까?"),
    "which": ("{done} 곳은 어디입니까?", "{procedure}에서 {done} 곳은 어디입니까?"),
    "duties": (
        "{procedure}에서 {actor:은는} 무엇을 합니까?",
        "{during} {actor:이가} 맡는 일은 무엇입니까?",
        "{topic:과와} 관련하여 {actor}의 역할은 무엇입니까?",
    ),
    "cell": ("{topic}에서 {what:은는} {how}", "{name}에서 {what:은는} {how}"),
    "cell_of": ("{name}에서 {what:은는} {how}",),
    "row": (
        "{name}에서 {row}에 관해 정해진 내용을 알려 주십시오.",
        "{name}에서 {row}에 해당하는 내용을 알려 주십시오.",
        "{name}에서 {what:은는} 각각 어떻게 됩니까?",
    ),
    "column": (
        "{topic}에서 {key}별 {column:은는} 어떻게 됩니까?",
        "{topic}에서 {key}마다 정해진 {column:을를} 모두 알려 주십시오.",
    ),
    "column_of": ("{name}에서 {column:은는} 각각 어떻게 됩니까?",),
    "about": (
        "{subject}에 대해 설명해 주십시오.",
        "{subject}에 관한 내용을 알려 주십시오.",
        "{subject:은는} 어떻게 설명되어 있습니까?",
    ),
}


def choose(kind: str, *keys: str) -> str:
    """One of a kind's wordings; the same keys always give the same one."""
    wordings = TEMPLATES[kind]
    return wordings[number_of(kind, *keys) % len(wordings)]


def number_of(*keys: str) -> int:
    """A number that stands for the keys."""
    return int.from_bytes(sha256("\0".join(keys).encode()).digest()[:8], "big")
