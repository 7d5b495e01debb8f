"""What tflottery costs, measured: `python -m benchmarks [case ...]`.

Kept out of the library: it imports peers and starts processes of its own.
"""
