"""What statelift says of a program of the catalogue, and how that differs from its expected.json."""

import json
import re
from functools import cache
from pathlib import Path

from statelift.model import Options
from statelift.planning import make_plan

CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue"
SILENT = {"constant", "not-reachable", "scratch"}  # verdicts that a scan need not print


def programs(family):
    """The folders of a family's programs, relative to the family."""
    folder = CATALOGUE / family
    return sorted(str(path.parent.relative_to(folder)) for path in folder.rglob("expected.json"))


@cache
def expected(family, program):
    return json.loads((CATALOGUE / family / program / "expected.json").read_text())


def events(family, program):
    return json.loads((CATALOGUE / family / program / "events.json").read_text())


def listed(family):
    """The programs of open-<family>.json, with what is said of them today."""
    return json.loads((CATALOGUE / f"open-{family}.json").read_text())


@cache
def difference(family, program):
    """What is said today, where it is not what expected.json asks for; None where it is."""
    wanted = expected(family, program)
    forms = [{**wanted, **form} for form in (wanted, *wanted.get("forms", ()))]
    plan = make_plan([CATALOGUE / family / program], Options(select=tuple(wanted.get("select", ()))))
    assert plan.errors == ()
    allowed = wanted.get("also", ())
    mine = [each for each in plan.findings if any(is_about(each, form) for form in forms)]
    others = [told(each) for each in plan.findings if each not in mine and each.symbol not in allowed]
    wrong = {f"line {form['line']}: {each}" for form in forms for each in wrong_form(plan, form)}
    is_one = len(forms) == 1
    return "; ".join(sorted({each.partition(": ")[2] if is_one else each for each in wrong} | {*others})) or None


def wrong_form(plan, wanted):
    """What is said of one place, where it is not what is expected."""
    about = [each for each in plan.findings if is_about(each, wanted)]
    alone = [each for each in plan.left_alone if is_about(each, wanted)]
    return wrong_alone(alone, about, wanted) if wanted["expect"] == "ok" else wrong_flag(alone, about, wanted)


def wrong_flag(alone, about, wanted):
    fits = bool(about) and all(
        str(f.verdict) in wanted["verdicts"] and f.tier.word == wanted["tier"] for f in about
    )
    return [] if fits else [told(each) for each in (*about, *alone)] or ["nothing"]


def wrong_alone(alone, about, wanted):
    unfit = [told(each) for each in alone if str(each.verdict) not in wanted["verdicts"]]
    is_silent = not alone and not about and not SILENT & set(wanted["verdicts"])
    return [*(told(each) for each in about), *unfit, *(["nothing"] if is_silent else [])]


def told(finding):
    tier = f" ({finding.tier.word})" if finding.tier is not None else ""
    return f"{finding.verdict}{tier} {finding.symbol}"


def is_about(finding, wanted):
    """Whether a finding is about the program's subject: by where it stands, or by its name."""
    lines = {(use.path, use.line) for use in finding.uses} | {(finding.place.path, finding.place.line)}
    is_named = "forms" not in wanted and plain(finding.symbol) == plain(wanted["subject"])
    return is_named or (wanted["path"], wanted["line"]) in lines


def plain(symbol):
    return re.sub(r"\{[^{}]*\}", "{}", symbol)
