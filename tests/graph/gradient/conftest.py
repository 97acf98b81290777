"""Print how far the gradients of whole networks are from those of torch, after a run that compared them."""

from __future__ import annotations

import pytest
from gradient_checks import DIFFERENCE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = [
        (report.nodeid.rpartition("/")[2], dict(report.user_properties)[DIFFERENCE])
        for report in terminalreporter.getreports("passed")
        if DIFFERENCE in dict(report.user_properties)
    ]
    if found:
        terminalreporter.section(DIFFERENCE)
    for name, difference in sorted(found):
        terminalreporter.line(f"{difference:.1e}  {name}")
