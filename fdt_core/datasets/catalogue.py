"""What is known of each data set without having it: enough to plan and cost a whole study."""

from __future__ import annotations

from pathlib import Path

from fdt_core.datasets.info import SHIPPED, DatasetInfo, data_directory, dataset_names
from fdt_core.errors import unknown_name


def dataset_info(name: str, data_dir: Path | None = None) -> DatasetInfo:
    """The facts of data set `name`: one that ships with the project, or a user's own in `data_dir`.

    Args:
        name: of the data set.
        data_dir: where datasets.yaml is looked for; by default as `data_directory` says.

    Raises:
        UsageError: where there is none of that name; it lists the known ones.
        EnvironmentProblem: where a user's own is neither prepared nor its folder to be seen.
    """
    for info in SHIPPED:
        if info.name == name:
            return info
    # Imported here: it brings the readers of images, which planning with shipped data sets does not need.
    from fdt_core.datasets.user_datasets import user_dataset_info, user_datasets

    directory = data_directory(data_dir)
    own = user_datasets(directory)
    if name not in own:
        raise unknown_name("dataset", name, (*dataset_names(), *own))
    return user_dataset_info(name, directory)
