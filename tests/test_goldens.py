"""Every fixture program migrates to exactly the files that a person has read: `make fixtures` writes them."""

import ast
from pathlib import Path

import pytest
from update_goldens import FIXTURES, alternative_cases, asked_cases, cases, chosen_style, kept, migrated

CASES = {**cases(), **asked_cases()}


@pytest.mark.parametrize("name", CASES)
def test_the_migrated_program_is_the_expected_one(name: str) -> None:
    program, golden = CASES[name]
    expected, found = kept(golden), migrated(program)
    assert sorted(found) == sorted(expected), "run `make fixtures` and read the difference"
    for path, data in found.items():
        assert data.decode() == expected[path].decode(), f"{path}: run `make fixtures` and read the difference"


ALTERNATIVES = alternative_cases()


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_each_answer_to_a_finding_is_the_expected_one(name: str) -> None:
    program, golden = ALTERNATIVES[name]
    found = {path: data.decode() for path, data in chosen_style(program, golden.name).items()}
    expected = {path: data.decode() for path, data in kept(golden).items()}
    assert found == expected, "run `make fixtures` and read the difference"


def test_there_are_two_answers_to_each_and_no_old_ones() -> None:
    programs = [golden.parent for _, golden in ALTERNATIVES.values()]
    assert programs
    assert min(programs.count(each) for each in programs) == 2
    assert {folder / "after" for folder in (FIXTURES / "alternatives").iterdir()} == set(programs)
    assert {each for folder in set(programs) for each in folder.iterdir()} == {
        golden for _, golden in ALTERNATIVES.values()
    }


def test_no_program_is_forgotten() -> None:
    fixtures = Path(__file__).parents[1] / "fixtures"
    seeds = {f"seeds/{folder.name}" for folder in (fixtures / "seeds").iterdir() if folder.is_dir()}
    projects = {
        f"projects/{f.name}" for f in (fixtures / "projects").iterdir() if f.is_dir() and f.suffix != ".after"
    }
    styles = {f"styles/{folder.name}" for folder in (fixtures / "styles").iterdir() if folder.is_dir()}
    assert seeds | projects | styles == set(CASES)


@pytest.mark.parametrize("name", [name for name, (_, golden) in CASES.items() if golden.exists()])
def test_the_expected_files_are_valid_python_and_differ_from_the_program(name: str) -> None:
    program, golden = CASES[name]
    before = kept(program)
    for path, data in kept(golden).items():
        assert data != before.get(path)
        if path.endswith(".py"):
            ast.parse(data)
