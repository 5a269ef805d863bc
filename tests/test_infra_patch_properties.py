from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from infra_templates import ACCEPTED, EVERY_ACCEPTED, operations_for
from test_infra_patch import is_subsequence

from statelift.infra import patch_template
from statelift.infra.values import plain_of
from statelift.locate.tree import compose_template

CHANGES = operations_for()
QUICK = settings(max_examples=35, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SUBSETS = st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3, unique=True)


def flat(changes):
    return [operation for change in changes for operation in change]


@QUICK
@given(st.sampled_from(sorted(EVERY_ACCEPTED)), SUBSETS, st.randoms(use_true_random=False))
def test_the_order_of_operations_does_not_matter(name, changes, random):
    before = EVERY_ACCEPTED[name].encode()
    operations = flat(changes)
    shuffled = random.sample(operations, len(operations))
    assert patch_template(before, shuffled) == patch_template(before, operations)


@QUICK
@given(st.sampled_from(sorted(EVERY_ACCEPTED)), SUBSETS, SUBSETS)
def test_one_change_after_the_other_equals_both_at_once(name, first, second):
    before = EVERY_ACCEPTED[name].encode()
    step = patch_template(before, flat(first))
    assert patch_template(step, flat([*first, *second])) == patch_template(before, flat([*first, *second]))


@QUICK
@given(st.sampled_from(sorted(ACCEPTED)), SUBSETS)
def test_any_subset_only_adds_lines(name, changes):
    after = patch_template(ACCEPTED[name].encode(), flat(changes)).decode()
    assert is_subsequence(ACCEPTED[name].splitlines(), after.splitlines())


def pruned(new, old):
    """`new` without the keys and items that `old` does not have."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {key: pruned(new[key], old[key]) for key in old}
    if isinstance(new, list) and isinstance(old, list) and new != old:
        return [item for item in new if item in old]
    return old if old == ("tag:yaml.org,2002:null", "") else new


@QUICK
@given(st.sampled_from(sorted(ACCEPTED)), SUBSETS)
def test_the_old_tree_is_inside_the_new_one(name, changes):
    before = ACCEPTED[name].encode()
    old = plain_of(compose_template(before).root)
    new = plain_of(compose_template(patch_template(before, flat(changes))).root)
    assert pruned(new, old) == old


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\ufeff"),
    max_size=30,
)


@QUICK
@example("\U000e0000", "plain")
@example("\U000e0001 \x7f", "json")
@given(TEXTS, st.sampled_from(["plain", "json", "resources-flow", "crlf"]))
@example("\U000e0041 unseen \U0001f600", "plain")
@example("\U000e0041 unseen \U0001f600", "json")
@example("\U000e0041 unseen \U0001f600", "resources-flow")
def test_any_origin_survives(origin, name):
    from dataclasses import replace

    from infra_templates import RESOURCES
    from test_infra_patch import values

    resource = replace(RESOURCES[0], properties=(("origin", origin),))
    after = patch_template(EVERY_ACCEPTED[name].encode(), [resource])
    assert values(after)["Resources"]["OrdersTable"]["Metadata"]["statelift"]["origin"] == origin
