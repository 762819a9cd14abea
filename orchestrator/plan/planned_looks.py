"""The looks of a plan with adaptive seeds: how many comparisons share the error, and at which levels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from fdt_core.errors import UsageError
from fdt_core.quantities import counted
from fdt_core.results.keys import BASE
from fdt_core.results.looks import Looks
from fdt_core.trial.recipe import Recipe
from orchestrator.plan.adaptive_seeds import AdaptiveSeeds
from orchestrator.plan.cells import BlockKey, Cell


def plan_looks(seeds: AdaptiveSeeds, cells: Sequence[Cell]) -> Looks:
    """The looks at the blocks of a plan.

    Raises UsageError if they would find nothing to compare: no template beside base, or templates of a block that are
    trained by another recipe than base, so that not only the template could explain their difference.
    """
    from analysis.statistics.sequential.looks import planned_looks  # takes half a second, which only such sweeps need

    recipes: dict[BlockKey, dict[str, set[Recipe]]] = defaultdict(lambda: defaultdict(set))
    for cell in cells:
        recipes[cell.block][cell.template].add(cell.spec.recipe)
    for block, by_template in recipes.items():
        unlike = [name for name, found in by_template.items() if BASE in by_template and found != by_template[BASE]]
        if unlike:
            raise UsageError(
                f"{' '.join(filter(None, map(str, block)))}: {unlike[0]} is trained by another recipe than {BASE}, so "
                "their difference would not be that of the templates; give both the same one, or a number of seeds"
            )
    compared = [len(by_template) - 1 for by_template in recipes.values() if BASE in by_template]
    if not any(compared):
        raise UsageError(f"no template is compared with {BASE}: add it to the templates, or give a number of seeds")
    until = seeds.until
    return planned_looks(
        seeds.look_list,
        margin=until.margin,
        error=until.error,
        family=until.family,
        templates=max(compared),
        blocks=len(compared),
    )


def lone_cells(seeds: AdaptiveSeeds, cells: Sequence[Cell]) -> str:
    """A warning if the templates of some blocks have no base to be compared with; empty if all have."""
    blocks: dict[BlockKey, set[str]] = defaultdict(set)
    for cell in cells:
        blocks[cell.block].add(cell.template)
    lone = [block for block, templates in blocks.items() if BASE not in templates]
    if not lone:
        return ""
    model, width, variant, dataset = lone[0]
    example = " ".join(filter(None, (model, f"width {width:g}", variant, dataset)))
    return (
        f"{counted(len(lone), 'block')} without {BASE}, such as {example}: nothing is compared there, and its "
        f"templates get {seeds.first} seeds"
    )
