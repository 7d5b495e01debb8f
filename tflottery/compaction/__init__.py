"""Compaction: removal of dead units, channels and embedding rows."""
