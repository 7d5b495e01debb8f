"""What TensorBoard says of a tag, behind the (i) of its card.

A tag has room for two or three words, so what is counted, and what the
horizontal axis means, is told here. Names of metrics mean what they mean in
`results.csv`; others are told by their group alone.
"""

from __future__ import annotations

BY_ROUND = "by_round"
BY_PRUNED = "by_pruned_per_100k"
MASK = "first_layer_mask"

_GROUPS = {
    "sparsity": "Share of zeros among the prunable weights as stored.",
    "surviving_weights": "Number of stored weights that are not zero.",
    "weakest_survivor": "Magnitude of the smallest stored weight that is not "
    "zero; 0 if there is none.",
    "mask_overlap": "Jaccard index of the survivors of this mask and the one "
    "before it, 1 for equal masks; written when the mask has changed.",
    "dead_units": "Units with no way in: all weights that lead to them are 0.",
    "unread_inputs": "Inputs with no way out: all weights that read them are "
    "0.",
    BY_ROUND: "Horizontal axis: the round; 0 is the dense network.",
    BY_PRUNED: "Horizontal axis: how many of 100,000 prunable weights are "
    "pruned. 0 is the dense network; 80k is 80 % pruned, a density of 20 %.",
    MASK: "The step is the round; 0 is the dense network.",
}

_NAMES = {
    "density": "Share of the prunable weights that is not zero.",
    "best_step": "Early-stopping step: the one with the least validation loss.",
    "seconds": "How long the round took.",
    "test_accuracy_best": "Test accuracy at the early-stopping step.",
    "test_accuracy_final": "Test accuracy at the end of the training.",
    "validation_accuracy": "Validation accuracy at the early-stopping step.",
    "validation_loss": "Validation loss at the early-stopping step, the least "
    "of all.",
    "inputs_by_units": "A row for each input (for convolutions, each tap of "
    "each input), a column for each unit; white is kept, black is pruned.",
    "reads_per_input": "How many units still read each input, laid out like "
    "the input; white is the most in this round, black is none.",
    "filters": "A cell for each filter, framed in blue; white is kept, black "
    "is pruned.",
}
_NAMED = (BY_ROUND, BY_PRUNED, MASK)


def of(tag: str) -> str:
    """Describes a tag that the callbacks write.

    Args:
        tag: `<group>/<name>`.

    Returns:
        One or two sentences.

    Example:
        >>> print(of("by_round/seconds"))
        How long the round took. Horizontal axis: the round; 0 is the dense \
network.
        >>> print(of("surviving_weights/fc1.kernel"))
        Number of stored weights that are not zero.
    """
    group, name = tag.split("/", 1)
    told = [_NAMES[name]] if group in _NAMED and name in _NAMES else []
    return " ".join([*told, _GROUPS[group]])
