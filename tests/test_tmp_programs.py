"""What is said of files in /tmp, on programs that were written to find out whether a rule is understood.

The catalogue's programs say what is wanted; these say it again with other names, other libraries and other
shapes, so that no rule fits the catalogue only.
"""

import pytest
from tmp_programs import PROGRAMS

from statelift.model import Options
from statelift.planning import make_plan

RULES = ("SL1", "SL3")  # memory, for handles and names of files that a container keeps; and files


def planned(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text.lstrip("\n"))
    return make_plan([folder], Options())


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_what_is_said_of_a_program(name, tmp_path):
    wanted, files = PROGRAMS[name]
    plan = planned(tmp_path, files)
    assert plan.errors == ()
    told = {each.symbol: each for each in plan.findings if each.rule.startswith(RULES)}
    assert {symbol: str(each.verdict) for symbol, each in told.items()} == {
        symbol: verdict for symbol, (verdict, _) in wanted.items()
    }
    for symbol, (_, tiers) in wanted.items():
        assert told[symbol].tier.word in tiers.split("|"), told[symbol].reasons


def test_most_programs_are_fine_as_they_are_or_hold_state():
    silent = sum(not wanted for wanted, _ in PROGRAMS.values())
    assert silent > 40 and len(PROGRAMS) - silent > 40
