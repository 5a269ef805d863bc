"""Facts that are kept, or taken in other processes, are those that are taken here."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from statelift import gathering
from statelift.analysis import analyse_project
from statelift.cache import open_cache
from statelift.discover import discover
from statelift.facts.values import ModuleFacts
from statelift.gathering import Gatherer, facts_of
from statelift.model import Options, Problem, SourceFile
from statelift.planfile import save_plan
from statelift.planning import plan_of

FIXTURES = Path(__file__).parents[1] / "fixtures"
PROJECTS = [FIXTURES / "projects" / name for name in ("shop", "package", "plain")]
PROJECTS += sorted((FIXTURES / "deployments").glob("*/before"))[:3]
STORE = b"SEEN = {}\ndef handler(event, context):\n    SEEN[event['id']] = 1\n    return SEEN.get('a')\n"
BROKEN = SourceFile("broken.py", b"def f(:\n")
DEEP = SourceFile("deep.py", b"x = " + b"-" * 900 + b"1\n")


def own(number=0):
    return SourceFile(f"app{number}.py", STORE + b"# %d\n" % number)


@pytest.fixture(scope="module")
def many():
    files = [SourceFile(str(path), path.read_bytes()) for path in sorted(FIXTURES.rglob("*.py"))[::50]]
    return [*files, BROKEN, DEEP, own()]


@pytest.fixture(scope="module")
def here(many):
    return Gatherer().facts(many)


@pytest.fixture
def cache(tmp_path):
    return open_cache(tmp_path / "cache")


@pytest.fixture
def counted(monkeypatch):
    """Which files were analysed."""
    seen = []

    def counting(file):
        seen.append(file.path)
        return facts_of(file)

    monkeypatch.setattr(gathering, "facts_of", counting)
    return seen


def saved(folder, cache, tmp_path):
    analysis = analyse_project(discover([folder]), Options(), {}, gatherer=Gatherer(cache))
    save_plan(plan_of(analysis, Options()), tmp_path / "plan.json")
    return (tmp_path / "plan.json").read_bytes()


# ---------------------------------------------------------------- kept


def test_there_is_something_to_compare(many, here):
    assert len(many) > 20
    assert sum(isinstance(each, Problem) for each in here) == 2
    assert any(each.connections for each in here if isinstance(each, ModuleFacts))


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_a_warm_plan_is_byte_for_byte_the_cold_one(folder, cache, tmp_path, counted):
    without = saved(folder, None, tmp_path)
    cold = saved(folder, cache, tmp_path)
    del counted[:]
    assert saved(folder, cache, tmp_path) == cold == without
    assert counted == []


def test_facts_come_back_as_they_were(many, here, cache):
    assert Gatherer(cache).facts(many) == here
    assert Gatherer(cache).facts(many) == here


def test_what_is_no_facts_is_worked_out_again(cache, counted):
    """Whole and written for this key, but by a program that kept something else there."""
    cache.write(gathering._key(own()), b"\x81\xa4path\x01")
    assert Gatherer(cache).facts([own()]) == [facts_of(own())]
    assert Gatherer(cache).facts([own()]) == [facts_of(own())]
    assert counted == ["app0.py"]


def test_one_changed_byte_is_another_file(cache, counted):
    Gatherer(cache).facts([own()])
    changed = SourceFile("app0.py", own().data.replace(b"'a'", b"'b'"))
    assert Gatherer(cache).facts([changed]) == [facts_of(changed)]
    assert len(counted) == 2


def test_the_same_bytes_elsewhere_have_places_of_their_own(cache):
    Gatherer(cache).facts([own()])
    (moved,) = Gatherer(cache).facts([SourceFile("other.py", own().data)])
    assert {access.place.path for access in moved.accesses} == {"other.py"}


def test_another_version_of_the_tool_finds_nothing(cache, counted, monkeypatch):
    Gatherer(cache).facts([own()])
    monkeypatch.setattr(gathering, "_program", lambda: b"another")
    Gatherer(cache).facts([own()])
    assert len(counted) == 2


def test_any_change_of_the_code_that_takes_facts_is_another_version(monkeypatch):
    texts = dict.fromkeys(Path(gathering.__file__).parent.rglob("facts/*.py"), b"")
    assert len(texts) > 40
    read, before = Path.read_bytes, gathering._program.__wrapped__()
    for changed in (next(iter(texts)), Path(gathering.__file__).with_name("source.py")):
        monkeypatch.setattr(Path, "read_bytes", lambda path, new=changed: read(path) + b"#" * (path == new))
        assert gathering._program.__wrapped__() != before
    monkeypatch.undo()
    monkeypatch.setattr(sys, "version", "3.99")
    assert gathering._program.__wrapped__() != before


def test_problems_are_not_kept(cache, counted):
    """Too little memory, a newer Python: another run may fare better."""
    assert Gatherer(cache).facts([BROKEN]) == Gatherer(cache).facts([BROKEN])
    assert len(counted) == 2


def test_a_text_that_is_no_unicode_is_not_kept_and_not_lost(cache, tmp_path):
    file = SourceFile("app.py", b"import os\ndef handler(event, context):\n    os.environ['\\ud800'] = 'x'\n")
    with ThreadPoolExecutor(1) as executor:
        found = Gatherer(cache).facts([file]), Gatherer(executor=executor).facts([file])
    assert found == ([facts_of(file)], [facts_of(file)])


def test_each_file_is_analysed_once(counted):
    gatherer = Gatherer()
    gatherer.facts([own(1), own(2), own(1)])
    gatherer.facts([own(2), own(3)])
    assert sorted(counted) == ["app1.py", "app2.py", "app3.py"]
    gatherer.forget()
    gatherer.facts([own(1)])
    assert len(counted) == 4


# ---------------------------------------------------------------- elsewhere


def test_an_executor_gives_the_same_facts_and_problems_in_the_same_order(many, here, monkeypatch):
    monkeypatch.setattr(gathering, "BYTES_PER_TASK", 2_000)
    with ThreadPoolExecutor(4) as executor:
        assert Gatherer(executor=executor).facts(many) == here


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_give_the_same_facts_and_problems(many, here, monkeypatch, method):
    context = gathering.multiprocessing.get_context(method)
    monkeypatch.setattr(gathering, "_context", lambda: context)
    monkeypatch.setattr(gathering, "PAYS_FROM", 0)
    monkeypatch.setattr(gathering, "BYTES_PER_TASK", 5_000)
    assert Gatherer(jobs=2).facts(many) == here


def test_progress_counts_up_to_the_number_of_files(many, monkeypatch):
    told = []
    with ThreadPoolExecutor(2) as executor:
        Gatherer(executor=executor).facts(many, lambda *each: told.append(each))
    assert told == [("analysing", number, len(many)) for number in range(1, len(many) + 1)]


PARENT = os.getpid()


def dies_elsewhere(files):
    if os.getpid() != PARENT and any(file.path == "app3.py" for file in files):
        os._exit(9)
    return [facts_of(file) for file in files]


def test_where_a_process_dies_the_rest_is_done_here(monkeypatch):
    files = [own(number) for number in range(6)]
    context = gathering.multiprocessing.get_context("fork")
    monkeypatch.setattr(gathering, "_context", lambda: context)
    monkeypatch.setattr(gathering, "PAYS_FROM", 0)
    monkeypatch.setattr(gathering, "BYTES_PER_TASK", 1)
    monkeypatch.setattr(gathering, "analyse_files", dies_elsewhere)
    assert Gatherer(jobs=2).facts(files) == [facts_of(file) for file in files]


def test_few_files_start_no_process(monkeypatch):
    monkeypatch.setattr(gathering, "_in_processes", lambda *_: pytest.fail("started processes"))
    assert Gatherer(jobs=8).facts([own()]) == [facts_of(own())]


def test_other_threads_rule_out_fork():
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(gathering._context).result().get_start_method() == "spawn"


def test_what_is_too_deep_does_not_depend_on_who_asks():
    def from_below(depth, file):
        return from_below(depth - 1, file) if depth else facts_of(file)

    for length in range(300, 1000, 50):
        file = SourceFile("deep.py", b"x = " + b"-" * length + b"1\n")
        assert from_below(400, file) == facts_of(file)


LONG = """
import os, signal, sys, threading
from statelift import gathering
from statelift.model import SourceFile
gathering.PAYS_FROM, gathering.BYTES_PER_TASK = 0, 1
threading.Thread(target=input, daemon=True).start() if sys.argv[1] == "spawn" else None
def told(what, done, total):
    if done == 1:
        print("started", flush=True)
text = open(gathering.__file__, "rb").read()
files = [SourceFile(f"{number}.py", text + b"#%d" % number) for number in range(2000)]
if __name__ == "__main__":
    try:
        gathering.Gatherer(jobs=2).facts(files, told)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="groups of processes")
def test_an_interruption_ends_all_processes_soon_and_silently(tmp_path):
    script = tmp_path / "long.py"
    script.write_text(LONG)
    process = subprocess.Popen(
        [sys.executable, script, "fork"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout.readline() == b"started\n"
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert (process.returncode, told) == (130, b"")
    assert _is_over(process.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="groups of processes")
def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / "long.py"
    script.write_text(LONG)
    process = subprocess.Popen([sys.executable, script, "fork"], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout.readline() == b"started\n"
    process.kill()
    process.wait()
    assert _is_over(process.pid)


def _is_over(group):
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
