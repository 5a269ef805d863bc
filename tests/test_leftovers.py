"""New folders in /tmp that calls leave behind: they are removed, but not where their path may be needed later."""

import importlib
import sys
import tempfile
from pathlib import Path

import pytest

from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

HEAD = "import os, shutil, subprocess, tempfile, threading, uuid\nKEPT = []\n\n\ndef handler(event, context):\n"
PUT = (
    "    path = os.path.join(folder, 'a.txt')\n    with open(path, 'w') as file:\n        file.write(event['x'])\n"
)
MAKE = "    folder = tempfile.mkdtemp()\n"
LEFT = {
    "a file that is read again": f"{MAKE}{PUT}    with open(path) as file:\n        return file.read()\n",
    "arguments and comments": (
        f"    # parts\n    folder = tempfile.mkdtemp(prefix='job')  # new\n{PUT}    # the end\n"
        "    with open(path) as file:\n        text = file.read()\n    return text\n"
    ),
    "a branch": (
        "    if event['x']:\n        folder = tempfile.mkdtemp()\n"
        "        with open(f'{folder}/a', 'w') as file:\n            file.write(event['x'])\n"
        "        return open(folder + '/a').read()\n    return ''\n"
    ),
    "an error": (
        f"{MAKE}{PUT}    if event['x'] == 'bad':\n        raise ValueError(len(os.listdir(folder)))\n    return 1\n"
    ),
    "an object that knows the folder": (
        f"{MAKE}{PUT}    found = os.scandir(folder)\n    names = []\n    for each in found:\n"
        "        names.append(open(each.path).read())\n    return names\n"
    ),
}
WRITE = "    with open(path, 'w') as file:\n        file.write(event['x'])\n"
NEW = "    path = f'/tmp/{uuid.uuid4()}.txt'\n"
FILES = {
    "mkstemp": (
        "    handle, path = tempfile.mkstemp(suffix='.txt')\n    with os.fdopen(handle, 'w') as file:\n"
        "        file.write(event['x'])\n    return open(path).read()\n"
    ),
    "mkstemp, an error": (
        "    handle, path = tempfile.mkstemp()\n    os.write(handle, b'x')\n    os.close(handle)\n"
        "    if event['x'] == 'bad':\n        raise ValueError(os.path.getsize(path))\n    return 1\n"
    ),
    "a uuid": f"{NEW}{WRITE}    return open(path).read()\n",
    "a uuid in a name": (
        f"    name = str(uuid.uuid4())\n    path = os.path.join('/tmp', name + '.txt')\n{WRITE}"
        "    if event['x'] == 'bad':\n        raise ValueError(len(open(path).read()))\n    return 1\n"
    ),
    "the request's id": (
        "    path = '/tmp/' + context.aws_request_id + '.txt'\n"
        f"{WRITE}    size = os.path.getsize(path)\n    return size\n"
    ),
}
KEPT = {
    "a file that is returned": f"{NEW}{WRITE}    return path\n",
    "a file that is removed": f"{NEW}{WRITE}    os.remove(path)\n    return 1\n",
    "a file that is moved": f"{NEW}{WRITE}    shutil.move(path, '/tmp/kept')\n    return 1\n",
    "a file whose name is told": (
        f"    name = str(uuid.uuid4())\n    path = f'/tmp/{{name}}.txt'\n{WRITE}    return {{'id': name}}\n"
    ),
    "one path for all": f"    path = '/tmp/all.txt'\n{WRITE}    return 1\n",
    "a path of the request": f"    path = f\"/tmp/{{event['x']}}.txt\"\n{WRITE}    return 1\n",
    "it is returned": f"{MAKE}{PUT}    return folder\n",
    "a path in it is returned": f"{MAKE}{PUT}    return {{'path': path}}\n",
    "it is stored": f"{MAKE}{PUT}    KEPT.append(path)\n    return 1\n",
    "an item of the request": f"{MAKE}{PUT}    event['path'] = path\n    return 1\n",
    "an object is stored": f"{MAKE}{PUT}    event['files'] = list(os.scandir(folder))\n    return 1\n",
    "it is removed": f"{MAKE}{PUT}    shutil.rmtree(folder)\n    return 1\n",
    "a thread": f"{MAKE}{PUT}    threading.Thread(target=print, args=(path,)).start()\n    return 1\n",
    "a process": f"{MAKE}{PUT}    subprocess.Popen(['true', path])\n    return 1\n",
    "an inner function": f"{MAKE}{PUT}    return sorted([1], key=lambda _: os.listdir(folder))\n",
    "two meanings": f"{MAKE}{PUT}    folder = '/tmp'\n    return os.listdir(folder)\n",
    "used behind its block": (
        "    folder = '/tmp'\n    if event['x']:\n        folder = tempfile.mkdtemp()\n    return len(folder)\n"
    ),
    "an object that is used behind the block": (
        "    found = []\n    if event['x']:\n        folder = tempfile.mkdtemp()\n"
        "        found = os.scandir(folder)\n"
        "    return [open(each.path) for each in found]\n"
    ),
    "a generator": f"{MAKE}{PUT}    yield open(path).read()\n",
    "the working folder": f"{MAKE}    os.chdir(folder)\n    return 1\n",
}


def planned(folder, body):
    (folder / "app.py").write_text(HEAD + body)
    return make_plan([folder], Options(select=("SL302",)))


def left_by(folder, monkeypatch):
    """The replies and errors of two calls, and what is left in the folder of temporary files."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    sys.modules.pop("app", None)
    app, told = importlib.import_module("app"), []
    sys.modules.pop("app")
    for text in ("good", "bad"):
        try:
            told.append(app.handler({"x": text}, None))
        except ValueError as error:
            told.append(error.args)
    return told, len([*scratch.iterdir()])


@pytest.mark.parametrize("name", LEFT)
def test_a_folder_goes_with_its_last_use(name, tmp_path, monkeypatch):
    plan = planned(tmp_path, LEFT[name])
    assert [each.tier for each in plan.findings] == [Tier.REVIEW]
    before = left_by(tmp_path, monkeypatch)
    for write in compose_changes(plan.changes, lambda path: read_file(tmp_path, path)):
        (tmp_path / write.path).write_bytes(write.after)
    for each in (tmp_path / "scratch").iterdir():
        for file in each.iterdir():
            file.unlink()
        each.rmdir()
    sys.path.remove(str(tmp_path))
    assert before[1] == 2
    assert left_by(tmp_path, monkeypatch) == (before[0], 0)
    assert not make_plan([tmp_path], Options(select=("SL302",))).findings
    assert all(part in Path(tmp_path / "app.py").read_text() for part in LEFT[name].split() if part.startswith("#"))


class Request:
    aws_request_id = "11111111-2222"


@pytest.mark.parametrize("name", FILES)
def test_a_file_goes_with_its_last_use(name, tmp_path, monkeypatch):
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    code = (HEAD + FILES[name]).replace("/tmp", str(scratch)).replace("'/tmp'", f"'{scratch}'")
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    plan = planned(tmp_path, FILES[name])
    assert [each.tier for each in plan.findings] == [Tier.REVIEW]
    (write,) = compose_changes(plan.changes, lambda path: read_file(tmp_path, path))
    told = {}
    for side, text in (("before", code), ("after", write.after.decode().replace("/tmp", str(scratch)))):
        space = {}
        exec(compile(text, side, "exec"), space)
        told[side] = [replied(space["handler"], each) for each in ("good", "bad")], len([*scratch.iterdir()])
        for each in scratch.iterdir():
            each.unlink()
    assert told["before"][0] == told["after"][0]
    assert told["before"][1] >= 1 and told["after"][1] == 0
    (tmp_path / "app.py").write_bytes(write.after)
    assert not make_plan([tmp_path], Options(select=("SL302",))).findings


def replied(handler, text):
    try:
        return handler({"x": text}, Request())
    except ValueError as error:
        return error.args


@pytest.mark.parametrize("why", KEPT)
def test_a_folder_that_may_be_needed_later_stays(why, tmp_path):
    assert planned(tmp_path, KEPT[why]).findings == ()


def test_the_rule_has_to_be_selected(tmp_path):
    (tmp_path / "app.py").write_text(HEAD + LEFT["an error"])
    assert "SL302" not in {each.rule for each in make_plan([tmp_path], Options()).findings}


def test_a_name_that_is_imported_alone_is_imported(tmp_path):
    text = "from tempfile import mkdtemp\n\n\ndef handler(event, context):\n    d = mkdtemp()\n    print(d)\n"
    (tmp_path / "app.py").write_text(text)
    (change,) = make_plan([tmp_path], Options(select=("SL302",))).changes
    (write,) = compose_changes([change], lambda path: read_file(tmp_path, path))
    assert b"with TemporaryDirectory() as d:" in write.after and b"import TemporaryDirectory" in write.after
