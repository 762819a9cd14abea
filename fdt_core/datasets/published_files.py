"""The published data sets: their files, checksums and addresses, and the reader of each."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from fdt_core.datasets.raw_files.file_tree import FileTree, open_tree
from fdt_core.datasets.raw_files.source import Source
from fdt_core.datasets.readers.cifar import CIFAR10_LAYOUT, CIFAR100_LAYOUT, read_cifar
from fdt_core.datasets.readers.cinic10 import read_cinic10
from fdt_core.datasets.readers.fashion_mnist import read_fashion_mnist
from fdt_core.datasets.readers.tiny_imagenet import read_tinyimagenet
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape

_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Publication:
    """How a data set is published.

    Args:
        md5: checksum of each published file; for a single gzipped file, of its contents, because distributors compress
            such files again.
        address: the URL of the folder of the files.
        landmark: a file, or a folder with a trailing slash, that is directly in the data set's tree.
        read: the reader of that tree.
        places: folders where distributions install the files.
        hint: another way to get the files.
    """

    md5: Mapping[str, str]
    address: str
    landmark: str
    read: Callable[[FileTree, ImageShape], Source]
    places: tuple[Path, ...] = ()
    hint: str = ""

    def check(self, path: Path) -> None:
        """Compare the archive `path`, or the published files in the folder `path`, with their checksums.

        A folder unpacked from an archive has no checksum and passes.

        Raises:
            EnvironmentProblem: naming the file that differs or cannot be read.
        """
        files = [path] if path.is_file() else [path / name for name in self.md5 if (path / name).exists()]
        for file in files:
            expected = self.md5.get(file.name) or next(iter(self.md5.values()))
            found = _md5(file)
            if found != expected:
                raise EnvironmentProblem(
                    f"{file} is truncated or not as published: its MD5 is {found}, not {expected} "
                    "(--unchecked accepts it)"
                )

    def source(self, path: Path, image: ImageShape) -> Source:
        """Read the data set in the archive or folder `path`."""
        return self.read(open_tree(path, self.landmark), image)

    def find(self, data_dir: Path) -> Path | None:
        """Find the archive, or the folder of all files, in the usual places in `data_dir` and on this machine."""
        folders = (data_dir / "raw", data_dir, *self.places)
        return next((found for folder in folders if (found := self.find_in(folder))), None)

    def find_in(self, folder: Path) -> Path | None:
        """The archive in `folder`, or `folder` itself if several files are published; None if they are not there."""
        if not all((folder / name).is_file() for name in self.md5):
            return None
        return folder / next(iter(self.md5)) if len(self.md5) == 1 else folder

    def download(self, folder: Path) -> Path:
        """Download the published files to `folder` with torchvision's downloader; returns what `find_in` does.

        Raises:
            EnvironmentProblem: if an address cannot be reached, or a file from it is not as published.
        """
        from torchvision.datasets.utils import download_url  # seconds of imports, for downloads only

        folder.mkdir(parents=True, exist_ok=True)
        for name in self.md5:
            partial_file = folder / f".partial-{name}"
            try:
                download_url(f"{self.address}/{name}", str(folder), filename=partial_file.name)
                self._check_download(partial_file, name)
                partial_file.rename(folder / name)
            except (OSError, RuntimeError) as error:
                raise EnvironmentProblem(f"{self.address}/{name} cannot be downloaded: {error}") from error
            finally:
                partial_file.unlink(missing_ok=True)
        return folder / next(iter(self.md5)) if len(self.md5) == 1 else folder

    def _check_download(self, file: Path, name: str) -> None:
        if _md5(file) != self.md5[name]:
            raise EnvironmentProblem(f"{self.address}/{name} did not send the published file (its MD5 differs)")


PUBLICATIONS: Mapping[str, Publication] = MappingProxyType(
    {
        "cifar10": Publication(
            md5={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
            address="https://www.cs.toronto.edu/~kriz",
            landmark="batches.meta",
            read=partial(read_cifar, layout=CIFAR10_LAYOUT),
        ),
        "cifar100": Publication(
            md5={"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
            address="https://www.cs.toronto.edu/~kriz",
            landmark="meta",
            read=partial(read_cifar, layout=CIFAR100_LAYOUT),
        ),
        "cinic10": Publication(
            md5={"CINIC-10.tar.gz": "6ee4d0c996905fe93221de577967a372"},
            address="https://datashare.ed.ac.uk/bitstream/handle/10283/3192",
            landmark="train/",
            read=read_cinic10,
        ),
        "tinyimagenet": Publication(
            md5={"tiny-imagenet-200.zip": "90528d7ca1a48142e341f4ef8d21d0de"},
            address="http://cs231n.stanford.edu",
            landmark="wnids.txt",
            read=read_tinyimagenet,
        ),
        "fashion_mnist": Publication(
            md5={
                "train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                "train-labels-idx1-ubyte.gz": "9018921c3c673c538a1fc5bad174d6f9",
                "t10k-images-idx3-ubyte.gz": "8181f5470baa50b63fa0f6fddb340f0a",
                "t10k-labels-idx1-ubyte.gz": "15d484375f8d13e6eb1aabb0c3f46965",
            },
            address="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            landmark="train-images-idx3-ubyte.gz",
            read=read_fashion_mnist,
            places=(Path("/usr/share/datasets/fashion-mnist"),),
            hint="on Debian: apt-get install dataset-fashion-mnist",
        ),
    }
)


def _md5(path: Path) -> str:
    """MD5 of the file, or of its contents if it is a single gzipped file."""
    unpack = path.name.endswith(".gz") and not path.name.endswith(".tar.gz")
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with gzip.open(path) if unpack else path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except (OSError, EOFError, zlib.error) as error:
        raise EnvironmentProblem(f"{path} is damaged or truncated: {error}") from error
    return digest.hexdigest()
