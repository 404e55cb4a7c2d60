"""Demonstrations of tricks: data in YAML files, and what runs, judges and draws them."""
