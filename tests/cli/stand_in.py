"""A finished search, and one that trains nothing."""

RESULTS = """\
replicate,branch,draw,round,density,sparsity,steps,best_step,validation_loss,\
validation_accuracy,test_accuracy_best,test_accuracy_final,seconds
0,ticket,0,0,1.0,0.0,1000,600,0.5,0.9,0.90,0.89,10.0
0,ticket,0,1,0.8,0.2,1000,400,0.4,0.91,0.92,0.91,11.0
"""


def write_run(folder):
    """Writes a run directory with two finished rounds and a ticket each."""
    for number in (0, 1):
        place = folder / "replicate_0" / f"round_0{number}"
        place.mkdir(parents=True)
        (place / "ticket").write_bytes(b"stands for a ticket")
    (folder / "results.csv").write_text(RESULTS)
    return folder


class Calls(list):
    """The calls of the search that was replaced.

    If `error` is set, the next call raises it.
    """

    error = None

    def take(self, **arguments):
        self.append(arguments)
        if self.error is not None:
            raise self.error


def replace_search(monkeypatch):
    """Puts a stand-in for `find_ticket`; returns the list of its calls."""
    from tflottery.lottery import search

    calls = Calls()
    monkeypatch.setattr(search, "find_ticket", calls.take)
    return calls
