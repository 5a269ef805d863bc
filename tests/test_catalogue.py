"""The catalogue of variants: programs written from the meaning of each row, what they do, and what we say of them.

`open-<family>.json` lists the programs where the verdict is not yet the expected one, `tiers-<family>.json` those
where only the tier differs. Both are exact: a program that starts to pass has to be taken out. To write them anew
from what is said today: `python tests/test_catalogue.py`.
"""

import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from catalogue_container import Containers

from statelift.model import Finding, Options, Tier, Verdict
from statelift.planning import make_plan

CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue"
FAMILIES = ("session", "noop", "counter")
PROGRAMS = sorted(
    str(path.parent.relative_to(CATALOGUE)) for f in FAMILIES for path in CATALOGUE.glob(f"{f}/*/*/expected.json")
)
NAMES = [name.partition("/")[2] for name in PROGRAMS]
LEFT_ALONE = frozenset({
    Verdict.CONSTANT, Verdict.CACHE, Verdict.LATCH, Verdict.LAZY_CLIENT, Verdict.REQUEST_SCOPED, Verdict.SCRATCH,
    Verdict.EVENT_DEPENDENT, Verdict.POOL, Verdict.NOT_REACHABLE,
})  # fmt: skip


@cache
def expected(program):
    return json.loads((CATALOGUE / program / "expected.json").read_text())


@cache
def rows(family):
    """Row -> D (the replies differ), = (they do not) or L (only the output does)."""
    return json.loads((CATALOGUE / family / "measured.json").read_text())


def code_root(program):
    folder = CATALOGUE / program
    return folder / "src" if (folder / "src").is_dir() else folder


# ---------------------------------------------------------------- what the programs do


@pytest.fixture(scope="module")
def containers():
    running = Containers()
    yield running
    running.close()


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_one_container_and_a_new_one_per_event_differ_as_the_row_says(program, containers):
    steps = json.loads((CATALOGUE / program / "events.json").read_text())
    immortal, its_output = containers.run(code_root(program), steps, is_fresh=False)
    mortal, their_output = containers.run(code_root(program), steps, is_fresh=True)
    assert ["died"] not in mortal + immortal
    wanted = expected(program)
    measured = "=" if wanted.get("near_miss") else rows(program.partition("/")[0])[wanted["row"]]
    measured = wanted.get("measured", measured)
    differs = "D" if immortal != mortal else "L" if its_output != their_output else "="
    assert differs == measured or (measured == "=" and differs == "L"), list(zip(immortal, mortal, strict=True))
    is_broken = "broken" in wanted["verdicts"]
    assert is_broken or any(reply[0] == "answer" for reply in immortal), "at least one call has to work"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_has_a_minimal_program_and_one_in_the_shape_of_real_code(family):
    told = Counter(
        expected(p)["row"] for p in PROGRAMS if p.startswith(family) and not expected(p).get("near_miss")
    )
    assert {row for row in rows(family) if told[row] < 2} == set()


def test_programs_that_are_fine_are_as_many_as_those_that_are_not():
    told = Counter(expected(program)["expect"] for program in PROGRAMS)
    assert told["ok"] >= told["flag"] > 0


# ---------------------------------------------------------------- what we say of them


@cache
def said(program) -> tuple[list[Finding], list[Finding]]:
    """The findings, and the suspects that are left alone."""
    plan = make_plan([CATALOGUE / program], Options())
    if plan.errors:
        raise RuntimeError("; ".join(f"{each.path}:{each.line} {each.kind}" for each in plan.errors))
    return list(plan.findings), list(plan.left_alone)


def is_subject(finding, wanted):
    """Whether a finding is about the cell that the program is about: by its name, or by where it stands."""
    subject = wanted["subject"]
    names = {subject, subject.rpartition(".")[2], subject.partition(".")[0]}
    is_part = finding.symbol.partition(".")[0] == subject
    is_there = (finding.place.path, finding.place.line) == (wanted["path"], wanted["line"])
    return (
        is_there
        or is_part
        or finding.symbol in names
        or finding.symbol.rpartition(".")[2] == subject.rpartition(".")[2]
    )


def told(finding):
    return (
        f"{finding.verdict} {finding.symbol}"
        if finding.tier is None
        else f"flagged: {finding.verdict} {finding.symbol}"
    )


def wrong_verdict(program):
    """What is said today, where it is not what is expected; None where it is."""
    wanted = expected(program)
    try:
        findings, alone = said(program)
    except Exception as error:  # noqa: BLE001 - a crash is an answer, and a wrong one
        return f"crash: {type(error).__name__}: {error}"
    about = [finding for finding in findings if is_subject(finding, wanted)]
    others = sorted(
        {told(each) for each in findings if each not in about and each.symbol not in wanted.get("also", ())}
    )
    kept = [each for each in alone if is_subject(each, wanted) and str(each.verdict) not in wanted["verdicts"]]
    if wanted["expect"] == "ok":
        wrong = [told(each) for each in (*about, *kept)]
    else:
        fitting = [each for each in about if str(each.verdict) in wanted["verdicts"]]
        left = [told(each) for each in alone if is_subject(each, wanted)]
        wrong = [] if fitting else [told(each) for each in about] or left or ["nothing"]
    return "; ".join(sorted({*wrong, *others})) or None


def wrong_tier(program):
    """The tier of the finding, where the verdict is right and the tier is not the expected one."""
    wanted = expected(program)
    if wanted["expect"] == "ok" or wrong_verdict(program) is not None:
        return None
    tiers = [each.tier for each in said(program)[0] if is_subject(each, wanted) and each.tier is not None]
    word = Tier(max(tiers)).word
    return word if word != wanted["tier"] else None


def not_yet(question, family):
    answers = {p.partition("/")[2]: question(p) for p in PROGRAMS if p.startswith(f"{family}/")}
    return {name: answer for name, answer in answers.items() if answer is not None}


LISTS = {"open": wrong_verdict, "tiers": wrong_tier}


def listed(kind, family):
    path = CATALOGUE / f"{kind}-{family}.json"
    return json.loads(path.read_text()) if path.exists() else {}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_what_is_said_is_what_is_expected_or_is_listed(program, kind):
    family, _, name = program.partition("/")
    assert LISTS[kind](program) == listed(kind, family).get(name)


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_only_programs_that_exist_are_listed(family, kind):
    assert set(listed(kind, family)) <= set(NAMES)


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_the_expectation_is_well_formed(program):
    wanted = expected(program)
    assert {Verdict(word) for word in wanted["verdicts"]} <= LEFT_ALONE or wanted["expect"] == "flag"
    assert wanted["verdicts"] or wanted["expect"] == "ok"
    assert wanted["tier"] in {"safe", "review", "manual", "none"} and wanted["why"]
    line = (CATALOGUE / program / wanted["path"]).read_text().splitlines()[wanted["line"] - 1]
    assert wanted["subject"].rpartition(".")[2].strip("()") in line


if __name__ == "__main__":
    for kind_, question_ in LISTS.items():
        for family_ in FAMILIES:
            text = json.dumps(not_yet(question_, family_), indent=2, sort_keys=True, ensure_ascii=False)
            (CATALOGUE / f"{kind_}-{family_}.json").write_text(f"{text}\n")
