"""The commands: each has OPTIONS, and `run`, which imports what it needs.

Importing torch takes seconds, and --help should not.
"""
