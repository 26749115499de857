"""What the ids of other commands' findings stand for: data, docs, dart, push, pull, sync, doctor, train."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_DOCTOR = {
    "cores.few": "The machine has few cores. torch starts more threads than it can use; OMP_NUM_THREADS=1.",
    "disk.full": "Hardly any disk is free. A checkpoint that does not fit is left half-written: free some.",
    "disk.small": "The disk has room for a small model's training only. Free some, or keep the workspace "
    "elsewhere.",
    "driver.old": "The NVIDIA driver is older than torch's CUDA needs, so torch cannot use the GPU. Update "
    "it.",
    "gpu.no-bf16": "The GPU is older than Ampere and does not compute in bf16. Write `fp16: true` in its "
    "place.",
    "gpu.unseen": "There is a GPU, and torch does not see it: CUDA_VISIBLE_DEVICES, or a container without "
    "GPUs.",
    "llamafactory.missing": "LLaMA-Factory is not installed. Only training, export, chat and serving need "
    "it.",
    "llamafactory.start": "`llamafactory-cli` does not start. Install the training packages anew.",
    "llamafactory.version": "Another LLaMA-Factory is installed than Millhand knows; arguments may differ.",
    "python.managed": "The interpreter is the operating system's, which forbids pip. Make a venv.",
    "python.new": "The interpreter is newer than LLaMA-Factory's packages, which may have no wheels for it.",
    "python.no-pip": "The interpreter has no pip, so that nothing can be installed into it.",
    "python.old": "The interpreter is older than LLaMA-Factory takes: pip installs an old release, or none.",
    "torch.cpu-only": "torch is a build for CPUs, and the machine has a GPU. Install the CUDA build.",
    "torch.crash": "The process ends while torch is imported. Its files or the driver are broken: install "
    "anew.",
    "torch.import": "torch cannot be imported. Install the training packages anew.",
    "trials.untried": "Packages for a GPU were not tried, for want of one. `millhand doctor --pod POD` "
    "tries them.",
}
_HUB = {
    "absolute-path": "A file that would be published names an absolute path of this machine.",
    "bad-name": "The repository's name is none that the Hub takes: owner/name, letters of ASCII, digits, "
    "`-_.`.",
    "bad-token": "HF_TOKEN is not what the Hub gives out, or has been revoked. Make another and put it "
    "into .env.",
    "card-refused": "The Hub refuses the metadata at the head of README.md, and the commit with it.",
    "different": "A file on the Hub has other bytes than here, or is left over. Repeat the command.",
    "gated": "The repository admits people one by one. Ask for access on its page, with HF_TOKEN's account.",
    "history": "A private repository's earlier commits may hold what may not go when it becomes public.",
    "licence": "What is published is made from a base whose licence asks for something, or forbids it.",
    "local-path": "A file names a folder of this machine or holds a secret of the workspace. Write "
    "relative paths.",
    "missing": "A file that was pushed is not on the Hub. Repeat the command.",
    "name": "The base's licence asks that names of what is made from it begin as its own.",
    "no-right": "HF_TOKEN may not write to the repository. Its role, or its owner's, must be write.",
    "no-room-here": "The disk has less room than the download needs.",
    "no-space": "The Hub has no room left for this account. Free some there, then repeat the command.",
    "no-token": "Pushing, and private or gated repositories, need HF_TOKEN. Make one at "
    "https://huggingface.co/settings/tokens and write `HF_TOKEN=…` into the workspace's .env.",
    "no-weights": "The folder or repository has no whole weights, so nobody could load it.",
    "not-found": "The repository or the revision is not there, or this token may not see it.",
    "not-looked-through": "A file can be searched for neither keys nor personal data: it is no text, "
    "parquet or arrow.",
    "not-spoken": "No one has seen the merged model load and speak. `millhand export PROJECT` lets it.",
    "other-type": "A dataset of this name is where a model would go, or the other way round.",
    "personal-data": "A file that would be published names a person: a number, an address, a telephone.",
    "pickle": "The file is, or may hold, a pickle: loading it runs code. Publish safetensors only.",
    "public": "The repository is public, and `--public` was not given.",
    "refused": "The Hub refused the request; the finding says with which words. Nothing half was published.",
    "secrets": "A file that would be published holds what looks like an access key. Hold it for stolen: "
    "revoke it.",
    "tag-taken": "The tag is on another commit already, and its users would get other bytes. Name another.",
    "too-large": "A text is larger than any of a model, and is not looked through on the pod.",
    "unsafe-name": "A file on the Hub has a name that leads out of the folder or cannot be written here.",
}
_DART = {
    "ambiguous-name": "Several corporations have this name. Name the one by its code of eight digits.",
    "changed": "A filing was changed while it was read, and is missing. Build again.",
    "failed": "A filing could not be built into chunks, and is missing; the finding says why.",
    "name-repeats": "Other corporations have the same name; the listed one, or the last changed, was taken.",
    "no-file": "DART did not hand out a filing's file. The others were fetched; fetch again later.",
    "no-filing": "A file among the filings is none of DART. Read it with `millhand docs read`.",
    "no-list": "DART did not answer with a corporation's list of filings. Fetch again later.",
    "no-reports": "The corporation filed none of these reports in these years.",
    "same-filing": "Two files hold the same document; one was left out. Remove one.",
    "two-versions": "Two versions of one report are there; an index would find the text twice. Keep the "
    "latest.",
    "unclear-quarter": "It cannot be told of which quarter a report is, for want of an annual one. Ask for "
    "more years.",
    "unknown-corporation": "No corporation has this name or code in DART's list.",
}
_SYNC = {
    "blocked": "A file cannot be written on the other side; the finding says what is in its way.",
    "case": "Two names differ only in capitals or in composition, which this computer cannot tell apart.",
    "changing": "A file changes faster than it can be sent. Sync again when it is written.",
    "kept": "A folder stays on the other side, for there is something in it that was not synced.",
    "link": "A link points out of what is synced; on the other side it would point nowhere.",
    "mismatch": "A file does not arrive as it was sent, even when sent again. Look at disk and memory.",
    "missing": "There is no file or folder of the name that was given.",
    "refused": "A path is left out; the finding says why.",
    "special": "It is neither file, folder nor link (a socket, a device), and cannot be synced.",
    "unreadable": "A file cannot be read here. Look at its rights.",
    "windows-name": "Windows cannot have a file of this name. Rename it.",
}
_POD = {
    "missing": "A pod file lacks a line that it must have. runpod/l4.yaml is an example.",
    "no-volume": "A rented pod has neither a volume nor persistent_gb, so a restart loses everything. Add "
    "`volume: {name: …, size_gb: …}`, or agree with `allow_loss: true`.",
    "unknown-key": "A pod file has a key that no pod file has; the nearest is named.",
    "value": "A value in a pod file is not of its kind, or contradicts another line.",
}
_DATA = {
    "broken-build": "build.json is not what a build wrote. Build the dataset anew.",
    "broken-correction": "A line of a dataset's corrections cannot be read. Mend or remove it.",
    "broken-definition": "dataset.yaml of a dataset cannot be taken as it stands. It is read strictly.",
    "broken-history": "A history is no list of [question, answer] pairs; LLaMA-Factory drops it silently.",
    "broken-json": "The JSON breaks off, so that nothing behind the break can be read.",
    "broken-kto-tag": "The column for kto holds something else than true and false.",
    "broken-message": "A message of a conversation has no role or no text where they are due.",
    "broken-recipe": "A recipe (dataset.yaml with steps) cannot be taken as it stands. It is read strictly.",
    "broken-review": "A line of a review's sheet no longer names its row. `millhand data review` writes a "
    "new one.",
    "broken-source": "A source that a recipe names cannot be used; the finding says why.",
    "broken-text": "A text holds half of a sign (a lone surrogate), which UTF-8 cannot write.",
    "changed-meanwhile": "The file was changed while it was read. Close what writes it, and add it again.",
    "column-twice": "One column is mapped to two fields, so its text would stand twice in each record.",
    "correction-without-row": "The row that was corrected is gone or has changed. The correction is kept.",
    "duplicate-column": "Two columns have the same name, so it cannot be told which is meant.",
    "duplicate-name": "Two datasets would have the same name in dataset_info.json. Rename one.",
    "empty-file": "The file, or its sheet, is empty.",
    "empty-instruction": "A row asks nothing: the model would learn to say its answer to anything.",
    "empty-output": "A row's answer is empty: the model would learn to say nothing.",
    "empty-split": "Nothing came into one of the splits. Give it a larger share, or more rows.",
    "endpoint-refuses": "The endpoint of the model refuses every request; the finding says why. What was "
    "made is kept.",
    "existing-output": "Something that Millhand did not make has this name. It is never overwritten.",
    "formula-error": "A cell holds a formula's error (#REF!, #N/A) in place of text.",
    "header-only": "The table has a header and no rows.",
    "idle-word": "A word for a source does nothing, for the file is read as a document and not as rows.",
    "key-in-the-clear": "The endpoint is asked over http: key and documents travel unencrypted.",
    "media": "A row has pictures, videos or sound, and `data add` takes only text.",
    "mixed-type": "A number, list or object stands where text is due.",
    "more-faults": "There are more faults of this file than are shown.",
    "nameless-column": "A column has cells and no name: often a merged header, or a title above the table.",
    "no-rows": "The sources hold no text to make rows of.",
    "not-rows": "The JSON is one object, and not an array of rows or an object a line.",
    "odd-turns": "The turns of a conversation do not take turns: person first, then assistant.",
    "only-dates": "Every value of a text column is a date. Arrow makes times of them, and LLaMA-Factory "
    "leaves out answers that are no text.",
    "outside-source": "A recipe's source lies outside of the workspace, where nobody else has it.",
    "same-text-in-two-splits": "The same text is in two splits, so the test was learned by heart. Dedup "
    "first.",
    "uneven-split": "A split is far from the share that was asked for, as groups must stay whole.",
    "unknown-target": "`map` names a field that no record has.",
    "wrong-encoding": "The file's bytes are not of the encoding that it was read in. Name it: `encoding:`.",
}
_DOCUMENTS = {
    "broken-file": "Nothing can be read of the file: it is broken, or another kind than its name says.",
    "broken-zip": "The archive is broken. Fetch it again.",
    "dart-status": "DART sent an error in place of a filing. Fetch it again.",
    "in-the-way": "A file stands where the text would go, and `docs read` did not make it. It is left as "
    "it is.",
    "no-file": "There is no such file, or no file that can be read in the folder.",
    "unknown-kind": "Files of this kind are not read. Save it as one that is.",
    "unreadable": "A file could not be read and is missing from the dataset; the others are in it.",
    "wrong-encoding": "The filing's bytes are not of the encoding that it names.",
}
_PDF = {
    "broken": "The PDF cannot be opened. Fetch or export it again.",
    "broken-page": "No text can be read of some pages. Export the PDF again.",
    "cut": "The PDF ends early; pages at its end may be missing. Fetch it again.",
    "empty": "The PDF holds no text.",
    "encrypted": "The PDF is locked by a password. Save it without one.",
    "no-letters": "A font does not say what its letters are, so the text would be signs without meaning.",
    "no-tables": "Tables of some pages cannot be read; their text is in the document as lines.",
    "scanned": "Some pages are pictures without text. Recognise them first (OCR).",
}
_PRESET = {
    "loose-note": "A preset's note belongs to no setting of it.",
    "owned-key": "A preset sets what `config new` fills in for each project. Take the line out.",
    "schema": "A preset lacks a part, or has one of another kind.",
    "twice": "A preset gives one setting in two sections. Take one out.",
    "unknown-key": "A preset has a key that presets do not have.",
}
_YAML = {
    "encoding": "The file is not UTF-8, and LLaMA-Factory cannot read it. Save it as UTF-8.",
    "no-mapping": "The file is not made of `key: value` lines.",
    "syntax": "The file is no YAML: the finding says where and what the reader met.",
    "tag": "A value has a tag (`!…`) or a form that LLaMA-Factory's reader refuses.",
    "too-large": "The file unfolds to more than any config holds, by anchors within anchors.",
    "twice": "A key stands twice, which OmegaConf refuses. Take one of the two lines out.",
}
_SINGLE = {
    "config.exists": "The project exists with other settings. Take another name, or add --replace.",
    "config.set": "`--set` names no key of LLaMA-Factory, or gives it no value.",
    "export.no-folder": "export.yaml names no folder of the workspace to write the merged model to.",
    "export.quantized": "export.yaml sets a key of quantization, with which no adapter is merged.",
    "html.too-deep": "Elements of a page are nested too deeply; what is in them is missing. Save the page "
    "anew.",
    "model.exists": "A model of this name is there, of another recipe. Take another name, or add --replace.",
    "model.no-text": "The dataset has no text to make a tokenizer of.",
    "run.base-changed": "The base has other bytes than the run was trained on; its adapter does not fit it.",
    "run.other-base": "export.yaml or chat.yaml names another base, template or vocabulary than the run "
    "was trained on.",
    "table.huge-cell": "A cell has more text than a person writes: mostly a quote that is not closed.",
    "train.no-model": "train.yaml has no model_name_or_path, so there is nothing to train.",
}
_GROUPS = (
    ("doctor", _DOCTOR), ("hub", _HUB), ("dart", _DART), ("sync", _SYNC), ("pod", _POD), ("data", _DATA),
    ("documents", _DOCUMENTS), ("pdf", _PDF), ("preset", _PRESET), ("yaml", _YAML),
)  # fmt: skip
OTHER_IDS: Mapping[str, str] = MappingProxyType(
    {**{f"{group}.{name}": text for group, texts in _GROUPS for name, text in texts.items()}, **_SINGLE}
)
# Ids whose middle is the name of a package, of a trial or of a reason.
FAMILIES: tuple[tuple[str, str, str], ...] = (
    (
        "data.not-made.",
        "",
        "Questions that the recipe asked for were not made; the reason is the last word of the id.",
    ),
    ("doctor.", ".missing", "A package is not installed that training on a GPU can use."),
    ("doctor.", ".version", "A package is of another version than the ones that are known to work together."),
    ("doctor.", ".import", "A package is installed and cannot be imported. Install it anew."),
    ("doctor.", ".failed", "A package was tried on this machine's GPU and failed there."),
    ("sync.", "", "A file could not be brought to the other side; the finding says why."),
)
