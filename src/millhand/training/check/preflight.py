"""The check as a whole: projects, datasets, or all of a workspace; every finding at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from millhand.errors import Finding, FindingsError
from millhand.llamafactory.knowledge import Knowledge, installed
from millhand.llamafactory.yaml import YamlDocument, parse_yaml
from millhand.text.normal import did_you_mean, nfc
from millhand.training.check.amounts import check_amount, check_split, drawn
from millhand.training.check.basics import check_own, check_train
from millhand.training.check.custom_code import check_code
from millhand.training.check.datasets import check_entry, check_rows, text_bytes
from millhand.training.check.faults import Tally
from millhand.training.check.hub import check_hub
from millhand.training.check.info import Info, read_info
from millhand.training.check.judges import Use
from millhand.training.check.keys import check_keys
from millhand.training.check.machine import Machine
from millhand.training.check.media import Media
from millhand.training.check.model_name import check_names
from millhand.training.check.pair import check_pair
from millhand.training.check.pod import check_pod
from millhand.training.check.rule import apply
from millhand.training.check.rules import BY_PURPOSE
from millhand.training.check.sources import check_source, local_files
from millhand.training.check.state import check_state
from millhand.training.check.subject import Config, FaultyValueError
from millhand.training.check.targets import find_project, unknown_target
from millhand.training.check.tokens import check_cuts, check_tokens, lengths_of
from millhand.training.check.values import check_values
from millhand.training.check.weights import check_weights
from millhand.training.project import PURPOSES, Project, project_names
from millhand.workspace import Workspace

Progress = Callable[[str], None]
_ELSEWHERE = ("ONLINE", "REMOTE:")  # dataset_dir, data/parser.py: names are then of a hub
# What `millhand train` asks of a run beyond LLaMA-Factory, which takes it unharmed: warnings of the check,
# and the key of each. A secret is `config.secret` here.
OF_A_RUN: Mapping[str, str] = MappingProxyType(
    {
        "train.no-output-dir": "output_dir",
        "train.output-dir": "output_dir",
        "train.dataset-dir": "dataset_dir",
    }
)
# A run's own copy of the config has no such line (training/effective.py).
_OF_NO_RUN = ("train.overwrite-output-dir",)
_PAIRED = ("rm", "dpo")  # train/dpo/workflow.py loads its rows as those of rm


@dataclass
class Report:
    """What was looked at and found."""

    files: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def count(self, severity: str) -> int:
        """How many findings are of a severity."""
        return sum(finding.severity == severity for finding in self.findings)


class Preflight:
    """Checks targets of one workspace; what several of them share is read once.

    Args:
        machine: Where runs are meant to go; without it nothing is said of GPUs, packages and disks.
        online: Ask the Hub whether bases can be downloaded.
    """

    def __init__(
        self,
        workspace: Workspace,
        knowledge: Knowledge | None = None,
        progress: Progress | None = None,
        *,
        machine: Machine | None = None,
        online: bool = False,
    ) -> None:
        self.workspace, self.knowledge = workspace, knowledge or installed()
        self.settings, self.tell = workspace.settings(), progress or (lambda _: None)
        self.machine, self.online = machine, online
        self.report = Report()
        self._infos: dict[Path, Info | None] = {}
        self._seen: dict[tuple[Path, str, Use], Tally] = {}

    def check(self, targets: Iterable[str]) -> Report:
        """Check projects and datasets by their names, paths of their files, or ``all``.

        Raises:
            UsageError: There is neither a project nor a dataset of a name.
        """
        for target in targets:
            if target == "all":
                self.everything()
            else:
                self._named(target)
        # the same file may be reached by several ways
        self.report.findings = list(dict.fromkeys(self.report.findings))
        return self.report

    def everything(self) -> None:
        """Check every project, then every dataset that none of them uses."""
        for name in project_names(self.workspace):
            self._project_of(name)
        info = self._info(self.workspace.registry)
        used = {name for _, name, _ in self._seen}
        for name in info.entries if info else ():
            if name not in used:
                self.dataset(name)

    def _named(self, target: str) -> None:
        if not self._project_of(target):
            info, name = self._info(self.workspace.registry), nfc(target)
            if info is None or name not in info.entries:
                raise unknown_target(self.workspace, target, info.entries if info else ())
            self.dataset(name)

    def _project_of(self, target: str) -> bool:
        found = find_project(self.workspace, target)
        if found is not None:
            self.report.findings += found[1]
            self.project(found[0])
        return found is not None

    def project(self, project: Project) -> None:
        """Check the YAML files of a project, what they name, and whether they fit each other."""
        configs = {p: config for p in PURPOSES if (config := self._config(project, p)) is not None}
        train = configs.get("train")
        for config in configs.values():
            self.report.findings += check_config(config)
        for purpose, config in configs.items():
            if purpose != "train" and train is not None:
                self.report.findings += check_pair(config, train)
        if train is not None:
            self._guarded(train, self._data)
            self.report.findings += self._refused_by_a_run(project, train)
            if self.online:
                self._ask_hub(train)
        if self.machine is not None:
            for config in configs.values():
                rows = self._rows(config) if config is train else None
                self.report.findings += check_pod(config, self.machine, rows, configs.get("export"))

    def training(self, project: Project) -> Report:
        """Check what a run of a project is about to do: its train.yaml and the rows it names."""
        train = self._config(project, "train")
        if train is not None:
            self.report.findings += check_config(train)
            self._guarded(train, self._data)
            known = {finding.id for finding in self.report.findings if finding.severity == "error"}
            own = check_train(self.workspace, project, train.values)
            self.report.findings += [finding for finding in own if finding.id not in known]
            if self.machine is not None:
                self.report.findings += check_pod(train, self.machine, self._rows(train), None)
        found = dict.fromkeys(self.report.findings)
        self.report.findings = [finding for finding in found if finding.id not in _OF_NO_RUN]
        return self.report

    def _ask_hub(self, train: Config) -> None:
        """What the Hub says of the base stands in place of what its name alone tells."""
        found = list(check_hub(train, self.workspace.secret("HF_TOKEN")))
        asked = not any(finding.id == "model.not-asked" for finding in found)
        kept = [f for f in self.report.findings if not (asked and f.id == "model.gated")]
        self.report.findings = [*kept, *found]

    def _rows(self, config: Config) -> int | None:
        """How many rows a config trains on; None where one of its datasets was not read."""
        try:
            names = dict.fromkeys(config.names("dataset"))
        except FaultyValueError:
            return None
        counts = [self.report.rows.get(name) for name in names]
        return sum(count for count in counts if count) if all(counts) else None

    def _refused_by_a_run(self, project: Project, train: Config) -> Iterator[Finding]:
        """What LLaMA-Factory would start with and `millhand train` does not."""
        for finding in check_own(self.workspace, project, train.values):
            key = OF_A_RUN.get(finding.id)
            if key is not None:
                said = (finding.message, finding.why, finding.mend)
                yield train.finding(finding.id, "warning", key, *said)

    def _config(self, project: Project, purpose: str) -> Config | None:
        path = project.path(purpose)
        if not path.is_file():
            return None
        shown = self.workspace.relative(path)
        self.report.files.append(shown)
        try:
            document = parse_yaml(path.read_bytes().decode("utf-8"), shown)
        except UnicodeDecodeError:
            document = YamlDocument(shown, {}, {})
            self.report.findings.append(_not_utf8(shown))
        except FindingsError as error:
            self.report.findings += error.findings
            return None
        return Config(purpose, document, self.knowledge, self.workspace.root, self.settings)

    def _guarded(self, config: Config, look: Callable[[Config], Iterator[Finding]]) -> None:
        try:
            self.report.findings += look(config)
        except FaultyValueError:
            return

    def _data(self, config: Config) -> Iterator[Finding]:
        """The datasets that a training names."""
        given = str(config.dataset_dir)
        if given.startswith(_ELSEWHERE):
            return
        info = self._info(self.workspace.root / given)
        if info is None:
            return
        rows = 0
        for key in ("dataset", "eval_dataset"):
            for name in dict.fromkeys(config.names(key)):
                yield from self._of(config, key, name, info)
                same = [t.rows for (f, d, _), t in self._seen.items() if (f, d) == (info.folder, name)]
                rows += drawn(config, info.entries.get(name, {}), max(same, default=0))
        yield from check_split(config, rows)

    def _of(self, config: Config, key: str, name: str, info: Info) -> Iterator[Finding]:
        if name not in info.entries:
            near = did_you_mean(name, info.entries) or "`millhand data list` shows the names."
            message = f"There is no dataset {name!r} in {info.file}."
            why = "LLaMA-Factory stops: “Undefined dataset … in dataset_info.json”."
            yield config.finding("train.unknown-dataset", "error", key, message, why, near)
            return
        ranking, stage = bool(info.entries[name].get("ranking")), config.stage
        if ranking != (stage in _PAIRED):
            message = f"Dataset {name!r} is {'' if ranking else 'not '}for ranking, and the stage is {stage}."
            why = "LLaMA-Factory stops: “The dataset is not applicable in the current training stage”."
            mend = "Ranking datasets go with dpo and rm, all others with the other stages."
            yield config.finding("data.stage", "error", (key, "stage"), message, why, mend)
            return
        files = local_files(info, name, self.knowledge.entry)
        if stage == "pt" and config.packing is not False and files and isinstance(files, list):
            yield from check_amount(config, name, text_bytes(info, name, files, 64 * config.cutoff_len))
        lengths, media = lengths_of(config, stage), self._media(config, info)
        first = config.max_samples if isinstance(config.max_samples, int) else None
        use = Use(stage, self._thought(config), lengths, media, first)
        yield from self._dataset(info, name, use)
        tally = self._seen[info.folder, name, use]
        yield from check_cuts(config, name, key, tally.rows, tally.cuts)

    def _media(self, config: Config, info: Info) -> Media:
        """What the template takes in, and where LLaMA-Factory looks for files."""
        template = self.knowledge.templates.get(str(config.template))
        given = config.media_dir
        folder = config.root / given if isinstance(given, str) else info.folder
        return Media(template.media if template else None, (folder, config.root))

    def _thought(self, config: Config) -> tuple[str, ...]:
        template = self.knowledge.templates.get(str(config.template))
        if template is None or not template.reasoning or config.enable_thinking is False:
            return ()
        return tuple(word.strip() for word in template.thought_words or ("<think>", "</think>"))

    def dataset(self, name: str) -> None:
        """Check a dataset of the workspace for what its columns are for."""
        info = self._info(self.workspace.registry)
        if info is not None:
            use = Use(_stage_of(info, name), media=Media(None, (info.folder, self.workspace.root)))
            self.report.findings += self._dataset(info, name, use)

    def _dataset(self, info: Info, name: str, use: Use) -> Iterator[Finding]:
        if (info.folder, name, use) in self._seen:
            return
        self._seen[info.folder, name, use] = Tally()
        found = [*check_entry(info, name, self.knowledge.entry), *check_source(info, name)]
        yield from found
        files = local_files(info, name, self.knowledge.entry)
        if isinstance(files, Finding):
            yield files
        elif files and not any(finding.severity == "error" for finding in found):
            self.tell(name)
            findings, tally = check_rows(info, name, files, use)
            if tally is not None:
                self._seen[info.folder, name, use] = tally
                self.report.rows[name] = tally.rows
            yield from findings

    def _info(self, folder: Path) -> Info | None:
        folder = folder.resolve()
        if folder not in self._infos:
            shown = self.workspace.relative(folder)
            try:
                self._infos[folder] = read_info(folder, shown)
            except FindingsError as error:
                self._infos[folder] = None
                self.report.findings += error.findings
            self.report.files.append(f"{shown}/dataset_info.json")
        return self._infos[folder]


def check_config(config: Config) -> Iterator[Finding]:
    """Find what is wrong within one YAML file and around it; the datasets apart."""
    yield from check_keys(config)
    yield from check_values(config)
    yield from apply(BY_PURPOSE[config.purpose], config)
    yield from check_state(config)
    yield from check_names(config)
    yield from check_code(config)
    if config.purpose == "train":
        yield from check_tokens(config)
    yield from check_weights(config)


def _stage_of(info: Info, name: str) -> str:
    entry = info.entries[name]
    columns = entry.get("columns")
    if isinstance(columns, dict) and columns.get("kto_tag"):
        return "kto"
    return "rm" if entry.get("ranking") else "sft"


def _not_utf8(file: str) -> Finding:
    return Finding(
        id="yaml.encoding", severity="error", message="This is not UTF-8.", file=file,
        why="LLaMA-Factory cannot read it.", mend="Save the file as UTF-8.",
    )  # fmt: skip
