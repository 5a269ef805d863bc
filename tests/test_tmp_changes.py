"""What becomes of programs that keep files in /tmp: the lines that change, and how the changed program runs."""

import ast
import logging
from logging.config import DictConfigurator
from pathlib import Path

import pytest

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue" / "tmp"


def changed(folder, text):
    """The program after all changes that are not left to a person."""
    (folder / "app.py").write_bytes(text.encode())
    plan = make_plan([folder], Options())
    wanted = [each.id for each in plan.changes if each.tier is not Tier.MANUAL]
    written = {each.path: each.after for each in compose(plan, wanted, lambda path: read_file(folder, path))}
    return written.get("app.py", text.encode()).decode()


def new_lines(folder, text):
    before = set(text.splitlines())
    return [each.strip() for each in changed(folder, text).splitlines() if each.strip() and each not in before]


HEAD = "import glob\nimport os\nfrom pathlib import Path\n\n\ndef handler(event, context):\n"
GET = "    with open('/tmp/a') as file:\n        return file.read()\n"
PUT = "if 'x' in event:\n        open(f\"/tmp/box/{event['x']}\", 'w').write('')\n"
CASES = {
    "append": (
        f"    with open('/tmp/a', 'a') as file:\n        file.write(event['x'])\n{GET}",
        ["with TMP_FILES.open('/tmp/a', 'a') as file:", "with TMP_FILES.open('/tmp/a') as file:"],
    ),
    "descriptor": (
        "    os.close(os.open('/tmp/a', os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))\n",
        ["TMP_FILES.open('/tmp/a', \"xb\").close()"],
    ),
    "descriptor with a name": (
        "    fd = os.open('/tmp/a', os.O_WRONLY | os.O_CREAT | os.O_EXCL)\n    os.write(fd, event['x'])\n"
        "    os.close(fd)\n",
        ["fd = TMP_FILES.open('/tmp/a', \"xb\")", "fd.write(event['x'])", "fd.close()"],
    ),
    "descriptor of a file": (
        "    fd = os.open('/tmp/a', os.O_WRONLY | os.O_CREAT | os.O_EXCL)\n    with os.fdopen(fd, 'w') as file:\n"
        "        file.write(event['x'])\n",
        ["fd = TMP_FILES.open('/tmp/a', \"x\")", "with fd as file:"],
    ),
    "size": (
        "    if 'x' in event:\n        open('/tmp/a', 'w').write(event['x'])\n"
        "    return os.path.getsize('/tmp/a')\n",
        ["TMP_FILES.open('/tmp/a', 'w').write(event['x'])", "return TMP_FILES.getsize('/tmp/a')"],
    ),
    "renamed": (
        "    if 'x' in event:\n        open('/tmp/b', 'w').write(event['x'])\n"
        f"        os.rename('/tmp/b', '/tmp/a')\n{GET}",
        ["TMP_FILES.move('/tmp/b', '/tmp/a')", "with TMP_FILES.open('/tmp/a') as file:"],
    ),
    "listed": (
        f"    {PUT}    for name in sorted(os.listdir('/tmp/box')):\n"
        "        event[name] = open(os.path.join('/tmp/box', name)).read()\n",
        [
            "TMP_FILES.open(f\"/tmp/box/{event['x']}\", 'w').write('')",
            "for name in sorted(TMP_FILES.listdir('/tmp/box')):",
            "event[name] = TMP_FILES.open(os.path.join('/tmp/box', name)).read()",
        ],
    ),
    "listed by a pattern": (
        f"    {PUT}    found = glob.glob('/tmp/box/*')\n    for each in found:\n        os.remove(each)\n"
        "    return len(found)\n",
        [
            "TMP_FILES.open(f\"/tmp/box/{event['x']}\", 'w').write('')",
            "found = TMP_FILES.glob('/tmp/box/*')",
            "TMP_FILES.remove(each)",
        ],
    ),
    "entries": (
        f"    {PUT}    with os.scandir('/tmp/box') as found:\n        for each in found:\n"
        "            if each.is_file():\n                event[each.name] = open(each.path).read()\n",
        [
            "TMP_FILES.open(f\"/tmp/box/{event['x']}\", 'w').write('')",
            "with TMP_FILES.scandir('/tmp/box') as found:",
            "event[each.name] = TMP_FILES.open(each.path).read()",
        ],
    ),
    "paths": (
        f"    {PUT}    for each in Path('/tmp/box').glob('*.txt'):\n        event[each.stem] = each.read_text()\n"
        "        each.unlink(missing_ok=True)\n    return [each.name for each in Path('/tmp/box').iterdir()]\n",
        [
            "TMP_FILES.open(f\"/tmp/box/{event['x']}\", 'w').write('')",
            "for each in TMP_FILES.match(Path('/tmp/box'), '*.txt'):",
            "event[each.stem] = TMP_FILES.open(each).read()",
            "TMP_FILES.remove(each, missing_ok=True)",
            "return [each.name for each in TMP_FILES.iterdir(Path('/tmp/box'))]",
        ],
    ),
    "two slashes": (
        "    if 'x' in event:\n        open('//tmp/./a', 'w').write(event['x'])\n"
        "    return os.path.exists('/tmp//a')\n",
        ["TMP_FILES.open('//tmp/./a', 'w').write(event['x'])", "return TMP_FILES.exists('/tmp//a')"],
    ),
    "both ways": (
        "    if 'x' in event:\n        event['x'].to_csv('/tmp/a', index=False)  # all\n"
        "    return event['y'].upload_file('/tmp/a')\n",
        ["TMP_FILES.store('/tmp/a')", "return event['y'].upload_file(TMP_FILES.fetch('/tmp/a'))"],
    ),
    "strict folder": ("    os.mkdir('/tmp/a')\n", ["os.makedirs('/tmp/a', exist_ok=True)"]),
    "printed": (
        "    with open('/tmp/a', 'a') as file:\n        print(event['x'], file=file)\n",
        ["import contextlib", "import sys", "with contextlib.nullcontext(sys.stdout) as file:"],
    ),
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("name", CASES)
def test_the_lines_that_change(name, newline, tmp_path):
    body, expected = CASES[name]
    own = {"from statelift_state import FileStore", 'TMP_FILES = FileStore("TMP_FILES_BUCKET_NAME")'}
    text = (HEAD + body).replace("\n", newline)
    assert [each for each in new_lines(tmp_path, text) if each not in own] == expected
    assert "\n" not in changed(tmp_path, text).replace(newline, "")


DESCRIPTORS = {
    "flushed": "fd = os.open('/tmp/a', os.O_WRONLY | os.O_CREAT | os.O_EXCL)\n    os.fsync(fd)\n    os.close(fd)",
    "given away": "fd = os.open('/tmp/a', os.O_WRONLY | os.O_CREAT | os.O_EXCL)\n    return fd",
    "of two files": "fd = os.open('/tmp/a', os.O_WRONLY | os.O_CREAT | os.O_EXCL)\n    os.close(fd)\n"
    "    fd = os.open('/tmp/b', os.O_WRONLY | os.O_CREAT | os.O_EXCL)\n    os.close(fd)",
    "other flags": "os.close(os.open('/tmp/a', os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NONBLOCK))",
    "read": "fd = os.open('/tmp/a', os.O_RDWR | os.O_CREAT)\n    os.read(fd, 9)\n    os.close(fd)",
}


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_descriptors_that_are_used_in_another_way_stay(name, tmp_path):
    (tmp_path / "app.py").write_text(f"{HEAD}    {DESCRIPTORS[name]}\n")
    plan = make_plan([tmp_path], Options())
    assert plan.changes == ()
    assert {each.tier for each in plan.findings} <= {Tier.MANUAL}


LISTED = {
    "paths that a function returns": (
        "def found():\n    return glob.glob('/tmp/box/*')\n\n\n",
        "    return [open(each).read() for each in found()]\n",
        "found returns the paths",
    ),
    "paths that are sorted by age": (
        "",
        "    return max(glob.glob('/tmp/box/*'), key=os.path.getmtime)\n",
        "what becomes of the paths",
    ),
    "paths that a list keeps": (
        "KEPT = []\n\n\n",
        "    for each in glob.glob('/tmp/box/*'):\n        KEPT.append(each)\n",
        "what becomes of the paths",
    ),
    "all folders below it": (
        "",
        "    return glob.glob('/tmp/box/**', recursive=True)\n",
        "what becomes of the paths",
    ),
    "many folders": ("", "    return len(glob.glob('/tmp/*/*'))\n", "it shows more than one folder"),
    "all of /tmp": ("", "    return os.listdir('/tmp')\n", "it shows more than one folder"),
    "files of two kinds": (
        "",
        "    open('/tmp/box/.index', 'w').write('x')\n    return os.listdir('/tmp/box')\n",
        "it lists /tmp/box/.index, too",
    ),
    "the age of entries": (
        "",
        "    return [each.stat().st_mtime for each in os.scandir('/tmp/box')]\n",
        "what becomes of the paths",
    ),
}


@pytest.mark.parametrize("name", LISTED)
def test_a_listing_whose_paths_go_elsewhere_is_left_to_a_person(name, tmp_path):
    above, body, reason = LISTED[name]
    text = HEAD.replace("def handler", f"{above}def handler") + f"    {PUT}{body}"
    (tmp_path / "app.py").write_text(text)
    plan = make_plan([tmp_path], Options())
    found = [each for each in plan.findings if each.rule == "SL301" and "{}" in each.symbol]
    assert [each.tier for each in found] == [Tier.MANUAL]
    assert any(reason in each for each in found[0].reasons), found[0].reasons
    assert not [each for each in plan.changes if "box" in each.title]


PATTERNS = {
    "a command": "os.system('cat /tmp/box/*')",
    "a shell": "subprocess.run('cat /tmp/box/[a-z].t?t', shell=True)",
    "a word for a shell": "subprocess.run(['sh', '-c', 'cat /tmp/box/* | wc -l'])",
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_program_that_reads_by_a_pattern_needs_the_files_where_they_are(name, tmp_path):
    text = f"import subprocess\n{HEAD}    {PUT}    {PATTERNS[name]}\n"
    assert new_lines(tmp_path, text) == []
    (finding,) = make_plan([tmp_path], Options()).findings
    assert finding.tier is Tier.MANUAL and any("line 9" in each for each in finding.reasons)


CLOSED = {
    "with open('/tmp/a', 'w') as file:\n            file.write(event['x'])": False,
    "file = open('/tmp/a', 'w')\n        file.write(event['x'])\n        file.close()": False,
    "file = open('/tmp/a', 'w')\n        with file:\n            file.write(event['x'])": False,
    "file = open('/tmp/a', 'w')\n        file.write(event['x'])": True,
    "open('/tmp/a', 'w').write(event['x'])": True,
    "print(event['x'], file=open('/tmp/a', 'w'))": True,
}


@pytest.mark.parametrize("statement", CLOSED)
def test_a_file_that_nobody_closes_is_told(statement, tmp_path):
    (tmp_path / "app.py").write_text(f"{HEAD}    if 'x' in event:\n        {statement}\n{GET}")
    (finding,) = make_plan([tmp_path], Options()).findings
    told = [each for each in finding.reasons if each.startswith("line 8: nothing closes the file")]
    assert finding.tier is Tier.REVIEW and bool(told) is CLOSED[statement]


LOGS = {
    "filename='/tmp/a', level=20": "level=20",
    "level=20, filename='/tmp/a'": "level=20",
    "level=20, filename='/tmp/a', filemode='a'": "level=20",
    "level=20, filename='/tmp/a', format='%(message)s', encoding='utf-8'": "level=20, format='%(message)s'",
    "filename='/tmp/a'": "",
    "filemode='a', filename='/tmp/a'": "",
    "format='ü, ä',\n    filename='/tmp/a',\n    level=20": "format='ü, ä',\n    level=20",
}


@pytest.mark.parametrize("arguments", LOGS)
def test_a_log_loses_its_file_and_keeps_the_rest(arguments, tmp_path):
    text = f"import logging\n\nlogging.basicConfig({arguments})\n\n\ndef handler(event, context):\n"
    text += "    logging.info(1)\n"
    found = changed(tmp_path, text)
    assert f"logging.basicConfig({LOGS[arguments]})" in found
    ast.parse(found)


ROTATING = '"class": "logging.handlers.RotatingFileHandler"'
STREAM = '"class": "logging.StreamHandler"'
HANDLERS = {
    f'"filename": "/tmp/ü.log", {ROTATING}, "maxBytes": 9, "level": "INFO"': f'{STREAM}, "level": "INFO"',
    f'{ROTATING}, "level": "INFO", "filename": "/tmp/a", "backupCount": 1': f'{STREAM}, "level": "INFO"',
    f'{ROTATING},\n    "formatter": "f",\n    "filename": "/tmp/a",\n': f'{STREAM},\n    "formatter": "f",\n',
}
CONFIGURED = """import logging.config

logging.config.dictConfig(
    {{"version": 1, "handlers": {{"ü": {{{0}}}}}, "root": {{"handlers": ["ü"]}}}}
)


def handler(event, context):
    logging.info(event["x"])
"""


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_configured_log_goes_to_the_stream_and_keeps_the_rest(handler, tmp_path):
    found = changed(tmp_path, CONFIGURED.format(handler))
    assert found == CONFIGURED.format(HANDLERS[handler])
    call = next(each for each in ast.walk(ast.parse(found)) if isinstance(each, ast.Call))
    config = ast.literal_eval(call.args[0])
    fields = {name: value for name, value in config["handlers"]["ü"].items() if name != "formatter"}
    assert type(DictConfigurator(config).configure_handler(fields)) is logging.StreamHandler


@pytest.mark.parametrize(
    "handler",
    [
        '"class": "project.OwnHandler", "filename": "/tmp/a"',
        '"()": "logging.FileHandler", "filename": "/tmp/a"',
        f'{ROTATING}, "filename": "/tmp/a", "stream": None',
        f'{ROTATING}, "filename": "/tmp/a", **MORE',
    ],
)
def test_a_handler_that_a_stream_may_not_stand_for_is_left_to_a_person(handler, tmp_path):
    (tmp_path / "app.py").write_text(CONFIGURED.format(handler))
    (finding,) = make_plan([tmp_path], Options()).findings
    assert finding.tier is Tier.MANUAL and not finding.changes


def test_an_emptied_folder_holds_what_this_call_put_there(tmp_path):
    root, folder = tmp_path / "root", tmp_path / "kept"
    root.mkdir()
    text = changed(root, (CATALOGUE / "T31" / "minimal" / "app.py").read_text()).replace("/tmp/x", str(folder))
    text = text.replace("/tmp/in.zip", str(tmp_path / "in.zip"))
    module = {}
    exec(compile(text, "app.py", "exec"), module)
    assert module["handler"]({"names": ["a", "b"]}, None) == ["a", "b"]
    assert module["handler"]({"names": ["c"]}, None) == ["c"]
