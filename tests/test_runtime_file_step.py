"""`one_step` of files: what a call reads and then writes is put on condition that nobody came in between."""

import json

import pytest
from test_runtime_world import BUCKET, cloud, container

PATH = "/tmp/count.json"


@pytest.fixture(scope="module", autouse=True)
def _cloud():
    with cloud():
        yield


@pytest.fixture
def module():
    made = container()
    made.FileStore(BUCKET).remove(PATH, missing_ok=True)
    return made


def counting(module, between=lambda: None, **options):
    """A function that adds one to a number in a file; `between` happens after it has read."""
    files = module.FileStore(BUCKET)

    @files.one_step(PATH, **options)
    def add(error=None):
        number = json.loads(files.open(PATH).read()) if files.exists(PATH) else 0
        between()
        with files.open(PATH, "w") as file:
            json.dump(number + 1, file)
        if error is not None:
            raise error
        return number + 1

    return add


def content(module):
    return module.FileStore(BUCKET).open(PATH).read()


def once(*actions):
    """Each of the actions at one call, then nothing more."""
    left = [*actions]
    return lambda: left.pop(0)() if left else None


def test_calls_in_turn_see_what_was_written(module):
    assert [counting(module)(), counting(container())(), counting(module)()] == [1, 2, 3]
    assert content(module) == "3"


@pytest.mark.parametrize("before", [0, 1])
def test_another_call_in_between_is_not_written_over(module, before):
    for _ in range(before):
        counting(module)()
    with pytest.raises(module.StateConflictError, match=r"tmp/count\.json"):
        counting(module, once(counting(container())))()
    assert content(module) == str(before + 1)


def test_with_retry_it_runs_again(module):
    others = [counting(container()) for _ in range(4)]
    assert counting(module, once(*others), retry=True)() == 5
    assert content(module) == "5"


def test_it_gives_up_at_the_tenth(module):
    others = [counting(container()) for _ in range(10)]
    with pytest.raises(module.StateConflictError):
        counting(module, once(*others), retry=True)()
    assert content(module) == "10"


@pytest.mark.parametrize("other", ["remove", "write"])
def test_what_others_do_without_a_step_is_seen_too(module, other):
    counting(module)()
    files = container().FileStore(BUCKET)
    change = {"remove": lambda: files.remove(PATH), "write": lambda: files.write_text(PATH, "7")}[other]
    with pytest.raises(module.StateConflictError):
        counting(module, once(change))()
    assert counting(module)() == {"remove": 1, "write": 8}[other]


def test_what_was_written_before_an_exception_stays(module):
    with pytest.raises(ArithmeticError):
        counting(module)(ArithmeticError())
    assert content(module) == "1"


def test_the_step_sees_its_own_file(module):
    files = module.FileStore(BUCKET)

    @files.one_step(PATH)
    def both():
        seen = [files.exists(PATH)]
        with pytest.raises(FileNotFoundError):
            files.open(PATH)
        files.write_text(PATH, "a")
        files.write_text(PATH, files.open(PATH).read() + "b")
        return [*seen, files.exists(PATH), container().FileStore(BUCKET).exists(PATH)]

    assert both() == [False, True, False]
    assert content(module) == "ab"


def test_a_function_inside_takes_part(module):
    files, add = module.FileStore(BUCKET), counting(module)

    @files.one_step(PATH)
    def twice():
        return [add(), add(), container().FileStore(BUCKET).exists(PATH)]

    assert twice() == [1, 2, False]
    assert content(module) == "2"


def test_other_files_are_no_part_of_it(module):
    files = module.FileStore(BUCKET)

    @files.one_step(PATH)
    def other():
        files.write_text("/tmp/other.txt", "x")
        return container().FileStore(BUCKET).open("/tmp/other.txt").read()

    assert other() == "x"
    assert not files.exists(PATH)


def test_a_call_that_only_reads_writes_nothing(module):
    counting(module)()
    files = module.FileStore(BUCKET)

    @files.one_step(PATH)
    def show():
        counting(container())()
        return files.open(PATH).read()

    assert show() == "2"
    assert content(module) == "2"
