"""`fdt-sweep launch` and `fdt-sweep plan`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.damage import tell_damage
from orchestrator.cli.drive import perform_launch
from orchestrator.cli.options import (
    DataDir,
    Detach,
    DryRun,
    Filters,
    Json,
    Limit,
    RunsDir,
    Settings,
    SweepFile,
    Verbose,
    Yes,
)

Reuse = Annotated[
    list[str] | None,
    typer.Option(
        "--reuse",
        "--rename-from",
        metavar="RUN",
        help="Reuse what this run (a name or path) holds for the same trials: results with their weights, and "
        "half-trained checkpoints. This is how a renamed sweep continues. May be repeated.",
        show_default=False,
    ),
]

Stop = Annotated[
    bool,
    typer.Option("--stop/--no-stop", help="With adaptive seeds: whether a settled template gets no further seed."),
]


def launch(
    sweep_file: SweepFile,
    cluster: Annotated[
        str, typer.Option(help="Cluster profile: local, slurm, a custom one by name, or a path.")
    ] = "local",
    set_: Settings = None,
    limit: Limit = None,
    filter_: Filters = None,
    dry_run: DryRun = False,
    detach: Detach = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="The same as --wait.")] = False,
    json_: Json = False,
    fail_fast: Annotated[bool, typer.Option(help="Stop at the first trial that is given up.")] = False,
    max_failures: Annotated[
        int | None, typer.Option(min=1, help="Stop when N trials have been given up.", show_default=False)
    ] = None,
    max_gpu_hours: Annotated[
        float | None, typer.Option(min=0, help="Refuse (exit 4) if more would be needed.", show_default=False)
    ] = None,
    reuse: Reuse = None,
    stop: Stop = True,
    profile_: Annotated[
        bool, typer.Option("--profile/--no-profile", help="Measure each network's speed when training is over.")
    ] = True,
    runs_dir: RunsDir = None,
    data_dir: DataDir = None,
    share: Annotated[bool, typer.Option(help="Let others read the results (run 0710, results 0750).")] = False,
    yes: Yes = False,
    verbose: Verbose = False,
) -> None:
    """Run every trial of a sweep that has no result yet.

    A launch, a relaunch after an interruption, and an extension by seeds, templates or data sets are the same:
    the plan minus what the results already hold. Half-trained trials continue from their checkpoints.

    If the sweep has been launched before and trials would drop out of its plan (another --limit or --filter, other
    --set values, a changed file), launch reports how many and asks; without a terminal, give --yes. Rows and
    weights of what drops out stay. A launch that is refused or cannot start leaves the plan of the last one
    unchanged.

    On Slurm, it submits the jobs and returns; --wait watches them through files alone, ends with the sweep's exit
    code, and can be left with Ctrl-C. Locally, Ctrl-C, SIGTERM or a closed terminal saves the running trials and
    ends (exit 75), and a second Ctrl-C stops at once (exit 130); with --detach the sweep continues without this
    terminal until it ends or is cancelled.
    Exit codes: 0 all wanted trials done, 1 some failed, 2 wrong sweep file or usage, 3 a problem of the machine,
    the cluster or the data, 4 refused by a budget guard, 75 interrupted but resumable, 130 stopped at once.

    Examples:
      fdt-sweep launch sweeps/demo.yaml
      fdt-sweep launch sweeps/demo.yaml --limit 1 --set epochs=1
      fdt-sweep launch sweeps/paper.yaml --cluster slurm
      fdt-sweep launch sweeps/paper.yaml --filter dataset=cifar10
      fdt-sweep launch renamed.yaml --rename-from demo
    """
    if dry_run:
        plan(sweep_file, set_, limit, filter_, json_, runs_dir, data_dir, cluster=cluster, reuse=reuse, stop=stop)
        return
    from cluster.profile.schema import load_profile
    from fdt_core.datasets.info import data_directory
    from fdt_core.errors import UsageError
    from orchestrator.cli.set_options import profile_options, split_settings
    from orchestrator.launch.prepare import checked, new_launch
    from orchestrator.run.launch_record import LaunchSettings
    from orchestrator.run.reuse import source_runs

    if detach and follow:
        raise UsageError("give either --detach or --follow, not both")
    sweep_settings, profile_settings = split_settings(set_ or [])
    profile = load_profile(cluster, profile_settings)
    settings = LaunchSettings(
        data_directory=str(data_directory(data_dir).absolute()),
        limit=limit,
        filters=tuple(filter_ or ()),
        max_failures=1 if fail_fast else max_failures,
        stop=stop,
        profile=profile_,
        reuse=source_runs(reuse or [], runs_dir),
    )
    wanted = new_launch(sweep_file, runs_dir=runs_dir, overrides=sweep_settings, settings=settings)
    wanted = checked(wanted, profile, max_gpu_hours=max_gpu_hours)
    wanted.run.create(share=share)
    options = profile_options(cluster, set_ or [])
    detach = False if follow else detach
    raise typer.Exit(perform_launch(wanted, profile, yes=yes, detach=detach, options=options, json_=json_))


def plan(
    sweep_file: SweepFile,
    set_: Settings = None,
    limit: Limit = None,
    filter_: Filters = None,
    json_: Json = False,
    runs_dir: RunsDir = None,
    data_dir: DataDir = None,
    verbose: Verbose = False,
    cluster: Annotated[
        str, typer.Option(help="Cluster profile: for Slurm, the sbatch scripts are shown too.")
    ] = "local",
    reuse: Reuse = None,
    stop: Stop = True,
) -> None:
    """Show what a sweep file asks for: its trials, their widths and costs, what is excluded, what is already done.

    If the sweep has been launched before, plan reports how many trials drop out, are new, or stay. Warnings
    name settings that have no effect. Needs neither the data nor the cluster, and writes nothing.

    Examples:
      fdt-sweep plan sweeps/paper.yaml
      fdt-sweep plan sweeps/paper.yaml --set 'models=[vgg19]' --set seeds=1
      fdt-sweep plan sweeps/paper.yaml --cluster slurm
    """
    import json

    from cluster.profile.schema import load_profile
    from fdt_core.datasets.info import data_directory
    from orchestrator.cli.set_options import split_settings
    from orchestrator.launch.prepare import new_launch
    from orchestrator.run.launch_record import LaunchSettings
    from orchestrator.run.reuse import source_runs
    from orchestrator.status.plan_text import plan_json, plan_text

    sweep_settings, profile_settings = split_settings(set_ or [])
    profile = load_profile(cluster, profile_settings)
    settings = LaunchSettings(
        data_directory=str(data_directory(data_dir)),
        limit=limit,
        filters=tuple(filter_ or ()),
        stop=stop,
        reuse=source_runs(reuse or [], runs_dir),
    )
    planned = new_launch(sweep_file, runs_dir=runs_dir, overrides=sweep_settings, settings=settings)
    tell_damage(planned.run.results)
    print(json.dumps(plan_json(planned), indent=1) if json_ else plan_text(planned))
    if profile.kind == "slurm" and not json_:
        from orchestrator.launch.slurm_submit import submission_scripts

        print(submission_scripts(planned.plan, planned.run, profile))
