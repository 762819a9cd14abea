"""What `doctor` reports on a cluster, from the login node and from inside a node."""

import json

import pytest

from lab.slurm.slurm_runs import FDT_SWEEP, SlurmRun, assert_nothing_left, write_profile

pytestmark = pytest.mark.slurm


def doctor(run: SlurmRun, *arguments: str, expect: int, **keys: object) -> list[dict[str, str]]:
    profile = write_profile(run.directory / "lab.yaml", run.lab, **keys)
    options = ["--cluster", profile, "--runs-dir", run.directory / "runs", "--data-dir", run.data, "--json"]
    done = run.lab.run(*FDT_SWEEP, "doctor", *map(str, options), *arguments, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    findings: list[dict[str, str]] = json.loads(done.stdout)
    return findings


def by_check(findings: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {finding["check"]: finding for finding in findings}


def test_a_node_of_each_partition_is_examined_from_inside_and_nothing_is_left(slurm_run: SlurmRun) -> None:
    further = write_profile(slurm_run.directory / "abrupt.yaml", slurm_run.lab, partition="abrupt")
    head = {"cpus": 1, "mem": "2G", "partition": "high"}
    findings = doctor(slurm_run, "--submit-test", expect=0, partition="main", also=[str(further)], head=head)
    found = by_check(findings)
    jobs = [finding["found"] for finding in findings if finding["check"] == "test job"]
    assert [job.split()[-1] for job in jobs] == ["main", "abrupt", "high"]
    assert found["slurm"]["found"].startswith("slurm-wlm")
    assert found["head job"]["state"] == found["worker job"]["state"] == "ok"
    assert found["test job"]["state"] == "ok"
    inside = [finding for check, finding in found.items() if ": " in check]
    assert len(inside) >= 9
    assert {finding["state"] for finding in inside} <= {"ok", "warning"}
    assert list((slurm_run.directory / "runs").iterdir()) == []
    assert_nothing_left(slurm_run.lab)


def test_what_slurm_would_refuse_is_reported_with_the_partitions_that_exist(slurm_run: SlurmRun) -> None:
    found = by_check(doctor(slurm_run, expect=3, partition="mian"))
    assert "Invalid partition name" in found["worker job"]["found"]
    assert "partitions: abrupt, high, main" in found["worker job"]["fix"]
    assert not (slurm_run.directory / "runs").exists()
