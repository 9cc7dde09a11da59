"""The commands that use a captioner: caption, train, finetune, evaluate.

Each imports what it needs when it runs: importing torch takes seconds, and --help should not.
"""
