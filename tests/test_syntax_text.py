"""The short ways of `Syntax.text` say what Python would write, for every expression of modules of the library."""

import ast
import sysconfig
from pathlib import Path

import pytest

from statelift.facts.syntax import Syntax
from statelift.model import SourceFile
from statelift.source import parse_source

LIBRARY = Path(sysconfig.get_path("stdlib"))


@pytest.mark.parametrize("name", ["argparse", "dataclasses", "json/decoder", "tokenize"])
def test_text_is_what_python_writes(name):
    parsed = parse_source(SourceFile(f"{name}.py", (LIBRARY / f"{name}.py").read_bytes()))
    syntax = Syntax(parsed)
    expressions = [node for node in ast.walk(parsed.tree) if isinstance(node, ast.expr)]
    assert len(expressions) > 500
    for node in expressions:
        assert syntax.text(node) == ast.unparse(node)
