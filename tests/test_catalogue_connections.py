"""The catalogue's connection rows and one program per library: how often they connect, and what statelift says.

`open-connection.json` and `open-libraries.json` list the programs of which something else is said than expected.
They are exact. To write them anew from what is said today: `python tests/test_catalogue_connections.py`.
"""

import json
from collections import Counter

import pytest
from catalogue_rooms import Rooms
from catalogue_verdicts import CATALOGUE, difference, events, expected, listed, programs

from statelift.catalogue import constructors, libraries
from statelift.model import Options, Tier, Verdict
from statelift.planning import make_plan

FAMILIES = ("connection", "libraries")
# Sessions are kept together with their clients; factories of ORM sessions connect to nothing; sqlite is a file.
UNUSED = {
    "boto3.Session",
    "boto3.session.Session",
    "sqlalchemy.orm.sessionmaker",
    "sqlalchemy.orm.scoped_session",
    "sqlite3.connect",
}
PROGRAMS = [(family, program) for family in FAMILIES for program in programs(family)]


@pytest.fixture(scope="module")
def rooms():
    running = Rooms()
    yield running
    running.close()


@pytest.mark.parametrize(("family", "program"), PROGRAMS)
def test_connections_are_opened_as_often_as_stated(family, program, rooms):
    """`calls` is "at import/by all events", in one container."""
    steps = events(family, program)
    done = rooms.run(CATALOGUE / family / program, steps, is_fresh=False)
    replies = [each and each[0] for each in done]
    assert all(reply and reply[0] == "answer" for reply in replies), replies
    _, at_import, in_the_end = done[-1]
    first = done[0][1]
    assert f"{first}/{in_the_end - first}" == expected(family, program)["calls"], at_import


@pytest.mark.parametrize(("family", "program"), PROGRAMS)
def test_what_is_said_is_expected_or_listed(family, program):
    assert difference(family, program) == listed(family).get(program)


@pytest.mark.parametrize(("family", "program"), PROGRAMS)
def test_what_is_left_to_a_person_has_no_change_and_says_why(family, program):
    select = tuple(expected(family, program).get("select", ()))
    for finding in make_plan([CATALOGUE / family / program], Options(select=select)).findings:
        if finding.tier is Tier.MANUAL:
            where, *why = finding.reasons
            assert not finding.changes
            assert why or "builds it in line" not in where, finding


@pytest.mark.parametrize(("family", "program"), PROGRAMS)
def test_the_expectation_is_well_formed(family, program):
    wanted = expected(family, program)
    assert {Verdict(word) for word in wanted["verdicts"]} and wanted["why"]
    assert wanted["tier"] in ({"none"} if wanted["expect"] == "ok" else {"safe", "review", "manual"})
    assert (CATALOGUE / family / program / wanted["path"]).read_text().splitlines()[wanted["line"] - 1].strip()


@pytest.mark.parametrize("family", FAMILIES)
def test_only_programs_that_exist_are_listed(family):
    assert set(listed(family)) <= set(programs(family))


def test_every_row_has_two_programs():
    own = [expected("connection", program) for program in programs("connection")]
    told = Counter(wanted["row"] for wanted in own if not wanted.get("near_miss"))
    assert {f"N{number:02}" for number in range(1, 55) if told[f"N{number:02}"] < 2} == set()


def test_every_library_and_every_constructor_has_a_program():
    own = [expected("libraries", program) for program in programs("libraries")]
    assert {library.name for library in libraries()} == {wanted["library"] for wanted in own}
    used = {form["subject"] for wanted in own for form in (wanted, *wanted.get("forms", ()))}
    assert set(constructors()) - used == UNUSED


def test_programs_that_are_fine_are_as_many_as_those_that_are_not():
    told = Counter(expected("connection", program)["expect"] for program in programs("connection"))
    assert told["ok"] >= told["flag"] > 0


if __name__ == "__main__":
    for family_ in FAMILIES:
        told_ = {program_: difference(family_, program_) for program_ in programs(family_)}
        text_ = json.dumps({name: said for name, said in told_.items() if said}, indent=2, sort_keys=True)
        (CATALOGUE / f"open-{family_}.json").write_text(f"{text_}\n")
