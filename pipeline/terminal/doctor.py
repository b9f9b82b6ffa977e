"""Prints what `longhaul doctor` found."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from rich.markup import escape

from pipeline.doctor import Finding
from pipeline.terminal.console import console_for


def print_findings(findings: list[Finding], as_json: bool) -> None:
    """Print a line for each, and a remedy where there is one."""
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
        return
    console = console_for(sys.stdout)
    for finding in findings:
        mark = "[red]✗[/]" if finding.remedy else "[green]✓[/]"
        console.print(f"{mark} {finding.what:<14} {escape(finding.found)}", soft_wrap=True)
        if finding.remedy:
            console.print(f"  Remedy: {escape(finding.remedy)}", soft_wrap=True)
