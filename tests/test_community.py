"""What people are told who want to take part: how to reply, to doubt a verdict, to report."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from superpos.book.portable import CONFIG

CHECKOUT = Path(__file__).parent.parent
FORMS = sorted(
    path
    for path in (CHECKOUT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")
    if path.name != "config.yml"
)


def conforms(schema: str, *paths: Path) -> None:
    """Check files against a schema that the validator brings, so that no network is needed."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_a_form_for_each_thing_that_people_come_with():
    assert {path.stem for path in FORMS} == {"verdict", "reply", "claim", "bug"}
    conforms("github-issue-forms", *FORMS)
    conforms("github-issue-config", CHECKOUT / ".github" / "ISSUE_TEMPLATE" / "config.yml")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_for_what_it_needs_and_for_nothing_twice(path):
    asked = [part for part in yaml.safe_load(path.read_text("utf-8"))["body"] if "id" in part]
    names = [part["id"] for part in asked]
    assert len(set(names)) == len(names)
    needed = [part for part in asked if (part.get("validations") or {}).get("required")]
    assert needed


def test_the_forms_have_what_the_registry_wants_of_a_claim_and_of_a_reply():
    asked = {
        path.stem: {
            part.get("id") for part in yaml.safe_load(path.read_text("utf-8"))["body"]
        }
        for path in FORMS
    }  # fmt: skip
    assert {"statement", "source", "address", "setting", "counts", "known"} <= asked["claim"]
    assert {"who", "text", "address"} <= asked["reply"]  # the date is the issue's


@pytest.mark.parametrize("name", ["CODE_OF_CONDUCT.md", "SECURITY.md"])
def test_reports_go_to_the_contact_of_the_configuration(name):
    config = yaml.safe_load((CHECKOUT / "_config.yml").read_text("utf-8"))[CONFIG]
    assert isinstance(config["contact"], str)
    text = (CHECKOUT / name).read_text("utf-8")
    assert f"`_config.yml` names under `{CONFIG}: contact`" in " ".join(text.split())
    assert not re.search(r"[\w.]+@[\w.]+", text)  # one place for an address


def test_the_citation_file_is_one():
    conforms("citation-file-format", CHECKOUT / "CITATION.cff")
