"""The page of gradient rules lists the built-in ones and their operators."""

from __future__ import annotations

import re
from pathlib import Path

import filterkit
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

PAGE = Path(filterkit.__file__).parent.parent / "docs" / "plugins" / "gradient-rules.md"
OLD = {"Upsample"}
"""Converted to others before a rule sees them."""


def test_every_rule_and_operator_is_listed() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## The built-in rules")[2]
    listed = {
        name: set(re.findall(r"\b[A-Z]\w+\b", operators)) - OLD
        for name, operators in re.findall(r"^\| `([\w-]+)` \| (.*?) \|", text, re.MULTILINE)
    }
    registry = Registry(load_plugins(discover=False))
    expected = {
        registration.contribution.name: {
            name
            for domain, name in registry.create("gradient-rule", registration.full_name).operators
            if not domain
        }
        for registration in registry.registrations("gradient-rule")
    }
    assert listed == expected
