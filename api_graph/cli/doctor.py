"""`api-graph doctor`: what this installation has, what it lacks, and how to get that."""

from __future__ import annotations

from api_graph.cli.console import one_line, print_json, print_table, say
from api_graph.cli.exits import FAILED, OK
from api_graph.cli.options import Debug, Json


def doctor(as_json: Json = False, debug: Debug = False) -> int:
    """Look over the installation.

    Versions, devices, folders, the demo model: what is there, what is missing, and how to get it. The exit code is 1 if
    something that is needed is broken.
    """
    from api_graph.cli.checkup import checkup

    found = checkup()
    broken = [f for f in found if f.state == "broken"]
    code = FAILED if broken else OK
    if as_json:
        print_json({"ok": not broken, "exit_code": code, "findings": [f._asdict() | {"cure": f.hint} for f in found]})
        return code
    print_table(("", "what", "found"), [(f.state, f.what, f.text) for f in found])
    for finding in found:
        if finding.hint:
            say(f"\n{finding.what}: {one_line(finding.hint)}")
    say("\nSomething needed is broken." if broken else "\nAll that is needed is here.")
    return code
