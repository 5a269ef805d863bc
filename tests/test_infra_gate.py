"""A patch that a validator objects to is not made, where a validator is installed."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from infra_templates import ACCEPTED, ALL, PLAIN, ROLE

from statelift.infra import Refusal
from statelift.infra.patching import patch_file
from statelift.infra.validators import MODULE, _validator, new_findings


@pytest.fixture
def validator(monkeypatch):
    """Installs a validator whose findings are what a function makes of a template's bytes."""

    def install(find):
        module = ModuleType(MODULE)
        module.CelEngine = lambda: SimpleNamespace(
            validate_template=lambda data: SimpleNamespace(diagnostics=list(find(data)))
        )
        monkeypatch.setitem(sys.modules, MODULE, module)
        _validator.cache_clear()

    yield install
    _validator.cache_clear()


def finding(rule, resource, severity="Severity.WARNING"):
    entity = SimpleNamespace(logical_id=resource) if resource else None
    return SimpleNamespace(rule_id=rule, entity=entity, severity=severity, message="lists every id there is")


def test_a_new_finding_refuses_the_patch(validator):
    validator(lambda data: [finding("W1", "OrdersTable")] if b"OrdersTable" in data else [])
    with pytest.raises(Refusal, match="would find W1 at OrdersTable, which it does not find now"):
        patch_file("t.yaml", PLAIN.encode(), ALL)


@pytest.mark.parametrize("resource", ["F", ""])
def test_what_was_found_before_stands_in_no_way(validator, resource):
    validator(lambda data: [finding("E1", resource, "Severity.FATAL")])
    assert b"OrdersTable" in patch_file("t.yaml", PLAIN.encode(), ALL)


def test_the_same_rule_at_another_resource_is_new(validator):
    validator(lambda data: [finding("E1", "F"), *([finding("E1", "")] if b"OrdersTable" in data else [])])
    with pytest.raises(Refusal, match="E1 at the template"):
        patch_file("t.yaml", PLAIN.encode(), ALL)


def test_mere_information_is_none(validator):
    validator(lambda data: [finding("I1", "OrdersTable", "Severity.INFO")] if b"OrdersTable" in data else [])
    assert b"OrdersTable" in patch_file("t.yaml", PLAIN.encode(), ALL)


def test_without_a_validator_nothing_is_new(monkeypatch):
    monkeypatch.setitem(sys.modules, MODULE, None)
    _validator.cache_clear()
    assert new_findings(b"Resources: {}\n", b"Resources: [") == ()
    _validator.cache_clear()


@pytest.mark.parametrize("text", [PLAIN, ROLE, *list(ACCEPTED.values())[:20]])
def test_the_real_validator_finds_nothing_new(text):
    pytest.importorskip(MODULE)
    before = text.encode() if isinstance(text, str) else text
    assert new_findings(before, patch_file("t.yaml", before, ALL)) == ()


def test_the_real_validator_finds_what_is_wrong():
    pytest.importorskip(MODULE)
    _validator.cache_clear()
    wrong = b"Resources:\n  T:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      Foo: 1\n"
    assert ("F3002", "T") in new_findings(b"Resources: {}\n", wrong)
