"""MONAI BundleWorkflows for training and inference of a pipeline."""

from n2b_ct.workflows.infer import DenoiseWorkflow
from n2b_ct.workflows.train import TrainWorkflow

__all__ = ["DenoiseWorkflow", "TrainWorkflow"]
