"""The catalogue's /tmp rows: what the programs do with a /tmp of their own, and what statelift says of them.

`open-tmp.json` lists the programs of which something else is said than expected. It is exact: a program that starts
to pass has to be taken out. To write it anew from what is said today: `python tests/test_catalogue_tmp.py`.
"""

import json
from collections import Counter

import pytest
from catalogue_rooms import Rooms
from catalogue_verdicts import CATALOGUE, difference, events, expected, listed, programs

from statelift.model import Verdict

PROGRAMS = programs("tmp")


@pytest.fixture(scope="module")
def rooms():
    running = Rooms()
    yield running
    running.close()


@pytest.fixture(scope="module")
def private(rooms):
    if not rooms.are_private():
        pytest.skip("this user may not make mount namespaces, so programs cannot have a /tmp of their own")
    return rooms


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_container_and_a_new_one_per_event_differ_as_stated(program, private):
    root, steps = CATALOGUE / "tmp" / program, events("tmp", program)
    immortal = [reply for reply, _, _ in private.run(root, steps, is_fresh=False)]
    mortal = [reply for reply, _, _ in private.run(root, steps, is_fresh=True)]
    differs = "D" if immortal != mortal else "="
    assert differs == expected("tmp", program)["measured"], list(zip(immortal, mortal, strict=True))
    assert any(reply[0] == "answer" for reply in immortal), immortal


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_said_is_expected_or_listed(program):
    assert difference("tmp", program) == listed("tmp").get(program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_expectation_is_well_formed(program):
    wanted = expected("tmp", program)
    assert {Verdict(word) for word in wanted["verdicts"]} and wanted["why"]
    assert wanted["tier"] in ({"none"} if wanted["expect"] == "ok" else {"review", "manual"})
    assert (CATALOGUE / "tmp" / program / wanted["path"]).read_text().splitlines()[wanted["line"] - 1].strip()


def test_every_row_has_two_programs_and_the_list_only_names_programs():
    told = Counter(expected("tmp", p)["row"] for p in PROGRAMS if not expected("tmp", p).get("near_miss"))
    assert {f"T{number:02}" for number in range(1, 44) if told[f"T{number:02}"] < 2} == set()
    assert set(listed("tmp")) <= set(PROGRAMS)


def test_programs_that_are_fine_are_as_many_as_those_that_are_not():
    told = Counter(expected("tmp", program)["expect"] for program in PROGRAMS)
    assert told["ok"] >= told["flag"] > 0


if __name__ == "__main__":
    told_ = {program_: difference("tmp", program_) for program_ in PROGRAMS}
    text_ = json.dumps({name: said for name, said in told_.items() if said}, indent=2, sort_keys=True)
    (CATALOGUE / "open-tmp.json").write_text(f"{text_}\n")
