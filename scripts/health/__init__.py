"""The health of the pipeline, for the health page and for `python -m scripts.health`."""
