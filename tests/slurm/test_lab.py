"""The lab itself: what the other tests rely on."""

from pathlib import Path

import pytest

from lab.slurm.slurm_lab import SlurmLab
from lab.slurm.slurm_runs import await_idle_nodes
from lab.slurm.waiting import wait_for

pytestmark = pytest.mark.slurm


def test_each_job_gets_its_own_gpus(lab: SlurmLab) -> None:
    script = "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES"
    steps = [
        lab.popen("srun", "--nodelist=n1", "--gres=gpu:1", "sh", "-c", f"sleep 1; {script}", stdout=-1) for _ in "ab"
    ]
    assert sorted(step.communicate()[0].strip() for step in steps) == ["n1 0", "n1 1"]


@pytest.mark.slow
def test_a_crashed_node_loses_its_processes_and_comes_back(lab: SlurmLab) -> None:
    job = lab.run(
        "sbatch", "--parsable", "--nodelist=n4", "--no-requeue", "--output=/dev/null", "--wrap=sleep 1000"
    ).stdout.strip()
    wait_for(lambda: lab.jobs().get(job) == "RUNNING" and bool(lab.job_processes("n4")), "the job runs")
    lab.crash_node("n4")
    assert lab.job_processes("n4") == []
    lab.start_node("n4")
    # A node that comes back at once is not missed: the controller asks it for its jobs only every two minutes.
    wait_for(lambda: job not in lab.live_jobs(), "slurmctld notices", 180)
    await_idle_nodes(lab, 120)


def test_the_controller_restarts_without_losing_a_job(lab: SlurmLab) -> None:
    job = lab.run("sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 1000").stdout.strip()
    wait_for(lambda: lab.jobs()[job] == "RUNNING", "the job runs")
    lab.stop_controller()
    assert not lab.controller_answers()
    lab.start_controller()
    assert lab.jobs()[job] == "RUNNING"
    lab.run("scancel", job)
    wait_for(lambda: lab.other_processes() == [] and not lab.live_jobs(), "the job ends")


def test_the_lab_is_out_of_reach_from_outside(lab: SlurmLab) -> None:
    outside = {
        int(line.split()[1].rpartition(":")[2], 16) for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
    }
    assert lab.listening_ports()
    assert not lab.listening_ports() & outside
