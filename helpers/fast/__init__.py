"""The engine: makes training faster and lighter. Without this folder, numbers are the same."""
