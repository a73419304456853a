"""The files under examples/observability, as promtool sees them."""

import os
import re
import subprocess
from pathlib import Path


def promtool(*arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [os.environ["PROMTOOL"], *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)


def test_the_rules_are_valid(shipped: Path) -> None:
    checked = promtool("check", "rules", "alerts.yml", cwd=shipped)
    assert checked.returncode == 0, checked.stdout


def test_the_scrape_example_is_valid(shipped: Path) -> None:
    checked = promtool("check", "config", "prometheus.yml", cwd=shipped)
    assert checked.returncode == 0, checked.stdout


def test_each_alert_fires_where_it_has_to_and_nowhere_else(shipped: Path) -> None:
    checked = promtool("test", "rules", "alerts_test.yml", cwd=shipped)
    assert checked.returncode == 0, checked.stdout


def test_no_alert_is_without_a_case_in_which_it_fires(shipped: Path, tmp_path: Path) -> None:
    """Were no alert to fire, then the rule tests would name each of them. Each case names all that fire, so it is silent in the others'."""
    rules = (shipped / "alerts.yml").read_text()
    alerts = set(re.findall(r"- alert: (\w+)", rules))
    never = re.sub(r"expr: (\|\n(?: {10}.*\n)+|.*\n)", "expr: vector(0) > 1\n", rules)
    assert never.count("vector(0) > 1") == len(alerts) > 20
    (tmp_path / "alerts.yml").write_text(never)
    (tmp_path / "alerts_test.yml").write_text((shipped / "alerts_test.yml").read_text())
    checked = promtool("test", "rules", "alerts_test.yml", cwd=tmp_path)
    assert checked.returncode != 0
    assert set(re.findall(r'exp:.*?alertname="(\w+)"', checked.stdout)) == alerts


def test_each_alert_says_how_bad_it_is_what_happens_and_what_to_do(shipped: Path) -> None:
    for rule in (shipped / "alerts.yml").read_text().split("- alert: ")[1:]:
        for wanted in (r"labels: \{severity: (critical|warning|info)\}", r'summary: ".{20,}"', r'description: ".{60,}"'):
            assert re.search(wanted, rule), f"{rule.splitlines()[0]} lacks {wanted}"
