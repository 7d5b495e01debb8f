"""A small run directory with known numbers."""

RESULTS = """\
replicate,branch,draw,round,density,sparsity,steps,best_step,validation_loss,\
validation_accuracy,test_accuracy_best,test_accuracy_final,seconds
0,ticket,0,0,1.0,0.0,1000,600,0.5,0.9,0.90,0.89,10.0
0,ticket,0,1,0.5,0.5,1000,400,0.4,0.91,0.92,0.91,11.0
1,ticket,0,0,1.0,0.0,1000,800,0.6,0.88,0.88,0.87,12.0
1,ticket,0,1,0.5,0.5,1000,500,0.45,0.9,0.90,0.89,13.0
0,random_reinit,0,1,0.5,0.5,1000,900,0.7,0.8,0.80,0.79,14.0
0,random_reinit,1,1,0.5,0.5,1000,700,0.8,0.7,0.70,0.69,15.0
"""
HISTORY = """\
step,train_loss,validation_loss,validation_accuracy
0,2.0,2.0,0.1
500,0.5,{loss},0.8
1000,0.4,0.5,{accuracy}
"""


def write_run(folder):
    """Writes a run of two replicates, two rounds, a control with two draws."""
    folder.mkdir()
    (folder / "results.csv").write_text(RESULTS)
    for replicate in (0, 1):
        for number in (0, 1):
            place = folder / f"replicate_{replicate}" / f"round_0{number}"
            place.mkdir(parents=True)
            text = HISTORY.format(
                loss=0.6 + 0.2 * replicate, accuracy=0.9 + 0.02 * replicate
            )
            (place / "history.csv").write_text(text)
            (place / "ticket").write_bytes(b"stands for a ticket")
    return folder
