"""A connection -> the test that puts something in the place of its library: a kept client would outlive that."""

import re

from statelift.facts.values import Connection
from statelift.judge.evidence import Evidence

REPLACING = (rb"\bpatch\b", rb"\bsetattr\s*\(", rb"\bsetitem\s*\(", rb"\bStubber\b", rb"\bsys\.modules\b")
SET = rb"\bsetenv\(\s*['\"]%s['\"]\s*,\s*([^)]*)\)"  # of pytest's monkeypatch
ASSIGNED = rb"\.%s(?:\.\w+)*\s*=(?!=)"  # app.boto3 = Mock()
QUOTED = re.compile(r"['\"](\w+)['\"]")


def replacing_test(evidence: Evidence, path: str, connection: Connection) -> str:
    """Which test replaces the library, or what the arguments read from the environment; "" if none does."""
    module = path.rpartition("/")[2].removesuffix(".py")
    library = connection.constructor.partition(".")[0]
    for test, data in _tests_of(evidence, module):
        mentions = re.search(rb"\b%s\b" % re.escape(library.encode()), data)
        if mentions and any(re.search(each, data) for each in REPLACING):
            return f"{test} patches {library}: a kept client may outlive the patch"
        if re.search(ASSIGNED % re.escape(library.encode()), data):
            return f"{test} assigns another {library}: a kept client may outlive that"
    return _other_environment(evidence, path, connection, module)


def _other_environment(evidence: Evidence, path: str, connection: Connection, module: str) -> str:
    """Which test gives a variable of the environment, that the arguments read, more than one value."""
    sources = {source for each in connection.arguments for source in evidence.sources.of(path, each.value)}
    names = {name for source in sources if source.kind == "env" for name in QUOTED.findall(source.detail)}
    for test, data in _tests_of(evidence, module):
        for name in sorted(names):
            if len({*re.findall(SET % re.escape(name.encode()), data)}) > 1:
                return f"{test} sets {name} to several values: a kept client stays with the first"
    return ""


def _tests_of(evidence: Evidence, module: str) -> list[tuple[str, bytes]]:
    """The test files near the code root that name the module."""
    near = evidence.program.root.path.rpartition("/")[0]
    word = re.compile(rb"\b%s\b" % re.escape(module.encode()))
    return [
        (path, data)
        for path, data in sorted(evidence.tests.items())
        if (not near or path.startswith(f"{near}/")) and word.search(data)
    ]
