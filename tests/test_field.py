"""The field run: figures and checks of whole folders, and that each check can fail."""

import json
from pathlib import Path

import checks
import field
import pytest

from statelift.model import Change, Edit, EnsureHelperPart, EnsureImport, FileWrite, Tier
from statelift.selecting import selections

FIXTURES = Path(__file__).parents[1] / "fixtures"
PROJECTS = sorted(path for path in (FIXTURES / "projects").iterdir() if path.is_dir())
SEEDS = [
    FIXTURES / "seeds" / name / "before" for name in ("sessions_sam", "tmp_sam", "leaky_results", "validated_sql")
]


@pytest.mark.parametrize("folder", [*PROJECTS, *SEEDS], ids=lambda path: path.relative_to(FIXTURES).as_posix())
def test_every_check_holds_for_the_fixtures(folder):
    found = field.field_of(folder)
    assert found.failures == ()
    assert found.python_files == sum(1 for _ in folder.rglob("*.py"))


def test_the_figures_are_those_of_the_plan():
    plan = field.planned(FIXTURES / "projects" / "shop")
    found = field.field_of(FIXTURES / "projects" / "shop")
    assert sum(sum(families.values()) for families in found.findings.values()) == len(plan.findings) > 0
    assert sum(found.changes.values()) == len(plan.changes) > 0
    assert sum(found.left_alone.values()) == len(plan.left_alone) > 0
    edited = {op.path for change in plan.changes for op in change.ops if isinstance(op, Edit)}
    assert found.files_changed == len([path for path in edited if path.endswith(".py")]) > 0


def test_nothing_is_written_into_the_folder(tmp_path):
    (tmp_path / "app.py").write_bytes((FIXTURES / "seeds/sessions/before/app.py").read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*")}
    field.field_of(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_a_crash_is_a_failure_with_its_traceback(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(field, "analyse", lambda *_: 1 / 0)
    assert field.main([str(tmp_path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert [failure.check for failure in field.field_of(tmp_path).failures] == ["crashes"]


# ---------------------------------------------------------------- checks that fail


def test_a_file_that_does_not_compile_is_found():
    writes = [
        FileWrite("a.py", b"", b"return 1\n"),
        FileWrite("b.py", b"", b"x = 1\n"),
        FileWrite("t.yaml", b"", b":"),
    ]
    assert [failure.place for failure in checks.compile_failures(writes)] == ["a.py"]


BEFORE = b"import os\nfrom helper import A\n\nx = old()\n\n\ndef f():\n    return x\n"
OPERATIONS = (
    Edit("a.py", 36, 41, "_new()"),
    EnsureImport("a.py", "functools"),
    EnsureImport("a.py", "helper", "B"),
    EnsureHelperPart("a.py", "_new", "def _new():\n    return B\n"),
)
AFTER = (
    b"import functools\nimport os\nfrom helper import A, B\n\nx = _new()\n\n\n"
    b"def _new():\n    return B\n\n\ndef f():\n    return x\n"
)


def faults(after: bytes, operations=OPERATIONS, path: str = "a.py", before: bytes = BEFORE) -> list[str]:
    change = Change("SL101-1.x", "SL101", Tier.SAFE, "", (), operations)
    return [failure.message for failure in checks.untouched_failures([FileWrite(path, before, after)], [change])]


def test_edits_imports_and_definitions_are_allowed():
    assert BEFORE[36:41] == b"old()"
    assert faults(AFTER) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"    return x\n", b"    return  x\n"),
        (b"def f():", b"def g():"),
        (b"import os\n", b""),
        (b"A, B", b"B"),
        (b"A, B", b"A, B, C"),
        (b"_new()\n\n\ndef _new", b"_new()\n\n\nprint()\ndef _new"),
        (b"x = _new()", b"x = old()"),
        (b"\n\n\ndef f", b"\n\ndef f"),
    ],
)
def test_anything_else_is_a_failure(old, new):
    changed = AFTER.replace(old, new)
    assert changed != AFTER
    assert len(faults(changed)) == (0 if new == b"\n\ndef f" else 1)


def test_line_ends_and_encodings_count():
    before = "# coding: latin-1\r\nx = 'é'\r\n".encode("latin-1")
    edit = (Edit("a.py", 23, 26, "'ü'\n"),)
    assert before[23:26] == "'é'".encode("latin-1")
    assert faults("# coding: latin-1\r\nx = 'ü'\r\n\r\n".encode("latin-1"), edit, before=before) == []
    assert len(faults("# coding: latin-1\nx = 'ü'\r\n\r\n".encode("latin-1"), edit, before=before)) == 1


def test_a_byte_order_mark_stays_in_front_of_what_comes_in_first():
    mark = b"\xef\xbb\xbf"
    operations = (EnsureImport("a.py", "functools"),)
    assert faults(mark + b"import functools\nimport os\n", operations, before=mark + b"import os\n") == []
    for after in (b"import functools\nimport os\n", b"import functools\n" + mark + b"import os\n"):
        assert len(faults(after, operations, before=mark + b"import os\n")) == 1


def test_templates_only_grow():
    assert faults(b"a: 1\nb: 2\nc: 3\n", (), "template.yaml", b"a: 1\nc: 3\n") == []
    assert len(faults(b"a: 2\nc: 3\n", (), "template.yaml", b"a: 1\nc: 3\n")) == 1


# ---------------------------------------------------------------- what is printed


def test_alternatives_are_tried_one_after_the_other():
    changes = [
        Change(f"{name}.{style}", "SL101", Tier.REVIEW, "", (), (), group)
        for name, style, group in [
            ("a", "x", None),
            ("b", "x", "b"),
            ("b", "y", "b"),
            ("c", "x", "c"),
            ("c", "y", "c"),
        ]
    ]
    chosen = [[change.id for change in selection] for selection in selections(changes)]
    assert chosen == [["a.x", "b.x", "c.x"], ["a.x", "b.y", "c.y"]]
    assert list(selections([])) == []


def test_table_and_json_say_the_same(tmp_path, capsys):
    target = tmp_path / "out.json"
    assert (
        field.main(["--json", str(target), str(FIXTURES / "projects/shop"), str(FIXTURES / "projects/plain")]) == 0
    )
    shop, plain = json.loads(target.read_text())
    heads, *rows = [line.split() for line in capsys.readouterr().out.split("\n\n")[0].splitlines()]
    assert [row[0] for row in rows] == ["shop", "plain", "all"]
    assert [row[1] for row in rows] == [str(n) for n in (shop["python_files"], plain["python_files"], 18)]
    assert heads[:2] == ["folder", "py"]
