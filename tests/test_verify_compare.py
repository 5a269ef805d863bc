"""Comparison: what differs counts, what may differ does not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statelift.verify.playing.compare import IgnoreError, Match, Rules, compare, difference, rules_of, seen, sum_of
from statelift.verify.values import Effect, Event, Observation, Outcome

EVENT = Event("app:handler", "{}")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def observed(reply=None, *, stdout="", effects=(), error="", message=""):
    kind = "exception" if error else "reply"
    outcome = Outcome(kind, json.dumps(reply), error, message)
    return Observation(EVENT, "c1", outcome, stdout=stdout, effects=tuple(effects))


def matched(one, other, rules: Rules = rules_of([], [])):  # noqa: B008 - frozen
    return compare(seen(one, rules), seen(other, rules))


@given(VALUES)
def test_a_reply_equals_itself(value):
    assert matched(observed(value), observed(value)) is Match.EQUAL


@given(VALUES, VALUES)
def test_two_replies_are_equal_only_if_their_json_is(one, other):
    is_same = json.dumps(one) == json.dumps(other)
    found = matched(observed({"value": one}), observed({"value": other}))
    assert (found is Match.EQUAL) is is_same


@given(st.lists(st.integers() | st.text(), min_size=2), st.randoms())
def test_another_order_is_told_apart_from_another_value(values, dice):
    mixed = list(values)
    dice.shuffle(mixed)
    assert matched(observed(values), observed(mixed)) is (Match.EQUAL if mixed == values else Match.ORDER)
    assert matched(observed(values), observed([*mixed, "more"])) is Match.DIFFERENT


@pytest.mark.parametrize("one, other", [(1, "1"), (1, True), (0, None), (1, 1.0), ("a", "A"), ([], {}), ("", None)])
def test_values_that_are_easily_taken_for_each_other_differ(one, other):
    assert matched(observed(one), observed(other)) is Match.DIFFERENT


def test_a_body_counts_as_what_it_holds():
    one = observed({"body": '{"a": 1,  "b": 2}'})
    assert matched(one, observed({"body": '{"a": 1, "b": 2}'})) is Match.EQUAL
    assert matched(one, observed({"body": '{"a": 1, "b": 3}'})) is Match.DIFFERENT
    assert matched(observed({"body": "{no json"}), observed({"body": "{no  json"})) is Match.DIFFERENT


def test_errors_compare_by_name_and_message_without_addresses():
    one = observed(error="KeyError", message="<app.A object at 0x7f00aa11bb22>")
    assert matched(one, observed(error="KeyError", message="<app.A object at 0x7fff12345678>")) is Match.EQUAL
    assert matched(one, observed(error="TypeError", message="<app.A object at 0x7f00aa11bb22>")) is Match.DIFFERENT
    assert matched(one, observed(error="KeyError", message="'a'")) is Match.DIFFERENT


def metric_line(stamp=1_700_000_000_000, **others):
    """A line of CloudWatch's embedded metric format: two requests."""
    named = {"Namespace": "shop", "Dimensions": [[]], "Metrics": [{"Name": "Requests"}], **others}
    return json.dumps({"_aws": {"Timestamp": stamp, "CloudWatchMetrics": [named]}, "Requests": 2, "Beside": 5})


@pytest.mark.parametrize(
    "line",
    [
        metric_line(stamp=1_701_000_000_000), metric_line(stamp=None), json.dumps({"_aws": {}, "Requests": 2}),
        json.dumps({"_aws": {"Timestamp": 1_700_000_000_000}, "Requests": 2}),
    ],
)  # fmt: skip
def test_a_line_that_cloudwatch_would_not_read_is_output(line):
    assert matched(observed(1), observed(1, stdout=line)) is Match.DIFFERENT


@pytest.mark.parametrize("others", [{"Namespace": ""}, {"Metrics": []}, {"Metrics": [{"Name": "Other"}]}])
def test_only_the_metrics_that_a_line_names_count(others):
    assert sum_of([seen(observed(stdout=metric_line(**others)), rules_of([], []))]) == {}


def test_output_counts_but_not_the_metrics_in_it():
    line = metric_line()
    assert matched(observed(1, stdout="hello\n"), observed(1, stdout=f"hello\n{line}\n")) is Match.EQUAL
    assert matched(observed(1, stdout="hello\n"), observed(1)) is Match.DIFFERENT
    assert matched(observed(1, stdout="a\nb\n"), observed(1, stdout="b\na\n")) is Match.ORDER
    rules = rules_of([], [])
    assert sum_of([seen(observed(stdout=f"{line}\n{line}\n"), rules), seen(observed(stdout=line), rules)]) == {
        "Requests": 6
    }


def test_effects_count_but_for_the_state_store_reads_and_what_was_sent_again():
    publish = Effect("aws", "sns", "Publish", "news", '{"Message": "hi"}')
    other = Effect("aws", "sns", "Publish", "news", '{"Message": "ho"}')
    rules = rules_of([], ["StateTable"])
    ignored = [
        Effect("aws", "dynamodb", "UpdateItem", "StateTable", "{}"),
        Effect("aws", "dynamodb", "GetItem", "orders", "{}"),
        Effect("aws", "sns", "Publish", "news", '{"Message": "hi"}', fault="lost"),
    ]  # fmt: skip
    assert matched(observed(1, effects=[publish]), observed(1, effects=[*ignored, publish]), rules) is Match.EQUAL
    assert matched(observed(1, effects=[publish]), observed(1), rules) is Match.DIFFERENT
    assert matched(observed(1, effects=[publish]), observed(1, effects=[other]), rules) is Match.DIFFERENT
    assert (
        matched(observed(1, effects=[publish, other]), observed(1, effects=[other, publish]), rules) is Match.ORDER
    )
    found = difference(seen(observed(1, effects=[publish]), rules), seen(observed(1), rules))
    assert found is not None
    assert found.aspect == "effects"


@pytest.mark.parametrize("path", ["body.id", "$.body.id", "items[*].at", "items[0].at", "*.id"])
def test_ignored_paths(path):
    one = {"body": '{"id": 1, "v": 2}', "items": [{"at": 1}]}
    changed = {"body": '{"id": 9, "v": 2}', "items": [{"at": 1}]} if "id" in path else {**one, "items": [{"at": 9}]}
    assert matched(observed(one), observed(changed)) is Match.DIFFERENT
    assert matched(observed(one), observed(changed), rules_of([path], [])) is Match.EQUAL
    other = {"body": '{"id": 1, "v": 3}', "items": []}
    assert matched(observed(one), observed(other), rules_of([path], [])) is Match.DIFFERENT


def test_parts_can_be_ignored_as_a_whole():
    effect = Effect("aws", "sns", "Publish", "news", "{}")
    one, other = observed(1, stdout="a\n", effects=[effect]), observed(1, stdout="b\n")
    assert matched(one, other, rules_of(["@stdout"], [])) is Match.DIFFERENT
    assert matched(one, other, rules_of(["@stdout", "@effects"], [])) is Match.EQUAL


@pytest.mark.parametrize("path", ["", "$", "a[", "@output"])
def test_a_path_that_is_none_is_refused(path):
    with pytest.raises(IgnoreError, match="--ignore"):
        rules_of([path], [])
