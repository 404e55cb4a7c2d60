"""Comparisons of the text: many arms, each tuned on `val`, then run again on fresh seeds."""
