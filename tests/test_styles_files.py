"""Files that are read and written whole, in the style inline: boto3's own calls, or the reason why not."""

import ast
from textwrap import indent

import pytest
from repositories import written

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import CellOptions, Options, Tier
from statelift.planning import UnknownCellError, make_plan

INLINE = Options(style="inline")
HEAD = """import json
import os
import pickle
from json import dump
from pathlib import Path

FILE = "/tmp/kept.json"
PATH = Path(FILE)


def handler(event, context):
    data = event["data"]
    count = len(event)
"""
WRITE = "    if count:\n        with open(FILE, 'w') as f:\n            json.dump(data, f)\n        return None\n"
READ = "    with open(FILE) as f:\n        return json.load(f)\n"
BUCKET = 'Bucket=os.environ["TMP_FILES_BUCKET_NAME"], Key="tmp/kept.json"'


def planned(folder, text, options=INLINE):
    root = written(folder / "project", {"app.py": text})
    return root, make_plan([root], options)


def after(root, plan):
    writes = compose(plan, {change.id for change in plan.changes}, lambda path: read_file(root, path))
    return next(write.after.decode() for write in writes if write.path == "app.py")


def made_of(folder, body):
    root, plan = planned(folder, HEAD + body)
    [change] = plan.changes
    assert (change.id.rpartition(".")[2], change.tier) == ("inline", Tier.REVIEW), change.reasons
    made = after(root, plan)
    assert "statelift_state" not in made
    ast.parse(made)
    again = make_plan([written(folder / "again", {"app.py": made})], INLINE)
    assert (again.findings, again.changes) == ((), ())
    return made


WRITES = {
    "json": ("with open(FILE, 'w') as f:\n            json.dump(data, f, indent=2)", "json.dumps(data, indent=2)"),
    "imported": ("with open(FILE, 'w') as f:\n            dump(data, f)", "json.dumps(data)"),
    "text": ("with open(FILE, 'w') as f:\n            f.write(json.dumps(data))", "json.dumps(data)"),
    "bytes": ("with open(FILE, 'wb') as f:\n            f.write(b'[]')", "b'[]'"),
    "pickle": (
        "with PATH.open('wb') as f:\n            pickle.dump([data, count], f)",
        "pickle.dumps([data, count])",
    ),
    "path": ("PATH.write_text(json.dumps(event['other']))", "json.dumps(event['other'])"),
    "bytes of a path": ("PATH.write_bytes(b'{}')", "b'{}'"),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_file_that_is_written_whole_is_one_put(tmp_path, name):
    statement, body = WRITES[name]
    made = made_of(
        tmp_path, f"    if count:\n        {statement}\n        return None\n    return PATH.read_bytes()\n"
    )
    assert f"        _s3().put_object({BUCKET}, Body={body})\n        return None\n" in made


READS = {
    "json": (
        "with open(FILE, encoding='utf-8') as f:\n        return json.load(f)",
        'json.loads(response["Body"].read())',
    ),
    "bytes": ("with open(FILE, 'rb') as f:\n        return list(f.read())", 'list(response["Body"].read())'),
    "text": ("with open(FILE) as f:\n        return f.read()", 'response["Body"].read().decode()'),
    "path": ("return json.loads(PATH.read_text()) ", 'json.loads(response["Body"].read().decode())'),
    "bytes of a path": (
        "return json.loads(PATH.read_bytes().strip())",
        'json.loads(response["Body"].read().strip())',
    ),
}


@pytest.mark.parametrize("name", READS)
def test_a_file_that_is_read_whole_is_one_get(tmp_path, name):
    statement, value = READS[name]
    assert (
        f"""    try:
        response = _s3().get_object({BUCKET})
    except _s3().exceptions.NoSuchKey:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/tmp/kept.json") from None
    return {value}"""
    ) in made_of(tmp_path, f"{WRITE}    {statement}\n")


CAUGHT = """    try:
        with open(FILE) as f:
            return json.load(f)
    except FileNotFoundError:
        {}
"""


def test_where_a_missing_file_is_caught_the_missing_key_is(tmp_path):
    made = made_of(tmp_path, WRITE + CAUGHT.format("return {}"))
    assert f"    try:\n        response = _s3().get_object({BUCKET})\n        return json.loads(" in made
    assert "    except _s3().exceptions.NoSuchKey:\n        return {}\n" in made


@pytest.mark.parametrize("told", ["raise", "print('gone', exc_info=True)", "context.log.exception('gone')"])
def test_an_error_that_is_shown_stays_that_of_the_file(tmp_path, told):
    made = made_of(tmp_path, WRITE + CAUGHT.format(told))
    assert "        except _s3().exceptions.NoSuchKey:\n            raise FileNotFoundError(" in made
    assert "    except FileNotFoundError:\n" in made


def test_another_call_in_the_block_may_miss_a_file_itself(tmp_path):
    made = made_of(tmp_path, WRITE + CAUGHT.format("return {}").replace("json.load(f)", "context(json.load(f))"))
    assert "    except FileNotFoundError:\n" in made


def test_an_object_is_asked_for_and_removed(tmp_path):
    made = made_of(
        tmp_path,
        WRITE + "    known = PATH.exists()\n    if os.path.exists(FILE):\n        os.remove(FILE)\n"
        "    PATH.unlink(missing_ok=True)\n    os.unlink(FILE)\n    return known\n",
    )
    deleted = f"_s3().delete_object({BUCKET})\n"
    assert f'    if _is_stored("tmp/kept.json"):\n        {deleted}    {deleted}' in made
    assert '    if not _is_stored("tmp/kept.json"):\n        raise FileNotFoundError(' in made
    assert '    known = _is_stored("tmp/kept.json")' in made


def test_a_read_behind_a_test_is_one_get(tmp_path):
    made = made_of(tmp_path, f"{WRITE}    if not PATH.exists():\n        return None\n{READ}")
    assert f"        return None\n    response = _s3().get_object({BUCKET})\n    return json.loads(" in made


IN_THE_WAY = {
    "computed": (
        "with open(FILE, 'w') as f:\n    json.dump(event['other'], f)",
        "computed inside of the `with`",
    ),
    "called": ("with open(FILE, 'w') as f:\n    json.dump(list(data), f)", "computed inside of the `with`"),
    "a value of any type": ("with open(FILE, 'w') as f:\n    f.write(data)", "the type of data is json"),
    "two writes": ("with open(FILE, 'w') as f:\n    f.write('a')\n    f.write('b')", "open (write)"),
    "appended": ("with open(FILE, 'a') as f:\n    f.write('a')", "open (append)"),
    "only once": ("with open(FILE, 'x') as f:\n    f.write('a')", "open (claim)"),
    "never closed": ("open(FILE, 'w').write('a')", "open (write)"),
    "a comment": ("with open(FILE, 'w') as f:\n    # why\n    f.write('a')", "open (write)"),
    "other characters": (
        "with open(FILE, 'w') as f:\n    json.dump(data, f, ensure_ascii=False)",
        "open (write)",
    ),
    "another encoding": (
        "with open(FILE, 'w', encoding='utf-16') as f:\n    json.dump(data, f)",
        "open (write)",
    ),
    "other line ends": ("with open(FILE, 'w', newline='') as f:\n    json.dump(data, f)", "open (write)"),
    "lines": ("with open(FILE) as f:\n    return list(f)", "open (read)"),
    "part of it": ("with open(FILE) as f:\n    return f.read(3)", "open (read)"),
    "more than once": ("with open(FILE) as f:\n    return [f.read() for _ in data]", "open (read)"),
    "later": ("return [data, PATH.read_bytes()]", "Path.read_bytes (read)"),
    "if at all": ("return PATH.read_bytes() if count else b''", "Path.read_bytes (read)"),
    "the size": ("return os.path.getsize(FILE)", "os.path.getsize (exists)"),
    "moved": ("os.replace('/tmp/new', FILE)", "os.replace (write)"),
    "spelled in another way": ("return os.path.exists('/tmp//kept.json')", "/tmp//kept.json is another key"),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_where_inline_is_not_exact_a_reason_says_so(tmp_path, name):
    statement, why = IN_THE_WAY[name]
    _, plan = planned(tmp_path, f"{HEAD}{WRITE}    if count > 2:\n{indent(statement, ' ' * 8)}\n{READ}")
    change = next(each for each in plan.changes if "kept.json" in each.title)
    assert change.id.endswith(".s3")
    [said] = [each for each in change.reasons if each.startswith("style inline is not possible here: line ")]
    assert why in said


def test_text_with_line_ends_of_its_own_is_not_read_as_bytes(tmp_path):
    body = WRITE.replace("json.dump(data, f)", "f.write(f'{data}')")
    _, plan = planned(tmp_path, f"{HEAD}{body}{READ}")
    assert any("gives every line end as \\n" in reason for reason in plan.changes[0].reasons)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("f'/tmp/{event[\"id\"]}.json'", "what a call brings is part of the path"),
        ("os.environ.get('PLACE', '/tmp/kept.json')", "PLACE may make it another path"),
    ],
)
def test_a_path_that_is_not_fixed_is_not_inline(tmp_path, path, why):
    _, plan = planned(tmp_path, (HEAD + WRITE + READ).replace("open(FILE", f"open({path}"))
    assert any(why in reason for reason in plan.changes[0].reasons)


def test_what_json_may_not_hold_is_told(tmp_path):
    _, plan = planned(tmp_path, HEAD + (WRITE + READ).replace("(data", "(context"))
    assert any("line 15: what cannot be written raises before" in reason for reason in plan.changes[0].reasons)
    _, plan = planned(tmp_path / "event", HEAD + WRITE + READ)
    assert not any("what cannot be written" in reason for reason in plan.changes[0].reasons)


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_line_ends_stay(tmp_path, newline):
    root = written(tmp_path, {"app.py": ""})
    (root / "app.py").write_bytes((HEAD + WRITE + READ).replace("\n", newline).encode())
    made = after(root, make_plan([root], INLINE))
    assert "put_object" in made
    assert "\n" not in made.replace(newline, "")


def test_one_file_has_a_style_of_its_own(tmp_path):
    text = HEAD + WRITE + READ
    root, plan = planned(tmp_path, text, Options(stores=(CellOptions("app:/tmp/kept.json", "inline"),)))
    assert plan.changes[0].id.endswith(".inline")
    again = written(tmp_path / "again", {"app.py": after(root, plan)})
    assert make_plan([again], Options(stores=(CellOptions("app:/tmp/kept.json", "inline"),))).changes == ()
    with pytest.raises(UnknownCellError, match=r"no cell app:/tmp/keep\.json\. Did you mean app:/tmp/kept\.json\?"):
        planned(tmp_path, text, Options(stores=(CellOptions("app:/tmp/keep.json", "inline"),)))
