"""Changes of the text that do not change what a program keeps do not change what we say; others do.

`fixtures/open-metamorphic.json` lists, per transformation, the programs for which that does not hold yet, with the
chance that shows it and what is said. It is exact. To write it anew: `python tests/test_metamorphic.py`.
Every pair of program and transformation is tried by `make test-all`.
"""

import json
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random

import metamorphoses as keeping
import metamorphoses_breaking as breaking
import metamorphoses_split as splitting
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from metamorphoses import Entry, Text

from statelift.analysis import analyse_project
from statelift.discover import Project, discover
from statelift.model import Options, Tier, Verdict

FIXTURES = Path(__file__).parents[1] / "fixtures"
LIST = FIXTURES / "open-metamorphic.json"
FAMILIES = ("session", "noop", "counter", "connection", "tmp")
KEEPING = {
    each.__name__: each
    for each in (
        keeping.unparse, keeping.add_comments, keeping.add_docstrings, keeping.add_hints, keeping.rename,
        keeping.reorder, keeping.add_dead_code, keeping.add_logging, keeping.wrap_in_try, keeping.extract_helper,
        splitting.split_from, splitting.split_star, splitting.split_import, splitting.split_alias,
    )
}  # fmt: skip
BREAKING = {
    "poison": (breaking.poison, Verdict.CACHE, "SL101"),
    "read_without_fallback": (breaking.read_without_fallback, Verdict.CACHE, "SL101"),
    "drop_fallback": (breaking.drop_fallback, Verdict.CACHE, "SL101"),
    "keep_event": (breaking.keep_event, Verdict.LAZY_CLIENT, "SL103"),
    "condition_kill": (breaking.condition_kill, Verdict.REQUEST_SCOPED, "SL103"),
    "delete_kill": (breaking.delete_kill, Verdict.REQUEST_SCOPED, "SL103"),
    "read_before_write": (breaking.read_before_write, Verdict.SCRATCH, "SL301"),
}
CHANCES = 4  # different seeds per program and transformation
SILENT = (Verdict.CONSTANT, Verdict.NOT_REACHABLE)


def unsettled():
    """The programs of the catalogue whose verdict is not yet the right one."""
    return {
        f"{f}/{name}"
        for f in FAMILIES
        for name in json.loads((FIXTURES / "catalogue" / f"open-{f}.json").read_text())
    }


def folders():
    seeds = {f"seeds/{path.parent.name}": path for path in FIXTURES.glob("seeds/*/before")}
    found = [
        path.parent for family in FAMILIES for path in (FIXTURES / "catalogue" / family).glob("*/*/expected.json")
    ]
    variants = {str(path.relative_to(FIXTURES / "catalogue")): path for path in found}
    return {**seeds, **{name: path for name, path in variants.items() if name not in unsettled()}}


PROGRAMS = folders()


def files_of(project):
    """The text of the Python files, and of all others together."""
    texts = {name: (project.root / name).read_text(errors="replace") for name in project.files}
    python = {name: text for name, text in texts.items() if name.endswith(".py")}
    return python, "\n".join(text for name, text in texts.items() if name not in python and not is_ours(name))


def is_ours(name):
    return name in ("expected.json", "events.json", "http.json", "resources.json")


@cache
def project_of(program):
    return discover([PROGRAMS[program]])


@cache
def original(program):
    """The program as a text, and what is said of it."""
    project = project_of(program)
    analysis = analyse_project(project, Options(), {})
    assert analysis.problems == ()
    entries = {Entry(e.path, e.attribute) for each in analysis.workspaces for e in each.program.root.entries}
    cells = {(j.subject.path, j.subject.symbol) for _, j, _ in analysis.judgements}
    python, others = files_of(project)
    return Text(python, others, frozenset(entries), frozenset(cells)), analysis


def analysed(program, text):
    """What is said of a program with another text."""
    project = project_of(program)
    files = tuple(sorted({*project.files, *text.files}))
    wanted = tuple(name for name in files if name.endswith(".py"))
    changed = {path: data.encode() for path, data in text.files.items()}
    return analyse_project(Project(project.root, files, wanted, ()), Options(), changed)


def told(analysis, names):
    """Rule, symbol and verdict of all that is judged, with the new names for the old ones, and what is SAFE of it.

    A change may get harder to write, and another tier is no other judgement: but nothing becomes SAFE by that.
    """
    judged = [(j, f"{j.rule} {named(j, names)} {j.verdict}") for _, j, _ in analysis.judgements]
    safe = {line for j, line in judged if not j.is_left_alone and j.tier is Tier.SAFE}
    return Counter(line for j, line in judged if j.verdict not in SILENT), safe


def named(judgement, names):
    symbol = judgement.subject.symbol
    return symbol if judgement.effects else keeping.renamed(symbol, names)


def difference(transformation, program, seed):
    """What is said other than before, "" where nothing is, None where the transformation does not apply."""
    text, before = original(program)
    after = KEEPING[transformation](text, Random(seed))
    if after is None or after.files == text.files:
        return None
    analysis = analysed(program, after)
    assert analysis.problems == ()
    (one, was_safe), (other, is_safe) = told(before, after.names), told(analysis, {})
    lost, found = sorted(one - other), sorted(other - one)
    risen = sorted(is_safe - was_safe) if not (lost or found) else []
    return "; ".join(
        [f"- {each}" for each in lost] + [f"+ {each}" for each in found] + [f"safe {r}" for r in risen]
    )


def silence(transformation, program, seed):
    """What is still said of a suspect that became state, "" where it is reported, None where it does not apply."""
    change, verdict, rule = BREAKING[transformation]
    text, before = original(program)
    suspects = [j for _, j, _ in before.judgements if (j.verdict, j.rule) == (verdict, rule)]
    chance = Random(seed)
    made = [(each.subject, change(text, each.subject, chance)) for each in suspects]
    made = [(subject, after) for subject, after in made if after is not None and after.files != text.files]
    if not made:
        return None
    subject, after = chance.choice(made)
    analysis = analysed(program, after)
    assert analysis.problems == ()
    said = [j for _, j, _ in analysis.judgements if j.subject.symbol == subject.symbol]
    is_reported = any(not j.is_left_alone for j in said)
    return (
        ""
        if is_reported
        else ", ".join(f"{j.verdict} {subject.symbol}" for j in said) or f"nothing of {subject.symbol}"
    )


QUESTIONS = {**dict.fromkeys(KEEPING, difference), **dict.fromkeys(BREAKING, silence)}


@cache
def listed():
    return json.loads(LIST.read_text())


pairs = st.tuples(
    st.sampled_from(sorted(QUESTIONS)), st.sampled_from(sorted(PROGRAMS)), st.integers(0, CHANCES - 1)
)


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(pairs)
def test_what_is_said_changes_only_with_what_is_kept(pair):
    transformation, program, seed = pair
    assume(program not in listed().get(transformation, {}))
    answer = QUESTIONS[transformation](transformation, program, seed)
    assume(answer is not None)
    assert answer == ""


@pytest.mark.parametrize("transformation", sorted(QUESTIONS))
def test_each_transformation_applies_to_some_program(transformation):
    chosen = Random(transformation).sample(sorted(PROGRAMS), len(PROGRAMS))
    assert any(QUESTIONS[transformation](transformation, program, 0) is not None for program in chosen)


@pytest.mark.parametrize(
    ("transformation", "program"), [(t, p) for t, programs in sorted(listed().items()) for p in sorted(programs)]
)
def test_what_is_listed_is_still_wrong(transformation, program):
    known = listed()[transformation][program]
    assert QUESTIONS[transformation](transformation, program, known["chance"]) == known["said"]


@pytest.mark.complete
def test_all_pairs():
    assert not_yet() == listed()


def not_yet(only=None):
    """All that is wrong today, by transformation and program."""
    found = {}
    for transformation in sorted(only or QUESTIONS):
        for program in sorted(PROGRAMS):
            answers = ((seed, QUESTIONS[transformation](transformation, program, seed)) for seed in range(CHANCES))
            wrong = next(((seed, answer) for seed, answer in answers if answer), None)
            if wrong is not None:
                found.setdefault(transformation, {})[program] = {"chance": wrong[0], "said": wrong[1]}
    return found


if __name__ == "__main__":
    wrong = {**(listed() if sys.argv[1:] else {}), **not_yet(sys.argv[1:])}
    LIST.write_text(json.dumps(wrong, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
