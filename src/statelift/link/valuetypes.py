"""Types of the facts -> types of the whole program: through parameters, calls and decorators."""

from functools import cache

from statelift.link.arguments import argument_of, arguments_of, place_of
from statelift.link.decorators import is_foreign
from statelift.link.names import DEPTH, FunctionKey
from statelift.link.program import Program
from statelift.link.reach import ASSUMED

STORABLE = frozenset({"str", "int", "float", "bool", "none", "bytes", "json", "codec"})
IMMUTABLE = frozenset({"str", "int", "float", "bool", "none", "bytes"})


class Types:
    """Answers which type a value of one program has."""

    def __init__(self, program: Program) -> None:
        self.program = program
        # Each question comes back along every way through the calls: unanswered, exponentially often.
        self._one = cache(self._find_type)

    def of(self, path: str, kind: str, depth: int = DEPTH) -> str:
        """Resolve a facts type to one of STORABLE or "unknown"."""
        if ":" not in kind:
            return kind if kind in STORABLE else "unknown"
        if depth == 0:
            return "unknown"
        found = {self._one(path, each, depth) for each in kind.split("+")}
        if "unknown" in found:
            return "unknown"
        return found.pop() if len(found) == 1 else "codec"

    def _find_type(self, path: str, kind: str, depth: int) -> str:
        if kind.startswith("call:"):
            return self._result_type(path, kind.removeprefix("call:"), depth)
        is_part = kind.endswith("[]")
        qualname, _, name = kind.removeprefix("param:").removesuffix("[]").rpartition(":")
        key = (path, qualname)
        entries = self.program.entries.get(key, ())
        found = {self._entry_type(key, name, entry.origin) for entry in entries}
        for site, value in arguments_of(self.program, key, name):
            found.add("unknown" if value is None else self.of(site, value.type, depth - 1))
        if not found or "unknown" in found:
            return "unknown"
        kind = found.pop() if len(found) == 1 else "codec"
        return kind if not is_part or kind in ("json", "str") else "unknown"

    def _entry_type(self, key: FunctionKey, name: str, origin: str) -> str:
        is_event = origin not in ASSUMED and place_of(self.program.functions[key], name) == 0
        return "json" if is_event and self._is_event_given_on(key) else "unknown"

    def _is_event_given_on(self, key: FunctionKey) -> bool:
        """Whether every decorator calls the function with the event itself, as far as can be told."""
        if any(is_foreign(self.program, key[0], each) for each in self.program.functions[key].decorators):
            return False
        for wrapper in self.program.wrappers.get(key, ()):
            first = next((each.name for each in self.program.functions[wrapper].parameters), "")
            calls = self.program.wrapped_calls.get(wrapper, ())
            given = [argument_of(call, "", 0) for call in calls]
            if any(each is not None and each.text not in (first, f"*{first}") for each in given):
                return False
        return True

    def _result_type(self, path: str, callee: str, depth: int) -> str:
        key = self.program.callee(path, callee)
        if key is None:
            return "unknown"
        function = self.program.functions[key]
        if function.has_generator or function.is_async or not function.returns:
            return "unknown"
        if self.program.wrappers.get(key) or any(
            is_foreign(self.program, key[0], each) for each in function.decorators
        ):
            return "unknown"
        found = {self.of(key[0], each.value.type, depth - 1) for each in function.returns}
        if "unknown" in found:
            return "unknown"
        return found.pop() if len(found) == 1 else "codec"
