"""Rules and the docstrings of their codemods -> docs/rules.md. Run it after either of them has changed."""

import re
from collections.abc import Iterator
from pathlib import Path

from statelift.judge.rules import RULES, Rule
from statelift.registry import Codemod, codemod_for, codemods

PAGE = Path(__file__).parents[1] / "docs" / "rules.md"
OPENING = """\
# Rules

<!-- Written by tools/write_rules.py from the codemods' docstrings. Change those, then run it again. -->

`statelift rules` prints this list, `statelift explain SL101` the page of one rule. `--select` and `--ignore` take a
code, the beginning of one (`SL1`) or a name.
"""
ADVICE = """\
## Advice only

These are told with what to do about them, and not rewritten (SL203 is, with `--fix-original`):
"""
FOREIGN = """\
## Foreign

SL901 is not found by an analysis: it is what a Bowler script of your own would change. See [bowler.md](bowler.md).
"""


def rules_page() -> str:
    """The whole page as Markdown."""
    return "\n".join([OPENING, *_table(), "", *_sections(), ADVICE, *_advised(), "", FOREIGN])


def _table() -> Iterator[str]:
    yield "| code | name | family | what | rewritten by |"
    yield "|---|---|---|---|---|"
    for rule in RULES:
        yield f"| {rule.code} | {rule.name} | {rule.family} | {rule.summary} | {_answer(rule)} |"


def _answer(rule: Rule) -> str:
    if rule.family == "foreign":
        return "[your script](#foreign)"
    codemod = codemod_for(rule.code)
    if codemod is None:
        return "[advice only](#advice-only)"
    name = _name(codemod)
    return f"[{name}](#{name})"


def _name(codemod: Codemod) -> str:
    return codemod.__name__.rpartition(".")[2]


def _sections() -> Iterator[str]:
    """One section per codemod, in the order of the rules."""
    answering = (codemod_for(rule.code) for rule in RULES)
    for codemod in dict.fromkeys(each for each in answering if each is not None):
        yield f"## {_name(codemod)}\n"
        yield f"Answers {' and '.join(codemod.RULES)}.\n"
        yield _demoted(codemod.__doc__ or "")


def _demoted(docstring: str) -> str:
    """The docstring with its headings one level lower, each followed by a blank line."""
    return re.sub(r"^## (.+)\n", r"### \1\n\n", docstring.strip(), flags=re.MULTILINE) + "\n"


def _advised() -> Iterator[str]:
    answered = {code for codemod in codemods().values() for code in codemod.RULES}
    for rule in RULES:
        if rule.code not in answered and rule.family != "foreign":
            yield f"- **{rule.code} {rule.name}**: {rule.summary}"


if __name__ == "__main__":
    PAGE.write_text(rules_page(), encoding="utf-8")
