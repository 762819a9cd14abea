"""The configuration files of the Slurm lab."""

from __future__ import annotations

from pathlib import Path

CONTROLLER_PORT = 16817
ACCOUNTING_PORT = 16819
DATABASE_PORT = 16850
NODE_PORT = 16900
DATABASE_PASSWORD = "lab"  # the database listens in the lab's network namespace only

DATABASE_SETUP = f"""
CREATE DATABASE slurm_acct;
CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY '{DATABASE_PASSWORD}';
GRANT ALL ON slurm_acct.* TO 'slurm'@'127.0.0.1';
"""

_SLURM = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job starts no sooner than its credential expires (default 120 s).
AuthInfo=socket={root}/run/munge,cred_expire=10
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
MpiDefault=none
SwitchType=switch/none
StateSaveLocation={root}/spool/ctld
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd-%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd-%n.log
# The freezer finds every process of a job; linuxproc loses those that get another parent.
ProctrackType=proctrack/{proctrack}
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,bf_continue,sched_interval=2,batch_sched_delay=0,sched_min_interval=100000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
PriorityType=priority/basic
JobRequeue=1
GresTypes=gpu
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=10
MessageTimeout=10
TCPTimeout=2
BatchStartTimeout=10
KillWait=10
OverTimeLimit=0
MinJobAge=300
UnkillableStepTimeout=30
{accounting}
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first_port}-{last_port}] CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory={memory} Gres=gpu:fake:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP DefMemPerCPU=256 PriorityTier=10 GraceTime=15
PartitionName=abrupt Nodes=ALL MaxTime=INFINITE State=UP DefMemPerCPU=256 PriorityTier=5 GraceTime=0
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP DefMemPerCPU=256 PriorityTier=20
"""  # noqa: E501 - one line per node and partition, as Slurm wants it

_WITH_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting_port}
AccountingStoragePass={root}/run/munge
AccountingStorageTRES=gres/gpu
JobAcctGatherType=jobacct_gather/linux"""

_WITHOUT_ACCOUNTING = """\
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none"""

_ACCOUNTING = """\
AuthType=auth/munge
AuthInfo=socket={root}/run/munge
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounting_port}
SlurmUser=root
PidFile={root}/run/slurmdbd.pid
LogFile={root}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_acct
CommitDelay=0
"""

_GPUS = """\
AutoDetect=off
NodeName=n[1-{nodes}] Name=gpu Type=fake File={root}/dev/gpu[0-{last_gpu}] Flags=nvidia_gpu_env
"""

_CONTROL_GROUPS = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
"""


def files(*, root: Path, host: str, nodes: int, gpus: int, cpus: int, memory: int, accounting: bool) -> dict[str, str]:
    """The texts of the configuration files, by file name. Paths in them are below `root`; `memory` is in megabytes."""
    facts = {
        "root": root,
        "host": host,
        "nodes": nodes,
        "gpus": gpus,
        "last_gpu": gpus - 1,
        "cpus": cpus,
        "memory": memory,
        "controller_port": CONTROLLER_PORT,
        "accounting_port": ACCOUNTING_PORT,
        "database_port": DATABASE_PORT,
        "password": DATABASE_PASSWORD,
        "first_port": NODE_PORT + 1,
        "last_port": NODE_PORT + nodes,
        "proctrack": "cgroup" if Path("/sys/fs/cgroup/freezer").is_dir() else "linuxproc",
    }
    facts["accounting"] = (_WITH_ACCOUNTING if accounting else _WITHOUT_ACCOUNTING).format(**facts)
    templates = {"slurm.conf": _SLURM, "gres.conf": _GPUS, "cgroup.conf": _CONTROL_GROUPS, "slurmdbd.conf": _ACCOUNTING}
    return {name: template.format(**facts) for name, template in templates.items()}
