"""Thin command lines over the package, for a checkout."""
