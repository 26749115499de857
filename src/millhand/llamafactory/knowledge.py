"""What LLaMA-Factory knows, as one value: read from its source, or from the snapshot that ships.

Which keys a config may have hangs on the transformers of the machine that trains, too: 5.x took several
away. The snapshot is of 0.9.5 with the newest transformers that it starts with; where other versions are
installed, their own source is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path

import msgspec

from millhand.llamafactory.arguments import Argument, read_arguments, read_commands
from millhand.llamafactory.entries import EntryRules, read_entry_rules
from millhand.llamafactory.kinds import read_model_types
from millhand.llamafactory.models import Model, read_models
from millhand.llamafactory.source import Source, find_source
from millhand.llamafactory.templates import Template, read_templates, read_tool_prompts

SNAPSHOT = Path(__file__).with_name("snapshot.json")


class Knowledge(msgspec.Struct, frozen=True, dict=True):
    """The arguments, templates, models and entry rules of LLaMA-Factory; the kinds of transformers."""

    llamafactory: str
    transformers: str
    commands: Mapping[str, tuple[str, ...]]
    entry: EntryRules
    arguments: dict[str, Argument]
    templates: dict[str, Template]
    tool_prompts: dict[str, str]
    models: dict[str, Model]
    model_types: tuple[str, ...] = ()

    def keys(self, command: str) -> dict[str, Argument]:
        """The arguments that a command (``train`` or ``infer``) takes."""
        return self._keys[command]

    @cached_property
    def _keys(self) -> dict[str, dict[str, Argument]]:
        return {
            command: {name: a for name, a in self.arguments.items() if a.owner in owners}
            for command, owners in self.commands.items()
        }


def read_knowledge(llamafactory: Source, transformers: Source) -> Knowledge:
    """Read everything from the source of the two packages.

    Raises:
        UsageError: The source is laid out otherwise than it was up to 0.9.5.
    """
    return Knowledge(
        llamafactory=llamafactory.version,
        transformers=transformers.version,
        commands=read_commands(llamafactory),
        entry=read_entry_rules(llamafactory),
        arguments=read_arguments(llamafactory, transformers),
        templates=read_templates(llamafactory),
        tool_prompts=read_tool_prompts(llamafactory),
        models=read_models(llamafactory),
        model_types=read_model_types(transformers),
    )


@cache
def shipped() -> Knowledge:
    """What the snapshot says."""
    return msgspec.json.decode(SNAPSHOT.read_bytes(), type=Knowledge)


@cache
def installed() -> Knowledge:
    """What the installed packages say; the snapshot where they are its own versions, or not there."""
    sources = find_source("llamafactory"), find_source("transformers")
    known = shipped()
    if sources[0] is None or sources[1] is None:
        return known
    if (sources[0].version, sources[1].version) == (known.llamafactory, known.transformers):
        return known
    return read_knowledge(sources[0], sources[1])
