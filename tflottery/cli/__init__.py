"""The command line: `tflottery find` and `tflottery report`.

* `main`: `run`, the console entry.
* `commands`: what each sub-command does.
* `flags`: absl flags made from the fields of a config.
* `help`: the help texts.
* `progress`: bars on a terminal, plain lines elsewhere.
"""
