"""Bytes raw and compressed, of contents, files and folders."""

import gzip

import numpy as np
import pytest
import zstandard

from tflottery.core import files
from tflottery.export.sizes import Sizes

RANDOM = np.random.default_rng(0).bytes(5000)


def test_sizes_are_those_of_the_compressed_streams():
    sizes = Sizes.of(RANDOM[:100] * 50)
    assert sizes.raw == 5000
    assert sizes.gzip == len(gzip.compress(RANDOM[:100] * 50, 9, mtime=0))
    compressor = zstandard.ZstdCompressor(level=19)
    assert sizes.zstd == len(compressor.compress(RANDOM[:100] * 50))
    assert sizes.gzip < 250
    assert sizes.zstd < 250


def test_noise_does_not_shrink():
    sizes = Sizes.of(RANDOM)
    assert min(sizes.gzip, sizes.zstd) > sizes.raw == 5000


def test_bytes_and_files_measure_alike(tmp_path, bucket):
    expected = Sizes.of(RANDOM)
    assert Sizes.of(memoryview(RANDOM)) == expected
    for path in (tmp_path / "file", bucket.path / "file"):
        files.write_bytes(path, RANDOM)
        assert Sizes.of(path) == Sizes.of(str(path)) == expected


def test_a_folder_is_one_stream_of_its_files(tmp_path, bucket):
    found = []
    for folder in (tmp_path / "model", bucket.path / "model"):
        # What two files share is compressed once.
        files.write_bytes(folder / "variables" / "data", RANDOM)
        files.write_bytes(folder / "graph", RANDOM)
        found.append(Sizes.of(folder))
    assert found[0] == found[1]
    assert found[0].raw == 10000
    assert found[0].zstd < 6000


def test_names_of_files_count_when_compressed(tmp_path):
    for name in ("a", "b" * 100):
        files.write_bytes(tmp_path / name[0] / name, RANDOM)
    short, long = Sizes.of(tmp_path / "a"), Sizes.of(tmp_path / "b")
    assert long.raw == short.raw
    assert long.gzip > short.gzip


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Sizes.of(tmp_path / "missing")
