"""CDK program bytes + operations -> bytes: statements are put between those that are there, nothing else moves.

A table or bucket is made in front of the first function that uses it, in the same scope; variables and rights
follow the statement of each function. After that the program is read again: without the new lines it must be the
old one.
"""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from statelift.infra.alarms import alarm_of, notes_of
from statelift.infra.fragments import environment
from statelift.infra.limits import check_environment
from statelift.infra.names import given_name, kind_of
from statelift.infra.wanted import Wanted, check_actions, merged
from statelift.infra.yamlpatch import Refusal
from statelift.locate.bound import Module, dotted_name
from statelift.locate.cdksites import ConstructSite, Owner, argument, construct_site
from statelift.locate.sites import UnpatchableError
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, InfraOperation

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PREFIX = re.compile(r"[^*?${}\x00-\x1f]*\*?")
_BOM = "\ufeff"
_MARK = "# Added by statelift"
_PACKAGES = {"table": "aws_dynamodb", "bucket": "aws_s3", "alarm": "aws_cloudwatch"}
_CLASSES = {"table": "Table", "bucket": "Bucket"}
_NAMES = {"table": "table_name", "bucket": "bucket_name"}
_ARNS = {"table": "table_arn", "bucket": "bucket_arn"}
_LISTING = "s3:ListBucket"
_GIVEN = "exists"  # the property of a resource that is not made: its name


def patch_program(data: bytes, operations: Sequence[InfraOperation]) -> bytes:
    """As `patch_template`, for a program of CDK 2. Raises Refusal; then nothing may be written."""
    wanted = merged(operations)
    program = _Program.parse(data)
    try:
        return _Patch(program, wanted).result()
    except UnpatchableError as error:
        raise Refusal(str(error)) from error


@dataclass(frozen=True)
class _Program:
    """A parsed file. `lines` have their ends."""

    module: Module
    lines: tuple[str, ...]
    bom: str

    @classmethod
    def parse(cls, data: bytes) -> "_Program":
        try:
            text = data.decode()
            bom = _BOM if text.startswith(_BOM) else ""
            text = text.removeprefix(_BOM)
            return cls(Module("", ast.parse(text)), tuple(_LINE.findall(text)), bom)
        except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError) as error:
            raise Refusal(f"This program cannot be read: {error}") from error

    @property
    def newline(self) -> str:
        """The line end of most lines."""
        return "\r\n" if sum(line.endswith("\r\n") for line in self.lines) * 2 > len(self.lines) else "\n"

    @cached_property
    def imports(self) -> dict[str, str]:
        """What the top level imports: local name -> dotted name."""
        body = [node for node in self.module.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        return Module("", ast.Module(body=list(body), type_ignores=[])).imports

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that the file uses for anything."""
        nodes = list(ast.walk(self.module.tree))
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        used |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        used |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        return frozenset(used | self.module.imports.keys())


@dataclass
class _Patch:
    """Collects lines and the places they go to."""

    program: _Program
    wanted: Wanted
    imported: dict[str, str] = field(default_factory=dict)  # new local name -> line
    added: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))  # in front of this line

    def result(self) -> bytes:
        """The new bytes."""
        functions = {user.function for user in self._users()}
        functions |= {alarm_of(each).function for each in self.wanted.resources if each.kind == "alarm"} - {""}
        sites = {name: construct_site(self.program.module, name) for name in sorted(functions)}
        wanted = {resource.id: resource for resource in self.wanted.resources}
        wanted |= {user.resource: _existing(user.resource) for user in self._users() if _is_given(user.resource)}
        made = {reference: self._made(reference, resource, sites) for reference, resource in wanted.items()}
        for variable in self.wanted.variables:
            self._add_variable(sites[variable.function], variable, made.get(variable.resource))
        for grant in self.wanted.grants:
            self._add_right(sites[grant.function], grant, made.get(grant.resource))
        return self._written()

    def _users(self) -> list[EnsureEnv | EnsureGrant]:
        return [*self.wanted.variables, *self.wanted.grants]

    # ------------------------------------------------------------ resources

    def _made(self, reference: str, resource: EnsureResource, sites: dict[str, ConstructSite]) -> tuple[str, str]:
        """Kind of a resource and the name that holds it; it is made where it is not there."""
        users = [each.function for each in self._users() if each.resource == reference]
        if resource.kind == "alarm":
            users = [name for name in (alarm_of(resource).function,) if name]
        used = sorted((sites[name] for name in set(users)), key=lambda site: site.statement.lineno)
        if not used:
            raise Refusal(f"No function of this program uses {resource.id}.")
        if any(site.owner is not used[0].owner or site.scope != used[0].scope for site in used):
            raise Refusal(f"The functions that use {resource.id} are made in different places of the program.")
        known = self._known(resource, used[0])
        return resource.kind, known or self._new(resource, used[0])

    def _known(self, resource: EnsureResource, site: ConstructSite) -> str | None:
        """The name of a resource that an earlier run made in front of the function."""
        for node in site.owner.body:
            call = node.value if isinstance(node, ast.Assign) else None
            value = argument(call, "id", 1) if isinstance(call, ast.Call) else None
            if not isinstance(value, ast.Constant) or value.value != resource.id:
                continue
            above = self.program.lines[node.lineno - 2].strip() if node.lineno > 1 else ""
            is_ours = above.startswith(_MARK) and node.lineno < site.statement.lineno
            target = dotted_name(node.targets[0]) if isinstance(node, ast.Assign) else None
            if not is_ours or target is None:
                raise Refusal(f"The program already has a construct {resource.id} that statelift did not add.")
            return target
        return None

    def _new(self, resource: EnsureResource, site: ConstructSite) -> str:
        properties = dict(resource.properties)
        notes = [f"{key} {_comment(text)}" for key, text in sorted(notes_of(resource).items())] or [resource.kind]
        base = "_".join(word.lower() for word in _WORD.findall(resource.id))
        name = next(
            each for each in (base, *(f"{base}_{n}" for n in range(2, 99))) if each not in self.program.names
        )
        package = _PACKAGES[resource.kind]
        settings: dict[str, object] = {
            "name": name, "id": resource.id, "scope": site.scope, "notes": notes,
            "ttl": json.dumps(properties.get("ttl", "")), "retention": properties.get("retention", ""),
            package.removeprefix("aws_"): self._package(package), "package": self._package(package),
        }  # fmt: skip
        if _GIVEN in properties:
            settings |= {"class": _CLASSES[resource.kind], "kind": resource.kind, _GIVEN: properties[_GIVEN]}
            text = environment().get_template("existing.py.j2").render(settings)
        else:
            settings |= self._particulars(resource)
            text = environment().get_template(f"{resource.kind}.py.j2").render(settings)
        self._add(self._line_above(site), site, [*text.strip("\n").split("\n"), ""])
        return name

    def _particulars(self, resource: EnsureResource) -> dict[str, object]:
        """What the statement says beside names, with the imports that it needs."""
        if resource.kind != "alarm":
            return {"removal": self._package("RemovalPolicy")}
        alarm = alarm_of(resource)
        dimensions = json.dumps(dict(alarm.dimensions))
        return {"alarm": alarm, "dimensions": dimensions, "duration": self._package("Duration")}

    def _line_above(self, site: ConstructSite) -> int:
        """The line of a statement, or of the comments that stand on top of it."""
        line = site.statement.lineno - 1
        while line and self.program.lines[line - 1].lstrip().startswith("#"):
            line -= 1
        return line

    # ------------------------------------------------------------ functions

    def _add_variable(self, site: ConstructSite, variable: EnsureEnv, made: tuple[str, str] | None) -> None:
        kind, name = _needed(made, variable.resource)
        value = f"{name}.{_NAMES[kind] if variable.attribute == 'name' else _ARNS[kind]}"
        known = self._variables(site)
        if variable.name in known:
            if known[variable.name] == value:
                return
            raise Refusal(
                f"{variable.function} already has an environment variable {variable.name} with another value."
            )
        check_environment(
            variable.function, {each: text.strip("\"'") for each, text in known.items()}, variable.name
        )
        self._follow(site, [f"{site.name}.add_environment({json.dumps(variable.name)}, {value})"])

    def _variables(self, site: ConstructSite) -> dict[str, str]:
        """The variables that are written out: in the call, and added behind it."""
        given = argument(site.call, "environment")
        pairs = zip(given.keys, given.values, strict=True) if isinstance(given, ast.Dict) else ()
        found = {key.value: ast.unparse(value) for key, value in pairs if isinstance(key, ast.Constant)}
        for call in self._calls(site, f"{site.name}.add_environment"):
            key, value = argument(call, "key", 0), argument(call, "value", 1)
            if isinstance(key, ast.Constant) and value is not None:
                found[key.value] = ast.unparse(value)
        return {str(name): value for name, value in found.items()}

    def _calls(self, site: ConstructSite, name: str) -> Iterator[ast.Call]:
        """The statements of the same body that call a method."""
        for node in site.owner.body:
            call = node.value if isinstance(node, ast.Expr) else None
            if isinstance(call, ast.Call) and dotted_name(call.func) == name:
                yield call

    def _add_right(self, site: ConstructSite, grant: EnsureGrant, made: tuple[str, str] | None) -> None:
        if kind_of(grant.resource) == "metrics":
            check_actions(grant, "metrics")
            condition = {"StringEquals": {"cloudwatch:namespace": given_name(grant.resource)}}
            self._add_statement(site, list(grant.actions), '"*"', condition)
            return
        kind, name = _needed(made, grant.resource)
        check_actions(grant, kind)
        if kind == "table":
            known = {text for call in self._calls(site, f"{name}.grant") for text in _texts(call, site.name)}
            missing = [json.dumps(action) for action in grant.actions if action not in known]
            if missing:
                self._follow(site, [f"{name}.grant({', '.join([site.name, *missing])})"])
            return
        if grant.key_prefix is not None and not _PREFIX.fullmatch(grant.key_prefix):
            raise Refusal(
                f"The key prefix {grant.key_prefix!r} has characters that a policy would read as a pattern."
            )
        prefix = grant.key_prefix
        objects = "*" if prefix is None else f"{prefix}*" if prefix.endswith("/") else prefix
        direct = [action for action in grant.actions if action != _LISTING]
        if direct:
            self._add_statement(site, direct, f"{name}.arn_for_objects({json.dumps(objects)})", {})
        if _LISTING in grant.actions:
            # S3 names no prefix when a read finds nothing: without IfExists that read is a 403, not a 404
            condition = {} if objects == "*" else {"StringLikeIfExists": {"s3:prefix": objects}}
            self._add_statement(site, [_LISTING], f"{name}.bucket_arn", condition)

    def _add_statement(
        self, site: ConstructSite, actions: Sequence[str], target: str, condition: dict[str, dict[str, str]]
    ) -> None:
        known = {ast.unparse(call) for call in self._calls(site, f"{site.name}.add_to_role_policy")}
        iam = self._package("aws_iam", is_sure=False)
        lines = [f"    {iam}.PolicyStatement(", f"        actions={json.dumps(list(actions))},"]
        lines.append(f"        resources=[{target}],")
        if condition:
            lines.append(f"        conditions={json.dumps(condition)},")
        lines = [f"{site.name}.add_to_role_policy(", *lines, "    )", ")"]
        if ast.unparse(ast.parse("\n".join(lines))) not in known:
            self._package("aws_iam")
            self._follow(site, lines)

    # ------------------------------------------------------------ lines

    def _package(self, name: str, *, is_sure: bool = True) -> str:
        """How the program spells `aws_cdk.<name>`; it is imported where it is not."""
        for local, dotted in self.program.imports.items():
            if dotted == f"aws_cdk.{name}":
                return local
        whole = next((local for local, dotted in self.program.imports.items() if dotted == "aws_cdk"), None)
        if whole is not None:
            return f"{whole}.{name}"
        if name in self.program.names:
            raise Refusal(f"The program has a name {name} for something else.")
        if is_sure:
            self.imported[name] = f"from aws_cdk import {name}"
        return name

    def _follow(self, site: ConstructSite, lines: Sequence[str]) -> None:
        """Lines behind the statement, and behind what an earlier run put there."""
        self._add(_last_line(site, self.program), site, lines)

    def _add(self, at: int, site: ConstructSite, lines: Sequence[str]) -> None:
        source = self.program.lines[site.statement.lineno - 1]
        margin = source[: len(source) - len(source.lstrip())]
        if len(margin.encode()) != site.statement.col_offset or not self._ends_line(site.statement):
            raise Refusal(f"{site.name} shares its line with another statement.")
        step = "\t" if "\t" in margin else "    "
        spelled = (line.replace("    ", step) for line in lines)
        self.added[at] += [f"{margin}{line}" if line else "" for line in spelled]

    def _ends_line(self, node: ast.stmt) -> bool:
        rest = self.program.lines[(node.end_lineno or 1) - 1].encode()[node.end_col_offset or 0 :].strip()
        return not rest or rest.startswith(b"#")

    def _written(self) -> bytes:
        if not self.added:
            return (self.program.bom + "".join(self.program.lines)).encode()
        if self.imported:
            self.added[_import_line(self.program)][:0] = sorted(self.imported.values())
        lines: list[str] = []
        new: set[int] = set()  # numbers of the new lines
        for number in range(len(self.program.lines) + 1):
            for text in self.added.get(number, ()):
                if lines and not lines[-1].endswith(("\n", "\r")):
                    lines[-1] += self.program.newline
                lines.append(f"{text}{self.program.newline}")
                new.add(len(lines))
            lines += self.program.lines[number : number + 1]
        text = "".join(lines)
        _prove(self.program, text, new)
        return (self.program.bom + text).encode()


def _is_given(reference: str) -> bool:
    """Whether it is a table or bucket that exists, for which a construct stands."""
    return bool(given_name(reference)) and kind_of(reference) != "metrics"


def _existing(reference: str) -> EnsureResource:
    """`table/user-sessions` as a construct that stands for what is there: `UserSessionsTable`."""
    name = given_name(reference)
    kind: Literal["table", "bucket"] = "bucket" if kind_of(reference) == "bucket" else "table"
    words = [word.capitalize() for word in _WORD.findall(name)]
    suffix = [] if words[-1:] == [kind.capitalize()] else [kind.capitalize()]
    return EnsureResource("".join(words + suffix), kind, ((_GIVEN, name),))


def _needed(made: tuple[str, str] | None, resource: str) -> tuple[str, str]:
    if made is None:
        raise Refusal(f"The program has no resource {resource} that a function could use.")
    return made


def _texts(call: ast.Call, function: str) -> Iterator[str]:
    """The actions that `table.grant(function, …)` names."""
    if call.args and dotted_name(call.args[0]) == function:
        yield from (str(each.value) for each in call.args[1:] if isinstance(each, ast.Constant))


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _last_line(site: ConstructSite, program: _Program) -> int:
    """Behind the statement and the calls about variables and rights that follow it."""
    body = site.owner.body
    last: ast.stmt = site.statement
    for node in body[body.index(site.statement) + 1 :]:
        call = node.value if isinstance(node, ast.Expr) else None
        is_ours = isinstance(call, ast.Call) and _is_about(call, site.name)
        if not is_ours:
            break
        last = node
    return last.end_lineno or len(program.lines)


def _is_about(call: ast.Call, name: str) -> bool:
    callee = dotted_name(call.func) or ""
    is_grant = callee.endswith(".grant") and bool(call.args) and dotted_name(call.args[0]) == name
    return is_grant or callee in (f"{name}.add_environment", f"{name}.add_to_role_policy")


def _import_line(program: _Program) -> int:
    """Behind the last import of the top level."""
    body = program.module.tree.body
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    if not imports:
        raise Refusal("The program has no import at its top level.")
    return imports[-1].end_lineno or 0


def _prove(program: _Program, text: str, new: set[int]) -> None:
    """Raise Refusal unless the program without the new lines is the old one."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise Refusal(f"The addition would not be valid Python there: {error}") from error
    owners = [node for node in ast.walk(tree) if isinstance(node, Owner)]
    for owner in owners:
        owner.body = [node for node in owner.body if node.lineno not in new]
    if ast.dump(tree) != ast.dump(program.module.tree):
        raise Refusal("The addition could not be proved to change nothing else, so it was not made.")
