"""Benchmarks: a table each, measured in one sitting, interleaved, as ratios."""
