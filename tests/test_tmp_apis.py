"""Every call of the catalogue that touches files: it goes to S3, or it is said why not, and what to do instead.

One small program per call, in which a file of an earlier invocation plays a part. What only makes a new name, looks
at a text or keeps a library's cache is no finding.
"""

from pathlib import Path

import pytest

from statelift.catalogue.files import BECOMES, METHODS, ROWS, WAYS
from statelift.model import Options, Tier, Verdict
from statelift.planning import make_plan

LISTED = Path(__file__).parents[1] / "fixtures" / "catalogue" / "calls-on-files.txt"
KEPT, PART, GIVEN = '"/tmp/kept"', '"/tmp/part"', '"/opt/given"'
HANDLER = "def handler(event, context):\n"
PUT = 'if "put" in event:\n        with open("/tmp/kept", "w") as file:\n            file.write(event["put"])'
GET = 'with open("/tmp/kept") as file:\n        return file.read()'
WAYS_OUT = (*WAYS.values(), "CloudWatch Logs", "exist_ok=True", "DynamoDB")


def imports(name):
    module = name.rpartition(".")[0]
    return f"import {module}\n\n\n" if module else ""


def handler(*statements):
    return HANDLER + "".join(f"    {each}\n" for each in statements)


def asking(expression):
    """The file is written in some calls, and the expression asks for it in all."""
    return handler(PUT, f"return str({expression})")


def writing(*statements, get=GET):
    """The statements write the file in some calls, and all calls read it."""
    return handler('if "put" in event:', *(f"    {each}" for each in statements), get)


def removing(statement):
    return handler(PUT, 'if "drop" in event:', f"    {statement}", GET)


def listing(expression):
    """Each call adds a file to a folder that the expression lists."""
    name = "f\"/tmp/kept/{event['n']}\""
    return handler(f'with open({name}, "w") as file:', '    file.write("x")', f"return str({expression})")


def call(name, roles, **paths):
    """The call with a path for each role, and something of the event for the arguments between."""
    given = {position: paths.get(effect, KEPT) for effect, position, _ in roles}
    arguments = ", ".join(given.get(number, 'event["x"]') for number in range(max(given) + 1))
    return f"{name}({arguments})"


def of_function(name, roles):
    match [effect for effect, _, _ in roles]:
        case ["read"] | ["read", "read"] | ["exists"]:
            return asking(call(name, roles))
        case ["write"] | ["claim"]:
            return writing(call(name, roles))
        case ["store"]:
            return handler(f"kept = {call(name, roles)}", "return len(kept)")
        case ["remove"]:
            return removing(call(name, roles))
        case ["list"]:
            return listing(call(name, roles, list='"/tmp/kept/*"' if name.startswith("glob.") else KEPT))
        case ["enter"]:
            return handler('os.chdir("/tmp")', PUT, GET).replace('open("/tmp/', 'open("')
        case ["read", "write", *_]:
            part = f'open({PART}, "w").write(event["put"])'
            return writing(part, call(name, roles, read=PART, remove=PART))
        case ["read", "claim"]:
            return writing(call(name, roles, read=GIVEN))
        case [_, "fill"]:
            made = call(name, roles, read=GIVEN, list=GIVEN)
            return writing(made, get=GET.replace("/tmp/kept", "/tmp/kept/a"))
        case effects:
            raise AssertionError(effects)


def of_path(name, effect):
    """A program that calls a method of a `pathlib.Path`."""
    path = f"Path({KEPT})"
    match effect, name:
        case "read", "rename" | "replace":
            return writing(f"Path({PART}).{name}({KEPT})")
        case "read", _:
            return asking(f"{path}.{name}()")
        case "exists", _:
            return asking(f"{path}.{name}({GIVEN if name == 'samefile' else ''})")
        case "write", _:
            return writing(f'{path}.{name}(event["put"])')
        case "remove", _:
            return removing(f"{path}.{name}()")
        case "create", _:
            return writing(f"{path}.{name}()", get=f"return {path}.exists()")
        case "claim", "mkdir":
            return handler(f"{path}.mkdir()")
        case "claim", _:
            return writing(f"{path}.{name}({GIVEN})")
        case "list", _:
            pattern = '"*"' if "glob" in name else ""
            return listing(f"sorted({path}.{name}({pattern}))")
        case _:
            return writing(f'{path}.open("w").write(event["put"])', get=f"return {path}.open().read()")


def of_method(name, roles, owners):
    """A program that calls a method of some object with a path."""
    thing = f"thing = event.{owners[0]}()" if owners else 'thing = event["thing"]'
    made = call(f"thing.{name}", roles[:1])
    if roles[0][0] == "read":
        return handler(thing, PUT, f"return str({made})")
    get = GET.replace("/tmp/kept", "/tmp/kept/a") if roles[0][0] == "fill" else GET
    return handler(thing, 'if "put" in event:', f"    {made}", get)


def of_program(name):
    if name.startswith("asyncio."):
        return writing(f'await {name}("make", {KEPT})').replace("def ", "async def ", 1)
    is_text = name.startswith("os.") or name.endswith("getoutput")
    return writing(f'{name}("make " + {KEPT})' if is_text else f'{name}(["make", {KEPT}])')


def of_log(name):
    return f"import logging\n\nlogging.getLogger().addHandler({name}({KEPT}))\n\n\n" + handler('logging.info("x")')


def programs():
    """By call: the program without its imports."""
    yield from ((name, of_function(name, row["does"])) for row in ROWS["functions"] for name in row["calls"])
    yield from ((f"Path.{name}", of_path(name, row["does"])) for row in ROWS["paths"] for name in row["calls"])
    for row in ROWS["methods"]:
        owners = row.get("of", ())
        yield from ((f"object.{name}", of_method(name, row["does"], owners)) for name in row["calls"])
    for name in ROWS["openers"]:
        put = f'{name}({KEPT}, "w").write(event["put"])'
        yield name, writing(put, get=f"return {name}({KEPT}).read()")
    for name in ROWS["low_level"]:
        yield name, writing(f"os.close({name}({KEPT}, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))")
    for name in ROWS["archives"]:
        made = (f'with {name}({KEPT}, "w") as archive:', "    archive.close()")
        yield name, writing(*made, get=f"return str({name}({KEPT}))")
    yield from ((name, listing(f'{name}("/tmp/all", "zip", {KEPT})')) for name in ROWS["packers"])
    yield from ((name, handler(f"{name}({KEPT})")) for name in ROWS["folders"])
    yield from ((name, of_program(name)) for name in ROWS["programs"])
    yield from ((name, handler(f'lock = {name}(event["lock"])', PUT, GET)) for name in ROWS["locks"])
    yield from ((name, of_log(name)) for name in ROWS["logs"])


def head(name):
    if name.startswith("Path."):
        return "from pathlib import Path\n\n\n"
    return "" if name.startswith("object.") else imports(name)


CASES = {name: head(name) + text for name, text in programs()}
STREAMS = {
    name: imports(name)
    + handler(
        'if "put" in event:', f'    with open({KEPT}, "w") as file:', f'        {name}(event["put"], file)',
        f"with open({KEPT}) as file:", f"    return {name}(file)",
    )
    for name in ROWS["handles"]
}  # fmt: skip
NEW = (*ROWS["new_names"], *ROWS["nameless"], "tempfile.gettempdirb", "os.getcwd")
QUIET = {
    **{name: imports(name) + handler(f"return str({name}())") for name in NEW},
    **{name: imports(name) + handler(f"{name}({KEPT})") for name in ROWS["looking"]},
    **{
        name: f'import os\n\nos.environ["{name}"] = "/tmp/cache"\n\n\n' + handler('return event["x"]')
        for name in ROWS["library_caches"]
    },
    "tempfile.gettempdir": imports("tempfile.") + handler("return tempfile.gettempdir()"),
}


# Real files that are fetched before the call, or stored behind it: what reads or writes one file and no more.
BRACKETED = {name for row in ROWS["functions"] if row["does"][0][0] in ("read", "write") for name in row["calls"]}
BRACKETED |= {f"object.{name}" for name, method in METHODS.items() if method.roles[0].effect in ("read", "write")}
BRACKETED -= {name for row in ROWS["functions"] if len(row["does"]) > 1 for name in row["calls"]}
BRACKETED |= {*ROWS["archives"]}
# Lines go to the log, folders may be there, and of a shelf each entry is an object.
OTHERWISE = {*ROWS["logs"], *ROWS["folders"], "Path.mkdir", "shelve.open"}


def said_of_files(folder, text):
    (folder / "app.py").write_text(text)
    plan = make_plan([folder], Options())
    assert plan.errors == (), text
    return [each for each in plan.findings if each.rule == "SL301"]


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_call_goes_to_s3_or_it_is_said_what_to_do_instead(name, tmp_path):
    (finding,) = said_of_files(tmp_path, CASES[name])
    assert finding.verdict in (Verdict.STATE, Verdict.WRITE_ONLY)
    if name in BRACKETED | OTHERWISE | {*BECOMES}:
        assert finding.tier is Tier.REVIEW and finding.changes, finding.reasons
    else:
        assert finding.tier is Tier.MANUAL and not finding.changes
        assert any("line " in each for each in finding.reasons)
        assert any(way in each for way in WAYS_OUT for each in finding.reasons), finding.reasons


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_what_takes_an_open_file_works_on_the_returned_object(name, tmp_path):
    (finding,) = said_of_files(tmp_path, STREAMS[name])
    assert finding.tier is Tier.REVIEW and finding.changes, finding.reasons


@pytest.mark.parametrize("name", sorted(QUIET))
def test_new_names_texts_and_caches_of_libraries_are_no_finding(name, tmp_path):
    assert said_of_files(tmp_path, QUIET[name]) == []


def test_no_call_that_touches_files_is_left_out():
    """The list was made apart from files.json, out of the documentation of what is called."""
    asked = {*CASES, *STREAMS, *QUIET}
    for name in LISTED.read_text().split():
        spellings = {name, name.removeprefix("pathlib."), f"object.{name.rpartition('.')[2]}"}
        assert spellings & asked, name


def test_every_call_of_the_catalogue_is_asked_for():
    names = {
        name
        for key, rows in ROWS.items()
        for name in rows
        if key not in ("functions", "paths", "methods", "looking_methods", "outputs")
    }
    names |= {name for row in ROWS["functions"] for name in row["calls"]}
    assert names | {*BECOMES} <= {*CASES, *STREAMS, *QUIET}
