"""What every call adds to a part of the process: the change adds it once, or says why it does not."""

from dataclasses import replace
from pathlib import Path

import pytest
from repositories import written

from statelift.analysis import analyse
from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan, plan_of
from statelift.verify.events.steps import read_steps
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.playing.driver import run_steps
from statelift.verify.playing.schedule import FAULTY
from statelift.verify.subjects import Given, subjects_of
from statelift.verify.values import CodeTree
from statelift.verify.verdicts import Verdict

CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue" / "session"
GOLDEN = {
    "S46/handler_added_minimal": (
        "app.py",
        "    logger.addHandler(Collect(LINES))\n",
        "    if not logger.handlers:\n        logger.addHandler(Collect(LINES))\n",
    ),
    "S46/handler_added_real": (
        "logs.py",
        '    logging.getLogger("billing").addHandler(handler)\n',
        '    logging.getLogger("billing").handlers.clear()\n    logging.getLogger("billing").addHandler(handler)\n',
    ),
    "S47/sys_path_minimal": (
        "app.py",
        '    sys.path.append("/opt/plugins")\n',
        '    if "/opt/plugins" not in sys.path:\n        sys.path.append("/opt/plugins")\n',
    ),
}


def composed(root):
    plan = make_plan([root], Options())
    chosen = {change.id for change in plan.changes if change.tier is not Tier.MANUAL}
    return {each.path: each.after.decode() for each in compose(plan, chosen, lambda path: read_file(root, path))}


@pytest.mark.parametrize("program", GOLDEN)
def test_a_program_of_the_catalogue_becomes_this_and_is_done_then(program, tmp_path):
    path, old, new = GOLDEN[program]
    folder = CATALOGUE / program
    sources = {each.name: each.read_text() for each in folder.glob("*.py")}
    [change] = make_plan([folder], Options()).changes
    assert (change.tier, change.id.partition(".")[2]) == (Tier.REVIEW, "once")
    assert composed(folder) == {path: sources[path].replace(old, new)}
    again = written(tmp_path / "again", sources | composed(folder))
    assert make_plan([again], Options()).findings == ()


# ---------------------------------------------------------------- what is said elsewhere

PATHS = """import os
import sys

VENDOR = "/opt/vendor"


def handler(event, context):
{body}
    return {{"entries": len(sys.path)}}
"""
ADDED = {
    "sys.path.insert(0, VENDOR)": "if VENDOR not in sys.path:",
    "sys.path.append(os.path.join(os.path.dirname(__file__), 'v'))": (
        "if os.path.join(os.path.dirname(__file__), 'v') not in sys.path:"
    ),
    "sys.path.append(os.environ['VENDOR'] + '/v')": "if os.environ['VENDOR'] + '/v' not in sys.path:",
}


@pytest.mark.parametrize("statement", ADDED)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_folder_that_is_the_same_in_every_call_is_added_once(tmp_path, statement, newline):
    text = PATHS.format(body=f"    {statement}  # for plugins").replace("\n", newline)
    root = tmp_path / "app"
    root.mkdir()
    (root / "app.py").write_bytes(text.encode())
    guarded = f"    {ADDED[statement]}{newline}        {statement}  # for plugins{newline}"
    assert composed(root) == {"app.py": text.replace(f"    {statement}  # for plugins{newline}", guarded)}


TOLD = {
    "    sys.path.append(event['path'])": "line 8: what it adds is not seen to be the same in every call",
    "    sys.path.append(os.getcwd())": "line 8: what it adds is not seen to be the same in every call",
    "    if event['plugins']:\n        sys.path.append(VENDOR)": "line 9: not every call comes there",
    "    for _ in event['all']:\n        sys.path.append(VENDOR)": "line 9: a call may come there more than once",
    "    print(1); sys.path.append(VENDOR)": "line 8: it is no statement of one line",
    "    [sys.path.append(VENDOR)]": "line 8: it is no statement of one line",
}


@pytest.mark.parametrize("body", TOLD)
def test_why_a_folder_is_not_added_once(tmp_path, body):
    [finding] = make_plan([written(tmp_path / "app", {"app.py": PATHS.format(body=body)})], Options()).findings
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())
    assert any(reason.startswith(TOLD[body]) for reason in finding.reasons), finding.reasons


LOGS = """import io
import logging
import sys

logger = logging.getLogger({name})
LINES = []


class Collect(logging.StreamHandler):
    def __init__(self, lines):
        super().__init__(sys.stdout)
        {keeps}

    def emit(self, record):
        {emits}


def handler(event, context):
    {made}
    logger.addHandler(added)
    logger.warning("called")
"""


def logs(name='"jobs"', keeps="self.lines = lines", emits="print(record)", made="added = Collect(LINES)"):
    return LOGS.format(name=name, keeps=keeps, emits=emits, made=made)


SKIPPED = [
    logs(),
    logs(
        made="added = logging.StreamHandler(sys.stderr)\n    added.setFormatter(logging.Formatter('%(message)s'))"
    ),
    logs(made="added = logging.StreamHandler()\n    added.setLevel(logging.INFO)"),
]
REPLACED = [
    logs(made="added = Collect([])"),
    logs(made="added = Collect(event['lines'])"),
    logs(keeps="self.seen = []"),
    logs(keeps="print('made')"),
    logs(emits="self.last = record"),
    logs(made="added = logging.StreamHandler(io.StringIO())"),
    logs(made="added = logging.StreamHandler()\n    added.setFormatter(logging.Formatter(event['format']))"),
    logs(made="added = logging.StreamHandler()\n    context.added = added"),
    logs(made="global LINES\n    added = logging.StreamHandler(LINES)\n    LINES = io.StringIO()"),
]
LEFT = {
    logs(name=""): "line 20: the logger has no name that is seen",
    logs(
        made="added = logging.FileHandler('/tmp/a.log')"
    ): "line 20: what the handler holds may belong to the call",
    logs(
        emits="print(1)\n\n    def close(self):\n        ...", made="added = Collect([])"
    ): "line 23: what the handler",
    logs(
        made="added = Collect(LINES)\n    logger.addHandler(logging.StreamHandler())"
    ): "a logger gets several handlers",
    logs().replace("LINES = []", "LINES = []\nlogger.addHandler(logging.StreamHandler())"): "a logger gets several",
    logs(
        made="added = Collect(LINES)\n    logging.config.dictConfig(event)"
    ): "app.py configures loggers as a whole",
    logs().replace("    logger.add", "    if event:\n        logger.add"): "line 21: not every call comes there",
}


@pytest.mark.parametrize("text", SKIPPED)
def test_a_handler_that_holds_nothing_of_a_call_is_kept(tmp_path, text):
    made = composed(written(tmp_path / "app", {"app.py": text}))["app.py"]
    assert made == text.replace("    logger.add", "    if not logger.handlers:\n        logger.add")


@pytest.mark.parametrize("text", REPLACED)
def test_a_handler_that_may_hold_something_of_a_call_takes_the_place_of_the_last_one(tmp_path, text):
    made = composed(written(tmp_path / "app", {"app.py": text}))["app.py"]
    assert "    logger.handlers.clear()\n    logger.addHandler(added)\n" in made
    assert "if not logger.handlers" not in made


@pytest.mark.parametrize("text", LEFT)
def test_why_a_handler_is_not_added_once(tmp_path, text):
    plan = make_plan([written(tmp_path / "app", {"app.py": text})], Options())
    [finding] = [each for each in plan.findings if each.symbol.startswith("logg")]
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())
    assert any(reason.startswith(LEFT[text]) for reason in finding.reasons), finding.reasons


QUIET = {
    "emptied in front": "logger.handlers.clear()\n    logger.addHandler(added)",
    "only where it is not there": "if not logger.handlers:\n        logger.addHandler(added)",
}


@pytest.mark.parametrize("form", QUIET)
def test_what_is_added_once_by_hand_is_left_alone(tmp_path, form):
    text = logs(made="added = Collect([])").replace("logger.addHandler(added)", QUIET[form])
    found = [each.symbol for each in make_plan([written(tmp_path / "app", {"app.py": text})], Options()).findings]
    assert "logger" not in found


def test_another_logger_that_is_emptied_is_no_reason(tmp_path):
    text = logs().replace("    logger.add", "    logging.getLogger('other').handlers.clear()\n    logger.add")
    found = [each.symbol for each in make_plan([written(tmp_path / "app", {"app.py": text})], Options()).findings]
    assert "logger" in found


def test_a_folder_that_some_calls_look_for_before_they_add_it_is_state(tmp_path):
    body = "    known = len(sys.path)\n    if VENDOR not in sys.path:\n        sys.path.append(VENDOR)"
    found = make_plan([written(tmp_path / "app", {"app.py": PATHS.format(body=body)})], Options()).findings
    assert [(each.symbol, each.tier) for each in found] == [("sys.path", Tier.MANUAL)]


# ---------------------------------------------------------------- it answers as the original does in new containers


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


def subject_of(program):
    analysis = analyse([CATALOGUE / program], Options())
    plan = plan_of(analysis, Options())
    [subject] = subjects_of(plan, analysis, plan.changes, Given())
    return subject, read_steps(CATALOGUE / program / "events.json", subject.entries)


@pytest.mark.parametrize("program", GOLDEN)
def test_it_answers_as_the_original_does_in_new_containers(sandbox, program):
    subject, steps = subject_of(program)
    assert subject.pair.is_fresh
    result = examine(sandbox, subject, steps, Effort(runs=0, events=1, concurrency=3), lambda *_: None)
    assert result.verdict is Verdict.EQUIVALENT, result.reason
    assert run_steps(sandbox, subject.pair, steps, FAULTY, 1).divergence is None


@pytest.mark.parametrize("program", GOLDEN)
def test_the_original_itself_is_no_answer(sandbox, program):
    subject, steps = subject_of(program)
    path, old, new = GOLDEN[program]
    files = dict(subject.pair.migrated.files)
    files[path] = files[path].replace(new.encode(), old.encode())
    wrong = replace(subject, pair=replace(subject.pair, migrated=CodeTree(tuple(sorted(files.items())))))
    found = examine(sandbox, wrong, steps, Effort(runs=0, events=1), lambda *_: None)
    assert found.verdict is Verdict.DIVERGES
