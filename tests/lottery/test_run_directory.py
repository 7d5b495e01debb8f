"""Whose a run directory is, when versions of the software differ."""

import pytest

from tflottery.core import documents
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.run_directory import RunDirectory


@pytest.mark.parametrize("there", [True, None])
def test_a_run_directory_keeps_its_settings_when_a_default_changes(
    tmp_path, there
):
    # True was the default of `jit_compile` once, so that digests do not tell
    # it from None, which is the default now.
    here = None if there else True
    theirs, ours = (
        SearchConfig(model_options={"hidden": (8,)}, jit_compile=jit)
        for jit in (there, here)
    )
    assert theirs.digest() == ours.digest()
    RunDirectory(tmp_path, theirs, {})
    with pytest.raises(ValueError) as refusal:
        RunDirectory(tmp_path, ours, {})
    assert f"; different: jit_compile (there {there}, here {here}). " in str(
        refusal.value
    )
    RunDirectory(tmp_path, theirs, {})  # goes on


def test_a_run_directory_made_before_a_setting_existed_is_taken(tmp_path):
    config = SearchConfig(steps=200)
    digest = {"digest": config.digest()}
    values = config.to_dict()
    del values["augmentation"]
    documents.write_json(
        tmp_path / "config.json", {"config": values, "identity": digest}
    )
    RunDirectory(tmp_path, config, {})
    with pytest.raises(ValueError, match=r"augmentation \(there None, here "):
        RunDirectory(tmp_path, config.replace(augmentation="flip"), {})
