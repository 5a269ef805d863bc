"""tools/templates.py counts what is patched and refused, and sees what a patch must not do."""

import templates
from infra_services import PLAIN as SERVICE
from infra_templates import PLAIN
from infra_terraform import PLAIN as TERRAFORM
from repositories import written
from templates import is_subsequence, operations_for, report, says_all, tally_of
from yaml import SafeLoader, compose

from statelift.infra import patch_template
from statelift.model import EnsureResource

MANUAL = PLAIN.replace("CodeUri: src/", "CodeUri: src/\n      Role: arn:aws:iam::123456789012:role/r")


def test_each_template_counts_once_and_refusals_have_reasons(tmp_path):
    one = written(tmp_path / "one", {"a.yaml": PLAIN, "b/template.yaml": PLAIN, "c.yaml": MANUAL})
    two = written(tmp_path / "two", {"serverless.yml": SERVICE, "main.tf": TERRAFORM, "x.yaml": PLAIN})
    found = tally_of([one, two])
    sam, service, terraform = found.values()
    assert (sam.templates, sam.functions, sam.patched, sam.whole) == (2, 2, 1, 1)
    assert [(number, "decided elsewhere" in reason) for reason, number in sam.refused.items()] == [(1, True)]
    assert (service.patched, service.checked) == (1, {"proof": 1})
    assert (terraform.patched, terraform.checked) == (1, {"proof": 2})
    assert not any(tally.failures for tally in found.values())
    assert "SAM, CloudFormation: 2 templates, 2 functions, 1 patched (50.0 %)" in report(found)


def test_a_patcher_that_changes_what_was_there_is_found_out(tmp_path, monkeypatch):
    def broken(path, before, operations):
        del operations
        return (before or b"").replace(b"app.handler", b"other.handler") + b"# more\n"

    monkeypatch.setattr(templates, "patch_file", broken)
    (tally, *_) = tally_of([written(tmp_path, {"a.yaml": PLAIN})]).values()
    assert {failure.partition(":")[0] for failure in tally.failures} == {"untouched", "means", "settles"}


def test_what_is_asked_for_can_be_asked_of_a_template():
    after = patch_template(PLAIN.encode(), operations_for("F", ""))
    assert sum(isinstance(op, EnsureResource) for op in operations_for("F", "")) == 3
    assert is_subsequence(PLAIN.encode(), after)
    assert not is_subsequence(after, PLAIN.encode())
    assert is_subsequence(b"abc\nx", b"a-b-c-\nx")


def test_saying_all_that_was_said():
    def says(old, new):
        return says_all(compose(old, Loader=SafeLoader), compose(new, Loader=SafeLoader))

    assert says("a: {b: 1}\nc: [1, 2]\nd:\n", "a: {b: 1, x: 2}\nc: [0, 1, 2]\nd: {y: 1}\n")
    assert says("p: Name\n", "p: [Name, {}]\n")
    assert not says("a: {b: 1}\n", "a: {b: 2}\n")
    assert not says("a: '1'\n", "a: 1\n")
    assert not says("c: [1, 2]\n", "c: [2, 1]\n")
    assert not says("a: !Ref X\n", "a: X\n")
    assert not says("a: 1\nb: 2\n", "a: 1\n")
