"""The facts of each data set that are known without the data: enough to plan a study and estimate its cost."""

from __future__ import annotations

from pathlib import Path

from fdt_core.datasets.info import SHIPPED, DatasetInfo, data_directory, dataset_names
from fdt_core.errors import unknown_name


def dataset_info(name: str, data_dir: Path | None = None) -> DatasetInfo:
    """The facts of data set `name`: a shipped one, or a user data set of `data_dir`.

    Args:
        name: name of the data set.
        data_dir: the directory of datasets.yaml; by default that of `data_directory`.

    Raises:
        UsageError: for an unknown name; the message lists the known ones.
        EnvironmentProblem: if a user data set is not prepared and its folder cannot be read.
    """
    for info in SHIPPED:
        if info.name == name:
            return info
    # Imported here because it imports the image readers, which planning with shipped data sets does not need.
    from fdt_core.datasets.user_datasets import user_dataset_info, user_datasets

    directory = data_directory(data_dir)
    users = user_datasets(directory)
    if name not in users:
        raise unknown_name("dataset", name, (*dataset_names(), *users))
    return user_dataset_info(name, directory)
