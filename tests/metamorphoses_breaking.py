"""The text of a program -> the text of another in which something that was fine is state.

Each takes a program, one suspect of it that is left alone, and a source of chance; None where it does not apply.
"""

import ast

from metamorphoses import FUNCTIONS, after_docstring

KEPT = ast.parse("None", mode="eval").body


def poison(program, suspect, chance):
    """`CACHE[event["k"]] = event["v"]` at the begin of a handler."""
    return entered_with(program, suspect, chance, "{cell}[{event}['k']] = {event}['v']")


def read_without_fallback(program, suspect, chance):
    """A reply that holds what the cache happens to hold."""
    return entered_with(program, suspect, chance, "if {event}.get('peek'):\n    return {cell}.get({event}['peek'])")


def keep_event(program, suspect, chance):
    """The slot of a lazy client takes what the request brings, now and then."""
    text = "global {cell}\nif {event}.get('client'):\n    {cell} = {event}['client']"
    return entered_with(program, suspect, chance, text)


def read_before_write(program, suspect, chance):
    """A reply that holds what an earlier invocation left in a scratch file."""
    is_fixed = "{" not in suspect.symbol and not is_removed_at_last(program.files[suspect.path], suspect.symbol)
    text = f"if {{event}}.get('last'):\n    return open({suspect.symbol!r}).read()"
    return entered_with(program, suspect, chance, text) if is_fixed else None


def is_removed_at_last(text, symbol):
    """Whether a `finally` takes the file away: no invocation leaves it there."""
    blocks = [node.finalbody for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Try)]
    return any(repr(symbol) in ast.unparse(each) for block in blocks for each in block)


def entered_with(program, suspect, chance, text):
    """The program with statements at the begin of an entry point of the suspect's file."""
    path, cell = suspect.path, suspect.symbol
    tree, entries = program.entered(path)
    entries = [each for each in entries if each.args.args and isinstance(each, ast.FunctionDef)]
    entries = [each for each in entries if not has_own(each, cell) and each.args.args[0].arg not in ("self", "_")]
    if not entries or "." in cell.removeprefix("/tmp").partition("/")[0]:
        return None
    node = chance.choice(entries)
    is_declared = any(isinstance(each, ast.Global) and cell in each.names for each in ast.walk(node))
    text = text.replace("global {cell}\n", "") if is_declared else text
    count = after_docstring(node.body)
    begin = count + sum(isinstance(each, ast.Global) for each in node.body)
    place = begin if is_declared else count
    made = text.replace("{cell}", cell).replace("{event}", node.args.args[0].arg)
    node.body[place:place] = ast.parse(made).body
    return program.changed(path, ast.unparse(ast.fix_missing_locations(tree)))


def has_own(function, name):
    """Whether a name is a variable of the function."""
    declared = {n for each in ast.walk(function) if isinstance(each, ast.Global) for n in each.names}
    stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return name in stored - declared or name in {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)}


def condition_kill(program, suspect, chance):
    """What is set anew on every call is set only where the request asks for it."""
    return without_kill(program, suspect, chance, lambda node, event: ast.If(asks(event), [node], []))


def delete_kill(program, suspect, chance):
    """What is set anew on every call is no longer set before it is read, but afterwards by others."""
    return without_kill(program, suspect, chance, lambda node, event: ast.Pass(), at_least=2)


def asks(event):
    return ast.parse(f"{event}.get('fresh')", mode="eval").body


def without_kill(program, suspect, chance, change, at_least=1):
    """The program with one assignment of the cell, straight in an entry point, changed."""
    tree, entries = program.entered(suspect.path)
    kills = [
        (function, block, index)
        for function in entries
        if function.args.args and not has_own(function, suspect.symbol)
        for block in blocks(function)
        for index, node in enumerate(block)
        if is_kill(node, suspect.symbol)
    ]
    total = sum(is_kill(node, suspect.symbol) for node in ast.walk(tree))
    if len(kills) != 1 or total < at_least + 1 or has_guard(kills[0], suspect.symbol):
        return None
    function, block, index = kills[0]
    block[index] = change(block[index], function.args.args[0].arg)
    return program.changed(suspect.path, ast.unparse(ast.fix_missing_locations(tree)))


def has_guard(kill, cell):
    """Whether the assignment stands in a branch: then it may be that others make up for it."""
    function, block, _ = kill
    return block is not function.body and not any(
        isinstance(node, ast.Try | ast.With) and block is node.body for node in function.body
    )


def blocks(function):
    """The lists of statements in a function."""
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            found = getattr(node, name, None)
            if isinstance(found, list):
                yield found


def is_kill(node, cell):
    """`CELL = …` or `CELL.clear()`."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name == cell
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="clear"))):
            return name == cell
        case _:
            return False


def drop_fallback(program, suspect, chance):
    """What fills a cache does so only where the request asks for it, and no longer where the key is missing."""
    tree, entries = program.entered(suspect.path)
    found = [
        (function, node)
        for function in tree.body
        if isinstance(function, FUNCTIONS) and function.args.args
        for node in ast.walk(function)
        if isinstance(node, ast.If) and is_miss(node, suspect.symbol) and not node.orelse
    ]
    names = {each.name for each in entries}
    found = [(function, node) for function, node in found if function.name in names]
    if not found:
        return None
    function, node = chance.choice(found)
    node.test = asks(function.args.args[0].arg)
    return program.changed(suspect.path, ast.unparse(ast.fix_missing_locations(tree)))


def is_miss(node, cell):
    """`if key not in CELL: CELL[key] = …`, with nothing that ends the function."""
    asked = ast.unparse(node.test)
    fills = [
        n for each in node.body for n in ast.walk(each)
        if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store) and ast.unparse(n.value) == cell
    ]  # fmt: skip
    ends = any(isinstance(n, ast.Return | ast.Raise) for each in node.body for n in ast.walk(each))
    return asked.endswith(f" not in {cell}") and bool(fills) and not ends
