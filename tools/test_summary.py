#!/usr/bin/env python3
"""Counts what tools/test.sh ran: gtest cases where a program wrote them, else ctest's own tests.

Usage: test_summary.py RESULTS_DIR
Prints what failed and what was skipped, then "N passed, M failed, K skipped". Exits 1 when something
failed or nothing passed.
"""

import collections
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def gtest_cases(file):
    """(name, outcome) of each case that a gtest program wrote."""
    for case in ElementTree.parse(file).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None:
            yield name, "failed"
        elif case.find("skipped") is not None or case.get("result") in ("skipped", "suppressed"):
            yield name, "skipped"
        else:
            yield name, "passed"


def suite_outcomes(suite):
    """(name, outcome) of everything in one run of ctest."""
    for test in ElementTree.parse(suite / "ctest.xml").iter("testcase"):
        program = test.get("name")
        failed = test.get("status") == "fail" or test.find("failure") is not None
        skipped = test.get("status") in ("notrun", "disabled") or test.find("skipped") is not None
        cases = suite / f"{program}.xml"
        outcomes = list(gtest_cases(cases)) if cases.exists() else []
        yield from ((f"{suite.name}/{program}/{name}", outcome) for name, outcome in outcomes)
        # A crash, a time-out or a sanitizer's report leaves no failed case behind.
        if failed and "failed" not in {outcome for _, outcome in outcomes}:
            yield f"{suite.name}/{program}", "failed"
        elif not outcomes:
            yield f"{suite.name}/{program}", "skipped" if skipped and not failed else "passed"


def all_outcomes(results):
    checks = results / "checks.txt"
    for line in checks.read_text().splitlines() if checks.exists() else []:
        name, outcome = line.split()
        yield f"checks/{name}", "passed" if outcome == "pass" else "failed"
    for suite in sorted(p for p in results.iterdir() if p.is_dir()):
        if (suite / "ctest.xml").exists():
            yield from suite_outcomes(suite)
        else:
            yield f"{suite.name}/ctest", "failed"


def main():
    outcomes = list(all_outcomes(pathlib.Path(sys.argv[1])))
    for wanted in ("skipped", "failed"):
        for name, outcome in outcomes:
            if outcome == wanted:
                print(f"{wanted}: {name}")
    count = collections.Counter(outcome for _, outcome in outcomes)
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
