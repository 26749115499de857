"""docs/licences.md: every pinned package is in it, under the licence that it says; and how that is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from millhand.cli.licences import find_kind, installed, main, markdown, packages_of, read_licence

OSI = "License :: OSI Approved :: "
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
LOCKS = {
    "The core, its extras and what trains on a CPU": "constraints.txt",
    "A pod's environment": "runpod/requirements-cu128.txt",
}


def pins(path: str) -> dict[str, str]:
    text = (ROOT / path).read_text(encoding="utf-8")
    return {
        canonicalize_name(name): v for name, v in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    }


def told(title: str) -> dict[str, str]:
    """Each package of a section with its licence."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    strict, rest = section.strip().split("\n\n")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in strict.splitlines()[2:]]
    found = {canonicalize_name(row[0]): row[2] for row in rows}
    for line in rest.splitlines()[2:]:
        licence, names = (cell.strip() for cell in line.split("|")[1:-1])
        found |= {canonicalize_name(name): licence for name in names.split(", ")}
    return found


@pytest.mark.parametrize("title", LOCKS)
def test_the_page_has_each_pinned_package_and_no_other(title: str) -> None:
    assert told(title).keys() - {"millhand"} == pins(LOCKS[title]).keys()


def test_the_page_says_what_the_installed_packages_say() -> None:
    said, pinned = told("The core, its extras and what trains on a CPU"), pins("constraints.txt")
    found = {canonicalize_name(one.name): one for one in packages_of(installed())}
    same = [name for name, one in found.items() if pinned.get(name) == one.version]
    assert len(same) > 20
    assert {name: found[name].licence for name in same} == {name: said[name] for name in same}


@pytest.mark.parametrize("title", LOCKS)
def test_what_the_page_s_head_says_is_not_permissive_is_all_of_it(title: str) -> None:
    head = PAGE.partition("\n## ")[0]
    for name, licence in told(title).items():
        if find_kind(licence) != "permissive":
            family = "nvidia-*" if name.startswith("nvidia-") else name
            assert f"`{family}`" in head.replace("_", "-"), name


@pytest.mark.parametrize(
    ("metadata", "licence", "kind"),
    [
        ({"license_expression": "MPL-2.0 AND MIT", "license": "x"}, "MPL-2.0 AND MIT", "weak copyleft"),
        ({"license": "BSD"}, "BSD", "permissive"),
        ({"license": "MIT License\n\nPermission is …"}, "MIT License", "permissive"),
        ({"license": "T" * 200, "classifier": [OSI + "MIT License"]}, "MIT License", "permissive"),
        ({"license_expression": "LGPL-2.1"}, "LGPL-2.1", "weak copyleft"),
        ({"license_expression": "GPL-3.0-or-later OR MIT"}, "GPL-3.0-or-later OR MIT", "copyleft"),
        ({"license": "GNU Lesser General Public"}, "GNU Lesser General Public", "weak copyleft"),
        ({"classifier": [OSI + "GNU Affero General Public"]}, "GNU Affero General Public", "copyleft"),
        ({"license": "NVIDIA Proprietary Software"}, "NVIDIA Proprietary Software", "proprietary"),
        ({"license": "Ours"}, "Ours", "its own"),
        ({}, "", "not said"),
        ({"name": "unsloth", "license": "Apache"}, "Apache; in its files: AGPL-3.0 too", "copyleft"),
    ],
)  # fmt: skip
def test_a_licence_is_read_of_metadata(metadata: Mapping[str, object], licence: str, kind: str) -> None:
    assert read_licence({"name": "x", **metadata}) == licence
    assert find_kind(licence) == kind


def test_what_brings_a_package_is_followed_through_extras_and_markers() -> None:
    every = [
        {"name": "Millhand", "version": "1", "license": "MIT", "provides_extra": ["pdf"],
         "requires_dist": ["A_b[more]", 'c; extra == "pdf"', 'gone; python_version < "3"']},
        {"name": "a-b", "version": "1", "license": "MIT",
         "requires_dist": ['d; extra == "more"', "millhand"]},
        {"name": "c", "version": "1", "license": "MPL-2.0", "requires_dist": ["d"]},
        {"name": "d", "version": "1", "license": "MIT"},
        {"name": "gone", "version": "1", "license": "MIT"},
    ]  # fmt: skip
    parts = {one.name: one.parts for one in packages_of(every)}
    assert parts == {"Millhand": ("core",), "a-b": ("core",), "c": ("pdf",), "d": ("core",), "gone": ()}
    shown = markdown(packages_of(every))
    assert "| c | 1 | MPL-2.0 | weak copyleft | pdf |" in shown
    assert "| MIT | a-b, d, gone, Millhand |" in shown


def test_a_report_of_pip_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = {"install": [{"metadata": {"name": "x", "version": "2", "license_expression": "EPL-2.0"}}]}
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    main([str(tmp_path / "report.json")])
    assert "| x | 2 | EPL-2.0 | weak copyleft |  |" in capsys.readouterr().out
