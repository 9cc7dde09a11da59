"""What maintainers and instructors run: `python -m tools.NAME`, most of it through make."""
