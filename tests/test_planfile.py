"""Plans survive the way to JSON and back; nothing else is let in."""

import copy
import json
import os
import stat
from dataclasses import fields, replace
from importlib import resources
from typing import get_args

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statelift import model, planfile
from statelift.model import Place, Plan, Tier, Verdict
from statelift.planfile import PlanError, load_plan, plan_from_json, plan_to_json, save_plan

OPERATIONS = {
    "edit": model.Edit,
    "ensure_import": model.EnsureImport,
    "ensure_helper_part": model.EnsureHelperPart,
    "ensure_resource": model.EnsureResource,
    "ensure_env": model.EnsureEnv,
    "ensure_grant": model.EnsureGrant,
    "ensure_packaged": model.EnsurePackaged,
}


def schema(name):
    text = resources.files("statelift.schemas").joinpath(f"{name}.schema.json").read_text("utf-8")
    return json.loads(text)


def is_valid(name, data):
    return jsonschema.Draft202012Validator(schema(name)).is_valid(data)


@pytest.fixture
def plan():
    uses = (model.Use("src/app.py", 9, "write"),)
    finding = model.Finding(
        id="F1",
        rule="SL101",
        name="session-store",
        family="memory",
        place=Place("src/app.py", 3, 1, 3),
        symbol="SESSIONS",
        verdict=Verdict.STATE,
        message="SESSIONS is kept in the container",
        reasons=("written in login, read in validate",),
        handlers=("app.login",),
        uses=uses,
        tier=Tier.SAFE,
        changes=("C1", "C2"),
    )
    suspect = replace(finding, id="F2", verdict=Verdict.CACHE, tier=None, changes=())
    ops = (
        model.Edit("src/app.py", 10, 12, "Store()"),
        model.EnsureImport("src/app.py", "statelift_state", "Store"),
        model.EnsureHelperPart("src/statelift_state.py", "store"),
        model.EnsureResource("Sessions", "table", (("key", "id"),), "template.yaml"),
        model.EnsureEnv("Login", "SESSIONS_TABLE_NAME", "Sessions", "name", "template.yaml"),
        model.EnsureGrant("Login", "Sessions", ("dynamodb:PutItem",), template="template.yaml"),
        model.EnsurePackaged("Login", "src/statelift_state.py", "Dockerfile"),
    )
    return Plan(
        root="/repo",
        options=model.Options(select=("SL1",)),
        files=(model.FileHash("src/app.py", "ab" * 32), model.FileHash("src/statelift_state.py", "")),
        findings=(finding,),
        left_alone=(suspect,),
        changes=(
            model.Change("C1", "SL101", Tier.SAFE, "Move SESSIONS", ("plain",), ops, "F1"),
            model.Change("C2", "SL101", Tier.REVIEW, "Localise", (), (), "F1", ("C1",), "rejected"),
        ),
        errors=(model.Problem("bad.py", 1, "syntax", "cannot be parsed"),),
        file_count=7,
        function_count=2,
    )


def test_a_plan_reads_back_equal_and_fits_its_schema(plan):
    data = json.loads(json.dumps(plan_to_json(plan)))
    assert plan_from_json(data) == plan
    assert is_valid("plan", data)


def test_the_scan_has_the_keys_of_the_contract(plan):
    data = json.loads(json.dumps(planfile.scan_to_json(plan)))
    assert is_valid("scan", data)
    assert set(data) == set("schema tool_version root findings left_alone errors summary".split())
    assert data["findings"][0] == {
        "id": "F1",
        "rule": "SL101",
        "name": "session-store",
        "family": "memory",
        "path": "src/app.py",
        "line": 3,
        "end_line": 3,
        "column": 1,
        "symbol": "SESSIONS",
        "verdict": "state",
        "tier": "safe",
        "message": "SESSIONS is kept in the container",
        "reasons": ["written in login, read in validate"],
        "handlers": ["app.login"],
        "uses": [{"path": "src/app.py", "line": 9, "kind": "write"}],
        "changes": ["C1", "C2"],
    }
    assert data["left_alone"][0].keys() == data["findings"][0].keys() - {"tier", "changes"}


def test_the_operations_have_the_keys_of_the_contract(plan):
    ops = plan_to_json(plan)["changes"][0]["ops"]
    assert ops[0] == {"op": "edit", "path": "src/app.py", "start": 10, "end": 12, "text": "Store()"}
    assert ops[3]["kind"] == "table"
    assert ops[3]["properties"] == {"key": "id"}
    assert [op["op"] for op in ops] == list(OPERATIONS)


def test_the_summary_counts(plan):
    assert planfile.summary(plan) == {
        "files": 7,
        "functions": 2,
        "findings_by_family": {"memory": 1, "counter": 0, "tmp": 0, "connection": 0, "foreign": 0},
        "findings_by_tier": {"safe": 1, "review": 0, "manual": 0},
        "left_alone": 1,
        "errors": 1,
    }


def test_a_reported_finding_needs_a_tier(plan):
    judged = replace(plan, findings=(replace(plan.findings[0], tier=None),))
    with pytest.raises(PlanError, match="F1 is reported but has no tier"):
        planfile.scan_to_json(judged)


@pytest.mark.parametrize("name", ["scan", "plan"])
def test_the_schema_is_valid_and_its_words_are_the_words_of_the_model(name):
    document = schema(name)
    jsonschema.Draft202012Validator.check_schema(document)
    definitions = document["$defs"]
    assert definitions["verdict"]["enum"] == [verdict.value for verdict in Verdict]
    assert definitions["tier"]["enum"] == [tier.word for tier in Tier]
    assert definitions["finding"]["properties"]["family"]["enum"] == list(get_args(model.Family))


LATER = {"change": {"is_default"}}  # there only where it says something


def test_the_plan_schema_knows_each_field_of_each_operation():
    definitions = schema("plan")["$defs"]
    known = {**OPERATIONS, "change": model.Change, "options": model.Options}
    for word, kind in known.items():
        names = {field.name for field in fields(kind)}
        assert set(definitions[word]["required"]) - {"op"} == names - LATER.get(word, set())
        assert set(definitions[word]["properties"]) - {"op"} == names


def test_no_object_of_the_schemas_allows_unknown_keys():
    def objects(node):
        match node:
            case {"type": "object"}:
                yield node
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from objects(child)

    every = [*objects(schema("scan")), *objects(schema("plan"))]
    assert len(every) > 20
    assert [one for one in every if one.get("additionalProperties") not in (False, {"type": "string"})] == []


ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
texts = st.text(max_size=6)
lists = st.lists(texts, max_size=2).map(tuple)
counts = st.integers(0, 10**6)
segments = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0:"), min_size=1, max_size=4)
paths = st.lists(segments.filter(lambda word: word not in (".", "..")), min_size=1, max_size=3).map("/".join)
templates = st.none() | paths
edits = st.tuples(paths, counts, counts, texts).map(lambda t: model.Edit(t[0], *sorted(t[1:3]), t[3]))
operations = (
    edits
    | st.builds(model.EnsureImport, paths, texts, st.none() | texts)
    | st.builds(model.EnsureHelperPart, paths, texts, st.none() | texts)
    | st.builds(
        model.EnsureResource,
        texts,
        st.sampled_from(["table", "bucket", "metric", "alarm"]),
        st.dictionaries(texts, texts, max_size=2).map(lambda pairs: tuple(pairs.items())),
        templates,
    )
    | st.builds(model.EnsureEnv, texts, texts, texts, texts, templates)
    | st.builds(model.EnsureGrant, texts, texts, lists, st.none() | texts, st.none() | texts, templates)
)


uses = st.lists(st.builds(model.Use, paths, counts, texts), max_size=2).map(tuple)
families, verdicts = st.sampled_from(get_args(model.Family)), st.sampled_from(Verdict)
places = st.builds(Place, paths, counts, counts, counts)
tiers, ops = st.sampled_from(Tier), st.lists(operations, max_size=3).map(tuple)
hashes = st.builds(model.FileHash, paths, st.sampled_from(["", "0f" * 32]))
problems = st.builds(model.Problem, paths | st.just(""), counts, texts, texts)
decisions = st.sampled_from([None, "accepted", "rejected"])


def findings(name, tiers, changes):
    judged = (families, places, texts, verdicts, texts, lists, lists, uses, tiers, changes)
    return st.builds(model.Finding, st.just(name), texts, texts, *judged)


@st.composite
def plans(draw):
    names = draw(st.lists(ids, max_size=4, unique=True))
    cut = draw(st.integers(0, len(names)))
    changes = draw(st.lists(ids, max_size=3, unique=True))
    some = st.lists(st.sampled_from(changes), unique=True).map(tuple) if changes else st.just(())
    judged, suspects = names[:cut], names[cut:]
    answers = st.none() | st.sampled_from(judged) if judged else st.none()
    made = [
        draw(st.builds(model.Change, st.just(name), texts, tiers, texts, lists, ops, answers, some, decisions))
        for name in changes
    ]
    defaults = {
        change.alternatives_of: change.id for change in made if change.alternatives_of and draw(st.booleans())
    }
    return Plan(
        root="/" + draw(paths),
        options=draw(st.builds(model.Options, st.booleans(), lists, lists, lists)),
        files=tuple(draw(st.lists(hashes, max_size=2, unique_by=lambda file: file.path))),
        findings=tuple(draw(findings(name, tiers, some)) for name in judged),
        left_alone=tuple(draw(findings(name, st.none(), st.just(()))) for name in suspects),
        changes=tuple(replace(change, is_default=change.id in defaults.values()) for change in made),
        errors=tuple(draw(st.lists(problems, max_size=1))),
        file_count=draw(counts),
        function_count=draw(counts),
    )


VALIDATOR = jsonschema.Draft202012Validator(schema("plan"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_every_plan_reads_back_equal_and_fits_the_schema(made):
    data = json.loads(json.dumps(plan_to_json(made)))
    assert plan_from_json(data) == made
    VALIDATOR.validate(data)


def broken(plan, at, value):
    """The plan's JSON with the value at a place (keys and indexes) replaced, or removed if it is `...`."""
    data = copy.deepcopy(plan_to_json(plan))
    node = data
    for key in at[:-1]:
        node = node[key]
    if value is ...:
        del node[at[-1]]
    else:
        node[at[-1]] = value
    return data


OPS = ("changes", 0, "ops")

WRONG = [
    pytest.param(("schema",), 2, r"\$\.schema is 2", id="newer-schema"),
    pytest.param(("schema",), True, r"\$\.schema is True", id="schema-is-no-number"),
    pytest.param(("schema",), ..., r"\$\.schema is None", id="no-schema"),
    pytest.param(("changes",), ..., r"\$ lacks changes", id="missing-key"),
    pytest.param(("findings", 0, "tier"), ..., r"\$\.findings\[0\] lacks tier", id="missing-nested"),
    pytest.param(("extra",), 1, r"\$ has unknown keys: 'extra'", id="unknown-key"),
    pytest.param(("left_alone", 0, "tier"), "safe", r"\$\.left_alone\[0\] has unknown keys", id="tier-left"),
    pytest.param((*OPS, 0, "mode"), "x", r"ops\[0\] has unknown keys: 'mode'", id="unknown-nested"),
    pytest.param(("findings",), {}, r"\$\.findings must be an array", id="object-for-array"),
    pytest.param(("options",), [], r"\$\.options must be an object", id="array-for-object"),
    pytest.param(("options", "strict_handlers"), 1, "must be true or false", id="int-for-bool"),
    pytest.param(("options", "metrics"), "udp", "must be one of emf, api", id="metrics"),
    pytest.param(("findings", 0, "line"), True, r"\.line must be a whole number", id="bool-for-int"),
    pytest.param(("findings", 0, "line"), -1, r"\.line must be a whole number", id="negative"),
    pytest.param(("findings", 0, "line"), 1.0, r"\.line must be a whole number", id="float"),
    pytest.param(("findings", 0, "message"), None, r"\.message must be a string", id="null-for-text"),
    pytest.param(("findings", 0, "reasons", 0), 3, r"\.reasons\[0\] must be a string", id="int-for-text"),
    pytest.param(("findings", 0, "verdict"), "fine", r"\.verdict must be one of state", id="verdict"),
    pytest.param(("findings", 0, "family"), [], r"\.family must be one of memory", id="family"),
    pytest.param(("findings", 0, "tier"), "SAFE", r"\.tier must be one of safe, review", id="tier"),
    pytest.param(("changes", 0, "decision"), "yes", r"\.decision must be one of", id="decision"),
    pytest.param((*OPS, 0, "op"), "delete", r"ops\[0\]\.op must be one of edit", id="operation"),
    pytest.param((*OPS, 0, "op"), ..., r"ops\[0\]\.op must be one of edit", id="no-operation"),
    pytest.param((*OPS, 0, "start"), 13, r"ops\[0\]\.start \(13\) lies behind the end \(12\)", id="span"),
    pytest.param((*OPS, 3, "kind"), "queue", r"\.kind must be one of table", id="resource-kind"),
    pytest.param((*OPS, 3, "properties", "key"), 1, r"\.properties\.key must be a string", id="property"),
    pytest.param(("files", 0, "sha256"), "abc", r"\.sha256 .*64 hexadecimal", id="sha256"),
    pytest.param(("root",), "repo", r"\$\.root .*absolute", id="relative-root"),
    pytest.param(("root",), "/r\0", r"\$\.root", id="nul-in-root"),
    pytest.param(("errors", 0, "path"), "../x", r"errors\[0\]\.path .*below the root", id="error-path"),
    pytest.param(("summary", "left_alone"), 5, r"\$\.summary does not count", id="wrong-summary"),
    pytest.param(("summary", "files"), "7", r"\$\.summary\.files must be a whole number", id="summary-type"),
    pytest.param(("summary", "more"), 0, r"\$\.summary", id="summary-extra"),
    pytest.param(("changes", 1, "id"), "C1", r"\$\.changes\[1\]\.id repeats 'C1'", id="change-twice"),
    pytest.param(("left_alone", 0, "id"), "F1", r"\$\.left_alone\[0\]\.id repeats", id="finding-twice"),
    pytest.param(("files", 1, "path"), "src/app.py", r"files\[1\]\.path repeats", id="file-twice"),
    pytest.param(("changes", 1, "needs"), ["C1", "C9"], r"changes\[1\]\.needs\[1\] names 'C9'", id="needs"),
    pytest.param(("changes", 0, "is_default"), "yes", r"\.is_default must be true or false", id="default"),
    pytest.param(("changes", 0, "alternatives_of"), "C2", r"\.alternatives_of names 'C2'", id="answers"),
    pytest.param(("findings", 0, "changes"), ["C9"], r"findings\[0\]\.changes\[0\] names", id="no-change"),
]


@pytest.mark.parametrize(("at", "value", "message"), WRONG)
def test_a_plan_that_is_not_exact_is_refused_with_place_and_cure(plan, at, value, message):
    with pytest.raises(PlanError, match=message) as caught:
        plan_from_json(broken(plan, at, value))
    assert str(caught.value).endswith("Make a new plan: statelift plan -o plan.json")


BAD_PATHS = ["", "/etc/passwd", "../up.py", "a/../b.py", "a/..", "./a.py", "a//b.py", "a/"]
BAD_PATHS += ["a\\b.py", "C:/a.py", "c:a.py", "a\0.py"]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize(
    "at",
    [(*OPS, n, "path") for n in (0, 1, 2)]
    + [(*OPS, n, "template") for n in (3, 4, 5)]
    + [("files", 1, "path"), ("findings", 0, "path"), ("findings", 0, "uses", 0, "path")],
    ids=lambda at: ".".join(map(str, at)),
)
def test_no_path_leaves_the_root(plan, at, path):
    data = broken(plan, at, path)
    with pytest.raises(PlanError, match=r"path|template"):
        plan_from_json(data)
    assert not is_valid("plan", data)


@pytest.mark.parametrize("data", [None, [], "plan", 1])
def test_only_an_object_is_a_plan(data):
    with pytest.raises(PlanError, match=r"\$ must be an object"):
        plan_from_json(data)


def test_a_saved_plan_loads_equal(plan, tmp_path):
    save_plan(plan, tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == plan
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_saving_again_replaces_and_keeps_the_mode(plan, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text("old")
    path.chmod(0o640)
    save_plan(plan, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert load_plan(path) == plan


def test_saving_through_a_link_keeps_the_link(plan, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to("real.json")
    save_plan(plan, link)
    assert link.is_symlink()
    assert load_plan(tmp_path / "real.json") == plan


def test_a_failed_save_leaves_the_old_file_and_no_litter(plan, tmp_path, monkeypatch):
    path = tmp_path / "plan.json"
    path.write_text("old")

    def full(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        save_plan(plan, path)
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_odd_file_names_survive(plan, tmp_path):
    odd = replace(plan, files=(model.FileHash("caf\xe9 \udcff.py", ""),))
    save_plan(odd, tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == odd


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as a plan"),
        (b"{", "cannot be read as a plan"),
        (b"\xff\xfe\xfa", "cannot be read as a plan"),
        (b"[" * 100_000, "cannot be read as a plan"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "cannot be read as a plan"),
        (b'{"schema": 1, "schema": 1}', "an object key repeats 'schema'"),
        (b'{"schema": NaN}', "schema is nan"),
    ],
    ids=["empty", "cut", "bytes", "deep", "huge-number", "key-twice", "nan"],
)
def test_a_file_that_is_no_plan_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(PlanError, match=message) as caught:
        load_plan(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith("Make a new plan: statelift plan -o plan.json")


def test_a_plan_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(PlanError, match=r"gone\.json"):
        load_plan(tmp_path / "gone.json")
