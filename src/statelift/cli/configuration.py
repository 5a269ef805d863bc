"""`config show`: the effective values, and where each comes from."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from statelift.cli.options import Asked, Choice, Settled, paths_argument, selection, talk, write_data
from statelift.config import KEYS, Value
from statelift.model import CellOptions


@click.group("config")
def configuration() -> None:
    """Look at the configuration."""


@configuration.command("show")
@paths_argument
@click.option("--format", "form", type=Choice(["text", "json"]), default="text", show_default=True)
@selection
def show(paths: Sequence[Path], form: str, asked: Asked) -> int:
    """Show the values that hold for these paths, and where each comes from."""
    settled = asked.settled(paths)
    if form == "json":
        write_data(_as_json(settled))
        return 0
    if settled.settings.file is None:
        talk("No configuration file: the defaults hold.")
    width = max(map(len, KEYS))
    lines = [(f"{key:{width}} = {_toml(settled.value(key))}", settled.origin(key)) for key in KEYS]
    column = max(len(text) for text, _ in lines)
    write_data("".join(f"{text:{column}}  # {origin}\n" for text, origin in lines))
    return 0


def _as_json(settled: Settled) -> str:
    values = {key: {"value": settled.value(key), "origin": settled.origin(key)} for key in KEYS}
    file = settled.settings.file
    record = {"schema": 1, "file": None if file is None else str(file), "values": values}
    return json.dumps(record, indent=2, default=_said) + "\n"


def _toml(value: Value) -> str:
    """As one would write it in the file. JSON strings are TOML strings."""
    return json.dumps("" if value is None else value, default=_said)


def _said(cell: CellOptions) -> dict[str, str]:
    """What is said of one cell, without what is not."""
    return {key: value for key, value in asdict(cell).items() if value}
