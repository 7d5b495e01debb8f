"""TFLite files, read by their schema: what is in them, and what can run it.

* `file`: `TFLiteFile`, and through it `constants`: zeros and encodings.
* `reader`, `tables`, `options`: from flatbuffers to plain objects, checked.
* `sparse_encoding`: sparse tensors, decoded.
* `delegates`, `xnnpack_clusters`, `operator_graph`: which kernels use zeros.
"""
