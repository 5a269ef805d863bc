"""Program -> which of its classes are collections by another name, and what their own methods do to them."""

from dataclasses import replace

from statelift.facts.provenance import NONDETERMINISTIC
from statelift.facts.values import Access, CellKind, Function
from statelift.link.names import CellKey, Target
from statelift.link.program import Program

HOPS = 6
BASES: dict[str, CellKind] = {
    "dict": "dict", "collections.UserDict": "dict", "collections.OrderedDict": "dict",
    "collections.defaultdict": "dict", "collections.Counter": "dict", "list": "list",
    "collections.UserList": "list", "collections.deque": "list", "set": "set",
}  # fmt: skip
CHANGES = ("mutated", "augmented", "inside:")


class Collections:
    """Answers `kind_of` and `as_done` for the cells of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def kind_of(self, key: CellKey) -> CellKind | None:
        """What a cell holds whose object is of a class derived from dict, list or set; None for any other."""
        made = self.program.class_of(key)
        return None if made is None else self._kind(made, HOPS)

    def _kind(self, made: Target, hops: int) -> CellKind | None:
        for base in self.program.classes[made.path, made.name].bases:
            target = self.program.resolve(made.path, base) if base else None
            is_own = target is not None and target.kind == "class"
            found = self._kind(target, hops - 1) if target is not None and is_own and hops else BASES.get(base)
            if found is not None:
                return found
        return None

    def as_done(self, key: CellKey, use: Access) -> Access:
        """A use of such a cell: a method of its class changes it, or only looks."""
        made = self.program.class_of(key)
        kind, _, method = use.op.partition(":")
        if made is None:
            return use
        if kind == "unknown" and (own := self.program.method_of(made, method)) is not None:
            return replace(use, op="nested" if self._changes(own, HOPS) else "read")
        missing = self.program.method_of(made, "__missing__") if use.op == "require" else None
        is_filled = missing is not None and self._changes(missing, HOPS) and not self._is_calculated(missing)
        return replace(use, op="nested") if is_filled else use

    def _is_calculated(self, method: CellKey) -> bool:
        """Whether `__missing__` gives the same for the same key: what it enters is a cache (rule 7)."""
        names = self.program.functions[method].references
        targets = [self.program.resolve(method[0], name) for name in names]
        is_fixed = not any(name.startswith(NONDETERMINISTIC) for name in names)
        return is_fixed and not any(each is not None and each.kind == "cell" for each in targets)

    def _changes(self, method: CellKey, hops: int) -> bool:
        """Whether a method changes its object, itself or through its other methods."""
        function = self.program.functions[method]
        own = function.parameters[0].fates if function.parameters else frozenset[str]()
        if any(fate.startswith(CHANGES) for fate in own) or "super" in function.references:
            return True
        called = [callee for _, callee in self.program.calls.get(method, ()) if self._is_of(callee, function)]
        return hops > 0 and any(self._changes(each, hops - 1) for each in called)

    def _is_of(self, key: CellKey, function: Function) -> bool:
        return self.program.functions[key].class_name == function.class_name
