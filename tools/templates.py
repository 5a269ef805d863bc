"""Folders with templates of other people -> how many take what a change needs, and why the others do not.

Usage: templates.py [--json FILE] [--most N] DIR...    Nothing below DIR is written. Exit 1 if any check fails.

Every Python function of a SAM, CloudFormation, Serverless or Terraform file is asked to take two tables, a bucket,
three variables and five rights; of each file at most N functions. Equal files count once. Checks, with code that
the patcher does not use, two of them for the first function of a file only:
  untouched  the old bytes are all there in their order: nothing but additions; the one policy of a mapping becomes
             the first of a list, so that two blanks in front of it become a dash and a blank
  means      all that the old file said it still says (YAML and JSON)
  settles    a second run adds nothing
  order      the same operations in another order give the same bytes
  findings   cloudformation-validate, where it is installed, finds nothing new (SAM and CloudFormation)
"""

import argparse
import importlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Protocol, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from statelift.infra import Refusal
from statelift.infra.patching import patch_file
from statelift.locate.deployed import Deployed, Files
from statelift.locate.serverless import find_in_services
from statelift.locate.templates import find_in_templates
from statelift.locate.terraform import find_in_terraform
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, InfraOperation

CHECKS = ("untouched", "means", "settles", "order", "findings", "crashes")
ENDINGS = (".yaml", ".yml", ".json", ".template", ".tf", ".tofu", ".tfvars")
_LARGEST = 2_000_000  # bytes
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FINDERS = {
    "SAM, CloudFormation": find_in_templates,
    "Serverless": find_in_services,
    "Terraform": find_in_terraform,
}


@dataclass(slots=True)
class Tally:
    """What came of one kind of files. `refused` is reason -> number of functions, `failures` are "check: place"."""

    templates: int = 0
    functions: int = 0
    patched: int = 0
    whole: int = 0  # templates of which every function was patched
    refused: dict[str, int] = field(default_factory=dict)
    checked: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def operations_for(function: str, role: str) -> tuple[InfraOperation, ...]:
    """What three changes of one function would ask for."""
    orders, sessions, results = "OrdersTable", "ActiveSessionsTable", "ResultsBucket"
    rights = (
        (orders, ("dynamodb:GetItem", "dynamodb:UpdateItem"), None),
        (sessions, ("dynamodb:PutItem",), None),
        (results, ("s3:GetObject", "s3:ListBucket"), "tmp/results.json"),
        (results, ("s3:PutObject",), "tmp/parts/"),
    )
    return (
        EnsureResource(orders, "table", (("origin", "app.py:ORDERS"),)),
        EnsureResource(sessions, "table", (("ttl", "expires_at"),)),
        EnsureResource(results, "bucket", (("origin", "files in /tmp"),)),
        EnsureEnv(function, "ORDERS_TABLE_NAME", orders),
        EnsureEnv(function, "ACTIVE_SESSIONS_TABLE_NAME", sessions),
        EnsureEnv(function, "RESULTS_BUCKET_NAME", results),
        *(EnsureGrant(function, name, actions, prefix, role=role) for name, actions, prefix in rights),
    )


# ---------------------------------------------------------------- checks


def is_subsequence(part: bytes, whole: bytes) -> bool:
    """Whether all bytes of `part` stand in `whole` in their order."""
    at = 0
    for line in part.splitlines(keepends=True):  # whole lines first: that is quick, and true of nearly all
        found = whole.find(line, at)
        if found < 0:
            rest = iter(whole)
            return all(byte in rest for byte in part)
        at = found + len(line)
    return True


def says_all(old: Node, new: Node) -> bool:
    """Whether a YAML value says all that an older one said; what was one value may be an item of a list now."""
    match old, new:
        case MappingNode(), MappingNode():
            known = {str(key.value): value for key, value in new.value}
            pairs = [(known.get(str(key.value)), value) for key, value in old.value]
            return all(found is not None and says_all(value, found) for found, value in pairs)
        case SequenceNode(), SequenceNode():
            rest = iter(new.value)
            return all(any(says_all(item, other) for other in rest) for item in old.value)
        case ScalarNode(value=""), MappingNode() | SequenceNode():
            return True
        case ScalarNode() | MappingNode(), SequenceNode():
            return any(says_all(old, item) for item in new.value)
        case ScalarNode(), ScalarNode():
            return (old.tag, old.value) == (new.tag, new.value)
        case _:
            return False


class _Entity(Protocol):
    logical_id: str | None


class _Diagnostic(Protocol):
    rule_id: str
    severity: object
    entity: _Entity | None


@cache
def _validator() -> Callable[[bytes], Sequence[_Diagnostic]] | None:
    try:
        module = importlib.import_module("cloudformation_validate")
    except ImportError:
        return None
    engine = module.CelEngine()
    return lambda data: cast(Sequence[_Diagnostic], engine.validate_template(data).diagnostics)


def findings(data: bytes) -> set[tuple[str, str]]:
    """Rule and resource of what a validator reports beyond mere information."""
    validate = _validator()
    found = validate(data) if validate is not None else ()
    return {
        (each.rule_id, (each.entity.logical_id if each.entity else "") or "")
        for each in found
        if "INFO" not in str(each.severity)
    }


def _faults(before: bytes, after: bytes, *, is_yaml: bool) -> Iterator[str]:
    has_dash = is_yaml and is_subsequence(before.replace(b" ", b""), after.replace(b" ", b""))
    if not has_dash and not is_subsequence(before, after):
        yield "untouched"
    if is_yaml:
        trees = [yaml.compose(data.decode("utf-8-sig"), Loader=_LOADER) for data in (before, after)]
        if not all(trees) or not says_all(cast(Node, trees[0]), cast(Node, trees[1])):
            yield "means"


# ---------------------------------------------------------------- one file


def _reason(text: str, function: Deployed) -> str:
    """The sentence without the names of this one template."""
    for name in (function.logical_id, function.logical_id.rpartition(".")[2]):
        text = text.replace(name, "F") if name else text
    return " ".join("X" if any(sign in word.rstrip(".,:;") for sign in "./[\"'") else word for word in text.split())


def _files_of(function: Deployed, before: bytes) -> dict[str, tuple[bytes | None, tuple[InfraOperation, ...]]]:
    """Path -> old bytes and what is asked of the file."""
    operations = operations_for(function.logical_id, function.principal)
    if function.tool != "terraform":
        return {function.template: (before, operations)}
    variables = tuple(op for op in operations if isinstance(op, EnsureEnv))
    others = tuple(op for op in operations if not isinstance(op, EnsureEnv))
    return {function.template: (before, variables), function.resources: (None, others)}


def _more(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _try(tally: Tally, kind: str, function: Deployed, before: bytes, place: str, *, is_first: bool) -> bool:
    """Ask for the additions, and check what came of it."""
    try:
        if function.patchable:
            raise Refusal(function.patchable)
        after = {path: patch_file(path, *asked) for path, asked in _files_of(function, before).items()}
    except Refusal as refusal:
        _more(tally.refused, _reason(str(refusal), function))
        return False
    for path, (old, asked) in _files_of(function, before).items():
        faults = list(_faults(old or b"", after[path], is_yaml=kind != "Terraform"))
        if is_first:
            faults += ["settles"] if patch_file(path, after[path], asked) != after[path] else []
            faults += ["order"] if patch_file(path, old, asked[::-1]) != after[path] else []
        tally.failures += [f"{fault}: {place}" for fault in faults]
        _more(tally.checked, "proof")
    if kind.startswith("SAM") and _validator() is not None:
        _more(tally.checked, "findings")
        new = findings(after[function.template]) - findings(before)
        tally.failures += [f"findings: {place}: {rule} {resource}" for rule, resource in sorted(new)]
    return True


def tally_of(folders: Sequence[Path], most: int | None = None) -> dict[str, Tally]:
    """Kind of file -> figures over all folders, of each file at most so many functions."""
    tallies = {kind: Tally() for kind in _FINDERS}
    seen: set[str] = set()
    for folder in folders:
        files = _files(folder)
        for kind, find in _FINDERS.items():
            try:
                found = [each for each in find(files) if isinstance(each, Deployed)]
                for template, functions in _new(found, files, seen).items():
                    _count(tallies[kind], kind, functions[:most], files.read(template), f"{folder.name}/{template}")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                tallies[kind].failures.append(f"crashes: {folder}: {error!r}")
    return tallies


def _files(folder: Path) -> Files:
    paths = (path for path in folder.rglob("*") if path.name.endswith(ENDINGS) and path.is_file())
    names = frozenset(path.relative_to(folder).as_posix() for path in paths if path.stat().st_size < _LARGEST)
    return Files(names, cache(lambda name: (folder / name).read_bytes()))


def _new(found: Sequence[Deployed], files: Files, seen: set[str]) -> dict[str, list[Deployed]]:
    """The Python functions by template, without templates whose bytes were seen already."""
    by_template: dict[str, list[Deployed]] = defaultdict(list)
    for function in found:
        if function.runtime is not None and function.is_python:
            by_template[function.template].append(function)
    digests = {template: sha256(files.read(template)).hexdigest() for template in by_template}
    new = {digest: template for template, digest in reversed(digests.items()) if digest not in seen}
    seen.update(new)
    return {template: by_template[template] for template in new.values()}


def _count(tally: Tally, kind: str, functions: Sequence[Deployed], before: bytes, place: str) -> None:
    done = [
        _try(tally, kind, each, before, f"{place} {each.logical_id}", is_first=number == 0)
        for number, each in enumerate(functions)
    ]
    tally.templates += 1
    tally.functions += len(functions)
    tally.patched += sum(done)
    tally.whole += all(done)


# ---------------------------------------------------------------- report


def report(tallies: Mapping[str, Tally]) -> str:
    """The figures for people."""
    lines = []
    for kind, tally in tallies.items():
        share = f" ({100 * tally.patched / tally.functions:.1f} %)" if tally.functions else ""
        lines.append(
            f"{kind}: {tally.templates} templates, {tally.functions} functions, {tally.patched} patched{share},"
            f" {tally.whole} templates as a whole; checked: {dict(tally.checked)}"
        )
        lines += [f"  {number:5} {reason}" for reason, number in Counter(tally.refused).most_common()]
        lines += [f"  FAILED {failure}" for failure in tally.failures]
    return "\n".join(lines)


def main() -> int:
    """Run over the folders of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--most", type=int)
    given = parser.parse_args()
    tallies = tally_of(given.folders, given.most)
    print(report(tallies))
    if given.json:
        given.json.write_text(json.dumps({kind: asdict(tally) for kind, tally in tallies.items()}, indent=1))
    return int(any(tally.failures for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
