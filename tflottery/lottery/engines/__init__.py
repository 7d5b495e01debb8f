"""Engines: ways to run the steps of a round, all with the same results.

* `pipeline`: Keras' own; takes any model, data and strategy.
* `compiled`: all steps between two validations are one program.
* `joint`: the programs of several networks run at once, each in its lane.
* `programs`: the programs that the last two train with.
* `evaluations`: those that they measure with.
* `aside`: an evaluation runs beside the next steps.
* `loops`: where their loops are, inside of what XLA compiles or around it.
* `operations`: what a program is made of.
* `template`: a program that serves all networks that are built alike.
* `lanes`: tasks that take turns, and leave to others what can be done at once.
* `engine`: what all of them can do.
"""
