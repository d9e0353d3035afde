"""A pipeline YAML as frozen, validated sections."""

from n2b_ct.config.pipeline import load_pipeline
from n2b_ct.config.sections import Pipeline

__all__ = ["Pipeline", "load_pipeline"]
