"""The helper file as a text: every subset of parts is complete, minimal, formatted and readable back."""

import ast
import random
import re
import subprocess
import sys
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_runtime_world import BUCKET, TABLE, cloud, container, watch

from statelift.runtime import ACTIONS, PARTS, is_pristine, parts_of, render_helper, render_inline_metric

subsets = st.sets(st.sampled_from(sorted(PARTS)))
NAMES = {
    "connection.slot": "ConnectionSlot.get",
    "connection.current": "ConnectionSlot.current",
    "connection.lent": "lent",
    "connection.quietly": "quietly",
    "connection.transaction": "transaction",
    "counter.add": "Counter.add",
    "counter.reset": "Counter.reset",
    "counter.value": "Counter.value",
    **{f"counters.{name}": f"Counters.{name}" for name in ("add", "get", "require", "contains")},
    "files.exists": "FileStore.exists",
    "files.copy": "FileStore.copy",
    **{f"files.entries_{name}": "FileStore.entries" for name in ("read", "write", "remove", "list")},
    "files.fetch": "FileStore.fetch",
    "files.getsize": "FileStore.getsize",
    "files.isdir": "FileStore.isdir",
    **{f"files.{name}": f"FileStore.{name}" for name in ("listdir", "iterdir", "scandir", "glob", "match")},
    "files.move": "FileStore.move",
    "files.open_append": "FileStore.open",
    "files.open_new": "FileStore.open",
    "files.open_read": "FileStore.open",
    "files.open_write": "FileStore.open",
    "files.remove": "FileStore.remove",
    "files.store": "FileStore.store",
    "files.step": "FileStore.one_step",
    "files.touch": "FileStore.touch",
    "files.write_bytes": "FileStore.write_bytes",
    "files.write_text": "FileStore.write_text",
    "metric.count": "count_metric",
    "metric.unit": "count_metric",
    "metric.dimensions": "count_metric",
    "metric.put": "put_metric",
    **{name: "stateless" for name in PARTS if name.startswith("stateless.")},
    **{name: f"Store.{name.removeprefix('store.')}" for name in PARTS if name.startswith("store.")},
    "store.step": "one_step",
    "store.steps": "one_step",
}
SETTINGS = {"store.key", "store.expiry", "store.missing"}  # arguments of Store and a constant, no methods


def public_names(text):
    """The functions and methods of a helper that rewritten code may call."""
    found = set()
    for node in ast.parse(text).body:
        match node:
            case ast.FunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name, body=body):
                found |= {f"{name}.{item.name}" for item in body if isinstance(item, ast.FunctionDef)}
    of_classes = {name for name in found if name.startswith("_")}
    return {name for name in found - of_classes if not re.search(r"(^|\.)_", name)}


@given(subsets, st.randoms())
@settings(max_examples=40, deadline=None)
def test_a_subset_has_what_it_names_in_any_order_and_is_read_back(parts, chance):
    text = render_helper(parts)
    shuffled = sorted(parts)
    chance.shuffle(shuffled)
    assert render_helper([*shuffled, *shuffled]) == text
    assert parts_of(text) == parts
    assert is_pristine(text)
    expected = {NAMES[part] for part in parts - SETTINGS}
    extra = {"FileStore.exists"} if "files.remove" in parts else set()
    extra |= {"Store.put_if"} if "store.put_unless" in parts else set()
    extra |= {"Counter.add"} if "counters.add" in parts else set()
    extra |= {"ConnectionSlot.get"} if "connection.current" in parts else set()
    extra |= {"Store.items"} if parts & {"store.keys", "store.values"} else set()
    extra |= {"FileStore.open"} if {"files.write_text", "files.write_bytes"} & parts else set()
    assert public_names(text) == expected | extra


def private_definitions(tree):
    """Private functions, methods, classes and constants of a helper."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if re.match("_[^_]", name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if name.startswith("_"):
                    yield name


def used_names(tree):
    loads = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return loads | {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}


@given(subsets)
@settings(max_examples=40, deadline=None)
def test_no_subset_has_dead_code_or_needs_a_newer_python_than_lambda_offers(parts):
    # Nobody asks for a setting or a step alone.
    parts = parts | {"store.get"} if parts & {*SETTINGS, "store.step", "store.steps"} else parts
    tree = ast.parse(render_helper(parts), feature_version=(3, 9))
    assert set(private_definitions(tree)) <= used_names(tree)


def test_subsets_are_formatted_and_have_no_unused_or_undefined_name(tmp_path):
    chance = random.Random(3)
    chosen = [[], list(PARTS), *([part] for part in PARTS)]
    chosen += [chance.sample(list(PARTS), chance.randint(2, 9)) for _ in range(60)]
    for number, parts in enumerate(chosen):
        (tmp_path / f"helper{number}.py").write_text(render_helper(parts))
    (tmp_path / "inline.py").write_text(render_inline_metric()[1])
    for command in (["check", "--select", "E,F,W,I,B,C4,PIE,RET,SIM"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", str(tmp_path)]
        answer = subprocess.run(ruff, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stdout


def test_the_file_says_what_it_is_and_whose():
    text = render_helper(["store.put", "store.get"])
    assert ast.get_docstring(ast.parse(text)) is not None
    assert "Generated by statelift, yours to keep" in text
    assert "\n# statelift parts: store.get store.put\n" in text
    assert len(text.splitlines()) < 250


def test_an_edited_or_foreign_file_is_not_pristine():
    text = render_helper(["counter.add"])
    assert not is_pristine(text.replace("32", "64"))
    assert not is_pristine(text.replace("counter.add", "counter.value", 1))
    assert not is_pristine("import os\n")
    assert not is_pristine("# statelift parts: store.teleport\n")
    assert parts_of("import os\n") is None
    assert parts_of("# statelift parts: store.teleport\n") == {"store.teleport"}
    assert parts_of(text.replace("\n", "\r\n")) == {"counter.add"}


def test_an_unknown_part_is_named_with_the_known_ones():
    with pytest.raises(KeyError, match=r"no helper part is called store\.teleport;.*store\.get"):
        render_helper(["store.get", "store.teleport"])
    with pytest.raises(KeyError, match="called dynamodb;"):
        render_helper(["dynamodb"])


def test_the_inline_metric_is_one_definition_of_its_name():
    name, text = render_inline_metric()
    [node] = ast.parse(text).body
    assert isinstance(node, ast.FunctionDef)
    assert node.name == name == "count_metric"


# ---------------------------------------------------------------- rights


def edited(module):
    with module.Store(TABLE).edit("e", []) as value:
        value.append(1)


def appended(module, text):
    with module.FileStore(BUCKET).open("/tmp/a", "a") as file:
        file.write(text)


def taken(module, action):
    with pytest.raises(FileExistsError):
        action(module.FileStore(BUCKET))


def absent(module):
    with pytest.raises(KeyError):
        module.Counters(TABLE).require("none")


def written():
    with tempfile.NamedTemporaryFile("w", dir="/tmp", delete=False) as file:
        file.write("x")
    return file.name


def kept():
    random.seed_of_this_test = random.random()


def file_step(module):
    """A file that is read and written, as the parts that open it do."""
    files = module.FileStore(BUCKET)

    @files.one_step("/tmp/a")
    def both():
        step = module._file_steps["tmp/a"]
        step.left = (step.content() or b"") + b"x"

    both()


def stepped(module, *keys):
    """Read these entries, and write the first."""
    store = module.Store(TABLE)
    module.one_step(store)(lambda: ([*map(store._read, keys)], store._step.write(store, keys[0], 1)))()


CALLS = {
    "store.get": [lambda m: m.Store(TABLE).get("a")],
    "store.require": [lambda m: m.Store(TABLE).require("a")],
    "store.contains": [lambda m: m.Store(TABLE).contains("a")],
    "store.put": [lambda m: m.Store(TABLE).put("a", 1)],
    "store.delete": [lambda m: m.Store(TABLE).delete("a")],
    "store.pop": [lambda m: m.Store(TABLE).pop("a")],
    "store.setdefault": [lambda m: m.Store(TABLE).setdefault("b")],
    "store.claim": [lambda m: m.Store(TABLE).claim("c")],
    "store.put_if": [lambda m: m.Store(TABLE).put_if("a", 1, lambda _: True, 0)],
    "store.put_unless": [lambda m: m.Store(TABLE).put_unless("a", 1, lambda _: False, 0)],
    "store.edit": [lambda m: m.Store(TABLE).edit("a").__enter__(), edited],
    "store.mutate": [lambda m: m.Store(TABLE).mutate("a", str)],
    "store.missing": [lambda m: m.Store(TABLE)],
    "store.keys": [lambda m: m.Store(TABLE).keys()],
    "store.values": [lambda m: m.Store(TABLE).values()],
    "store.key": [lambda m: m.Store(TABLE, key="id")],
    "store.expiry": [lambda m: m.Store(TABLE, ttl_seconds=60)],
    "store.step": [lambda m: stepped(m, "a")],
    "store.steps": [lambda m: stepped(m, "a", "b")],
    "store.items": [lambda m: m.Store(TABLE).items()],
    "store.count": [lambda m: m.Store(TABLE).count()],
    "counter.add": [lambda m: m.Counter(TABLE, "c").add(), lambda m: m.Counter(TABLE, "c").add()],
    "counter.reset": [lambda m: m.Counter(TABLE, "c").reset(), lambda m: m.Counter(TABLE, "c").reset(7)],
    "counter.value": [lambda m: m.Counter(TABLE, "c").value()],
    "counters.add": [lambda m: m.Counters(TABLE).add("k"), lambda m: m.Counters(TABLE).add("k", 2)],
    "counters.get": [lambda m: m.Counters(TABLE).get("k", 0)],
    "counters.require": [absent],
    "counters.contains": [lambda m: m.Counters(TABLE).contains("k")],
    **{
        name: [lambda m: m.stateless(TABLE, "random:seed_of_this_test")(kept)()]
        for name in PARTS
        if name.startswith("stateless.")
    },
    "metric.count": [lambda m: m.count_metric("Orders")],
    "metric.unit": [lambda m: m.count_metric("Orders", unit="Bytes")],
    "metric.dimensions": [lambda m: m.count_metric("Orders", dimensions={"service": "shop"})],
    "metric.put": [lambda m: m.put_metric("Orders", 2)],
    "files.open_read": [lambda m: m.FileStore(BUCKET).open("/tmp/a")],
    "files.open_write": [lambda m: m.FileStore(BUCKET).open("/tmp/b", "w").close()],
    "files.open_append": [lambda m: appended(m, "x")],
    "files.open_new": [lambda m: taken(m, lambda files: files.open("/tmp/a", "x"))],
    "files.step": [file_step],
    "files.touch": [lambda m: m.FileStore(BUCKET).touch("/tmp/a")],
    "files.entries_read": [lambda m: m.FileStore(BUCKET).entries("/tmp/e").get("c")],
    "files.entries_write": [lambda m: m.FileStore(BUCKET).entries("/tmp/e").update({"a": "1", "b": b"2"})],
    "files.entries_remove": [lambda m: m.FileStore(BUCKET).entries("/tmp/there").pop("a")],
    "files.entries_list": [lambda m: list(m.FileStore(BUCKET).entries("/tmp/e"))],
    "files.listdir": [lambda m: m.FileStore(BUCKET).listdir(tempfile.mkdtemp())],
    "files.iterdir": [lambda m: m.FileStore(BUCKET).iterdir(tempfile.mkdtemp())],
    "files.scandir": [lambda m: m.FileStore(BUCKET).scandir(tempfile.mkdtemp())],
    "files.glob": [lambda m: m.FileStore(BUCKET).glob("/tmp/no/*")],
    "files.match": [lambda m: m.FileStore(BUCKET).match("/tmp/no", "*")],
    "files.isdir": [lambda m: m.FileStore(BUCKET).isdir("/tmp/no/such")],
    "files.getsize": [lambda m: m.FileStore(BUCKET).getsize("/tmp/a")],
    "files.fetch": [lambda m: m.FileStore(BUCKET).fetch("/tmp/no/such")],
    "files.store": [lambda m: m.FileStore(BUCKET).store(written())],
    "files.copy": [lambda m: m.FileStore(BUCKET).copy(written(), "/tmp/b")],
    "files.move": [lambda m: m.FileStore(BUCKET).move(written(), "/tmp/b")],
    "files.write_text": [lambda m: m.FileStore(BUCKET).write_text("/tmp/b", "x")],
    "files.write_bytes": [lambda m: m.FileStore(BUCKET).write_bytes("/tmp/b", b"x")],
    "files.exists": [lambda m: m.FileStore(BUCKET).exists("/tmp/a")],
    "files.remove": [lambda m: m.FileStore(BUCKET).remove("/tmp/a")],
    "connection.slot": [lambda m: m.ConnectionSlot(object, bool).get()],
    "connection.current": [lambda m: m.ConnectionSlot(object, bool).current],
    "connection.lent": [lambda m: m.lent(object()).__enter__()],
    "connection.quietly": [lambda m: m.quietly(object)],
    "connection.transaction": [lambda m: m.transaction(object()).__enter__()],
}
ACTION_OF = {
    "get_item": {"dynamodb:GetItem"},
    "update_item": {"dynamodb:UpdateItem"},
    "delete_item": {"dynamodb:DeleteItem"},
    "scan": {"dynamodb:Scan"},
    "transact_write_items": {"dynamodb:ConditionCheckItem", "dynamodb:UpdateItem"},
    # Reading answers 403 for a missing object without the right to list.
    "get_object": {"s3:GetObject", "s3:ListBucket"},
    "head_object": {"s3:GetObject", "s3:ListBucket"},
    "put_object": {"s3:PutObject"},
    "delete_object": {"s3:DeleteObject"},
    "list_objects_v2": {"s3:ListBucket"},
    "put_metric_data": {"cloudwatch:PutMetricData"},
}


@pytest.fixture(scope="module")
def _cloud():
    with cloud():
        module = container()
        for key in ("tmp/a", f"tmp/there/{b'a'.hex()}"):
            module._s3().put_object(Bucket="files", Key=key, Body=b"")
        yield


@pytest.mark.usefixtures("_cloud")
@pytest.mark.parametrize("part", PARTS)
def test_the_actions_of_a_part_are_those_of_its_calls(part):
    container().Store(TABLE).put("a", 1)
    container().FileStore(BUCKET).open("/tmp/a", "w").close()
    module = container(render_helper([part]))
    clients = [watch(module, getter) for getter in ("_s3", "_dynamodb", "_cloudwatch") if hasattr(module, getter)]
    for call in CALLS[part]:
        # A second addition, by another instance, may have to look first.
        call(module)
    made = {action for client in clients for name in client.calls for action in ACTION_OF[name]}
    expected = set(ACTIONS[part])
    assert made <= expected
    assert expected - made <= {"dynamodb:GetItem"}
    assert part in ("counter.add", "counter.reset", "counters.add") or made == expected
