"""The tf_keras family: TF-MOT's own wrapper, extended.

For users of TF-MOT, whose models are tf_keras models. Nothing in here is
loaded before the first of them turns up.
"""
