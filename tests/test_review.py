"""What a person is asked, what an answer brings with it, and what is kept."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statelift.model import Change, Finding, Options, Place, Plan, Tier, Verdict
from statelift.review import review


def finding(name, path, *changes):
    return Finding(
        id=name,
        rule="SL101",
        name="session-store",
        family="memory",
        place=Place(path, 3),
        symbol=name,
        verdict=Verdict.STATE,
        message=f"{name} is kept in the container",
        reasons=(),
        handlers=("app.handler",),
        uses=(),
        tier=Tier.REVIEW,
        changes=changes,
    )


def change(name, *, tier=Tier.SAFE, of=None, needs=(), decision=None):
    return Change(name, "SL101", tier, f"Title of {name}", (f"reason of {name}",), (), of, needs, decision)


def plan_of(findings, changes):
    return Plan("/r", Options(), (), tuple(findings), (), tuple(changes), ())


class Person:
    """Answers from a script, then no more input; remembers all that was shown, asked and saved."""

    def __init__(self, answers):
        self.answers = iter(answers.split())
        self.shown = []
        self.asked = []
        self.saved = []

    def ask(self, prompt):
        self.asked.append(prompt)
        try:
            return next(self.answers)
        except StopIteration:
            raise EOFError from None

    @property
    def said(self):
        return "\n".join(self.shown)

    def review(self, plan):
        return review(
            plan,
            self.ask,
            self.shown.append,
            lambda change: f"<{change.id}>",
            self.saved.append,
            lambda finding: f"explained {finding.id}",
        )


def decisions(plan):
    return {change.id: change.decision for change in plan.changes}


def presented(person):
    return [text.strip("<>") for text in person.shown if text.startswith("<")]


@pytest.fixture
def three():
    """Two changes in a.py, one in b.py."""
    return plan_of(
        [finding("F1", "a.py", "c1"), finding("F2", "a.py", "c2"), finding("F3", "b.py", "c3")],
        [change("c1"), change("c2", tier=Tier.REVIEW), change("c3")],
    )


@pytest.fixture
def leak():
    """Two answers to one finding, then another finding."""
    return plan_of(
        [finding("F1", "a.py", "local", "store"), finding("F2", "b.py", "other")],
        [change("local", of="F1"), change("store", of="F1"), change("other")],
    )


@pytest.fixture
def chain():
    """`user` needs `base`."""
    return plan_of(
        [finding("F1", "a.py", "base"), finding("F2", "b.py", "user")],
        [change("base"), change("user", needs=("base",))],
    )


def test_each_answer_is_decided_and_saved(three):
    person = Person("y n y")
    result = person.review(three)
    assert decisions(result) == {"c1": "accepted", "c2": "rejected", "c3": "accepted"}
    assert [decisions(plan) for plan in person.saved] == [
        {"c1": "accepted", "c2": None, "c3": None},
        {"c1": "accepted", "c2": "rejected", "c3": None},
        {"c1": "accepted", "c2": "rejected", "c3": "accepted"},
    ]
    assert "2 accepted, 1 rejected, 0 undecided" in person.said


def test_a_change_is_shown_with_title_tier_reason_and_description(three):
    person = Person("q")
    person.review(three)
    assert person.shown[0].startswith("[1/3] SL101 safe: Title of c1")
    assert "a.py:3:1 SL101 session-store" in person.shown[0]
    assert "reason of c1" in person.shown[0]
    assert person.shown[1] == "<c1>"


def test_decided_and_manual_changes_are_not_asked():
    changes = [
        change("done", decision="accepted"),
        change("no", decision="rejected"),
        change("hand", tier=Tier.MANUAL),
        change("open", tier=Tier.REVIEW),
    ]
    person = Person("y")
    result = person.review(plan_of([], changes))
    assert presented(person) == ["open"]
    assert decisions(result) == {"done": "accepted", "no": "rejected", "hand": None, "open": "accepted"}


def test_nothing_waits():
    person = Person("")
    plan = plan_of([], [change("hand", tier=Tier.MANUAL)])
    assert person.review(plan) == plan
    assert person.asked == []
    assert "Nothing waits" in person.said


@pytest.mark.parametrize("answers", ["y q", "y"], ids=["quit", "end-of-input"])
def test_stopping_keeps_what_was_decided(three, answers):
    person = Person(answers)
    result = person.review(three)
    assert decisions(result) == {"c1": "accepted", "c2": None, "c3": None}
    assert person.saved == [result]


def test_later_skips_the_rest_of_the_file(three):
    person = Person("d y")
    result = person.review(three)
    assert presented(person) == ["c1", "c3"]
    assert decisions(result) == {"c1": None, "c2": None, "c3": "accepted"}
    assert len(person.saved) == 1


def test_changes_of_one_file_are_asked_together(three):
    first, second, third = three.changes
    person = Person("n n n")
    person.review(replace(three, changes=(first, third, second)))
    assert presented(person) == ["c1", "c2", "c3"]


def test_help_explain_and_unknown_keys_ask_again(three):
    person = Person("? x z Y")
    result = person.review(replace(three, changes=three.changes[:1]))
    assert "reject this change" in person.said
    assert "explained F1" in person.said
    assert "'z' is no answer here" in person.said
    assert decisions(result)["c1"] == "accepted"
    assert presented(person) == ["c1"]


def test_back_over_a_saved_decision_decides_anew(three):
    person = Person("y b n y y")
    result = person.review(three)
    assert presented(person) == ["c1", "c2", "c1", "c2", "c3"]
    assert "so far: accepted" in person.said
    assert decisions(result) == {"c1": "rejected", "c2": "accepted", "c3": "accepted"}
    assert decisions(person.saved[-1]) == decisions(result)


def test_back_then_quit_keeps_the_earlier_decision(three):
    result = Person("y b q").review(three)
    assert decisions(result)["c1"] == "accepted"


def test_back_from_the_first_change_says_so(three):
    person = Person("b q")
    person.review(three)
    assert "This is the first change." in person.said


def test_back_twice_reaches_every_change_again(three):
    person = Person("y n b b q")
    person.review(three)
    assert presented(person) == ["c1", "c2", "c3", "c2", "c1"]


def test_back_after_later_returns_to_where_it_was_said(three):
    person = Person("y d b n n")
    result = person.review(three)
    assert presented(person) == ["c1", "c2", "c3", "c2", "c3"]
    assert decisions(result) == {"c1": "accepted", "c2": "rejected", "c3": "rejected"}


def test_choosing_one_alternative_rejects_the_other(leak):
    person = Person("y n")
    result = person.review(leak)
    assert presented(person) == ["local", "other"]
    assert decisions(result) == {"local": "accepted", "store": "rejected", "other": "rejected"}
    assert decisions(person.saved[0]) == {"local": "accepted", "store": "rejected", "other": None}
    assert "store is rejected because of local" in person.said
    assert "or, instead: store Title of store" in person.said


def test_rejecting_one_alternative_leaves_the_other_open(leak):
    result = Person("n y n").review(leak)
    assert decisions(result) == {"local": "rejected", "store": "accepted", "other": "rejected"}


def test_going_back_on_an_alternative_reopens_its_sibling(leak):
    person = Person("y b n y n")
    result = person.review(leak)
    assert presented(person) == ["local", "other", "local", "store", "other"]
    assert "store is undecided again because of local" in person.said
    assert decisions(result) == {"local": "rejected", "store": "accepted", "other": "rejected"}


def test_a_rejected_need_can_be_accepted_along(chain):
    person = Person("n y y")
    result = person.review(chain)
    assert "user needs base (Title of base), which is rejected." in person.said
    assert decisions(result) == {"base": "accepted", "user": "accepted"}
    assert len(person.saved) == 2


def test_without_its_need_a_change_stays_undecided(chain):
    person = Person("n y n q")
    result = person.review(chain)
    assert "Nothing decided." in person.said
    assert decisions(result) == {"base": "rejected", "user": None}


def test_an_undecided_need_is_asked_for_too(chain):
    base, user = chain.changes
    person = Person("y y")
    result = person.review(replace(chain, changes=(user, base)))
    assert "which is undecided" in person.said
    assert decisions(result) == {"base": "accepted", "user": "accepted"}
    assert presented(person) == ["user"]


def test_end_of_input_inside_the_question_decides_nothing(chain):
    result = Person("n y").review(chain)
    assert decisions(result) == {"base": "rejected", "user": None}


def test_rejecting_a_need_reopens_what_was_accepted_with_it(chain):
    person = Person("y y")
    plan = person.review(replace(chain, changes=(*chain.changes, change("last"))))
    assert decisions(plan) == {"base": "accepted", "user": "accepted", "last": None}
    person = Person("y y b b n y n d")
    plan = person.review(replace(chain, changes=(*chain.changes, change("last"))))
    assert "user is undecided again because of base" in person.said
    assert decisions(plan)["user"] is None


def test_a_reopened_change_that_was_passed_is_asked_at_the_end(chain):
    base, user = chain.changes
    earlier = (replace(user, decision="accepted"), base)
    person = Person("n n")
    result = person.review(replace(chain, changes=earlier))
    assert presented(person) == ["base", "user"]
    assert decisions(result) == {"user": "rejected", "base": "rejected"}


def test_a_need_that_is_done_by_hand_blocks():
    person = Person("y q")
    plan = plan_of([], [change("hand", tier=Tier.MANUAL), change("user", needs=("hand",))])
    assert decisions(person.review(plan)) == {"hand": None, "user": None}
    assert "user cannot be accepted: hand (Title of hand) has to be done by hand." in person.said


def test_needs_that_exclude_each_other_block():
    person = Person("y q")
    changes = [change("user", needs=("one", "two")), change("one", of="F1"), change("two", of="F1")]
    result = person.review(plan_of([finding("F1", "a.py", "one", "two")], changes))
    assert set(decisions(result).values()) == {None}
    assert "only one can be written" in person.said


def test_taking_a_need_along_tells_which_accepted_answer_it_displaces():
    changes = [
        change("one", of="F1", decision="accepted"),
        change("two", of="F1", decision="rejected"),
        change("user", needs=("two",)),
    ]
    person = Person("y y")
    result = person.review(plan_of([finding("F1", "a.py", "one", "two")], changes))
    assert "Accepting two rejects one (Title of one)." in person.said
    assert decisions(result) == {"one": "rejected", "two": "accepted", "user": "accepted"}


def test_what_comes_from_the_plan_cannot_control_the_terminal(three):
    hostile = replace(three.changes[0], title="\x1b[2Jgone\u202e", id="c\x07")
    person = Person("y")
    person.review(replace(three, changes=(hostile,)))
    ours = [text for text in person.shown if not text.startswith("<")]
    everything = "".join([*ours, *person.asked])
    assert not {"\x1b", "\x07", "\u202e"} & set(everything)
    assert r"\x1b[2Jgone\u202e" in everything


names = [f"c{number}" for number in range(6)]
some_changes = st.tuples(
    *(
        st.builds(
            change,
            st.just(name),
            tier=st.sampled_from(Tier),
            of=st.sampled_from([None, "F1", "F2"]),
            needs=st.lists(st.sampled_from(names), max_size=2, unique=True).map(tuple),
        )
        for name in names
    )
)


@settings(max_examples=200, deadline=None)
@given(some_changes, st.lists(st.sampled_from("yyyynnbbdx"), max_size=30))
def test_no_walk_ends_in_decisions_that_break_the_program(changes, answers):
    plan = plan_of([finding("F1", "a.py"), finding("F2", "b.py")], changes)
    person = Person(" ".join(answers))
    result = person.review(plan)
    for state in [*person.saved, result]:
        accepted = [change for change in state.changes if change.decision == "accepted"]
        ids = {change.id for change in accepted}
        chosen = [change.alternatives_of for change in accepted if change.alternatives_of]
        assert all(ids.issuperset(change.needs) for change in accepted)
        assert len(chosen) == len(set(chosen))
        assert all(change.tier is not Tier.MANUAL for change in accepted)
    assert ([plan, *person.saved])[-1] == result
