"""The command line `fdt-sweep`. Only typer is imported at the top, so that `--help` is quick."""

from __future__ import annotations

import typer

from fdt_core.version import VERSION
from orchestrator.cli.cancel import cancel
from orchestrator.cli.data import data
from orchestrator.cli.doctor import doctor
from orchestrator.cli.drive import drive_locally, drive_on_slurm
from orchestrator.cli.gc import gc
from orchestrator.cli.help_text import help_text
from orchestrator.cli.launch import launch, plan
from orchestrator.cli.logs import logs
from orchestrator.cli.profile import profile
from orchestrator.cli.report import report
from orchestrator.cli.reproduce import reproduce
from orchestrator.cli.results import results
from orchestrator.cli.retry import retry
from orchestrator.cli.run import run
from orchestrator.cli.status import status
from orchestrator.cli.templates import templates
from orchestrator.cli.verify import verify

app = typer.Typer(
    name="fdt-sweep",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Plan, run and analyse comparison studies of CNNs, on this machine or on a Slurm cluster.

    Examples:
      fdt-sweep plan sweeps/demo.yaml
      fdt-sweep launch sweeps/demo.yaml
      fdt-sweep status demo
      fdt-sweep results demo
    """,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fdt-sweep {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Options before the command."""


app.command()(launch)
app.command("drive", hidden=True)(drive_locally)
app.command("drive-on-slurm", hidden=True)(drive_on_slurm)
app.command()(plan)
app.command()(status)
app.command()(logs)
app.command()(cancel)
app.command()(run)
app.command()(retry)
app.command()(reproduce)
app.command()(doctor)
app.command()(gc)
app.command()(verify)
app.command()(results)
app.command()(report)
app.command()(templates)
app.command()(profile)
app.add_typer(data, name="data")
for command in (*app.registered_commands, *data.registered_commands):
    command.help = help_text(command.callback)
