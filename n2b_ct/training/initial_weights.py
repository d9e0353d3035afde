"""Start the denoiser of a training from the weights of a model: ``method.init``.

A pipeline that names no network takes the model's, and its window where it names none; one that names another network
or window is refused, for there the weights would mean something else.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.config.sections import Pipeline
from n2b_ct.config.windows import WindowSection
from n2b_ct.data.natural_images import NaturalImageScale
from n2b_ct.errors import ModelError, explain
from n2b_ct.hu import Window
from n2b_ct.inference.model import Model, load_any_model
from n2b_ct.inference.shipped import model_path


def initial_model(pipeline: Pipeline) -> Model | None:
    """Load the model that the denoiser starts from; None where its weights are drawn.

    Raises:
        ModelError: It cannot be read, or is not the one that was shipped.
    """
    init = pipeline.method.init
    return None if init is None else load_any_model(Path(model_path(init)))


def with_initial_network(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with network and window of the model that it starts from, where it names none itself.

    Raises:
        ModelError: The model cannot be read.
    """
    model = initial_model(pipeline)
    if model is None:
        return pipeline
    method, data = pipeline.method, pipeline.data
    if "denoiser" not in method.model_fields_set:
        method = method.model_copy(update={"denoiser": model.section})
    if data.kind != "natural_images" and model.is_of_ct and "window" not in data.model_fields_set:
        ends = WindowSection(lower_hu=model.window.lower_hu, upper_hu=model.window.upper_hu)
        data = data.model_copy(update={"window": ends})
    return pipeline.model_copy(update={"method": method, "data": data})


def require_initial_weights_fit(pipeline: Pipeline, input_scale: Window | NaturalImageScale) -> None:
    """Refuse a model of another network or window than the training's.

    Raises:
        ModelError: It is, or it cannot be read.
    """
    model = initial_model(pipeline)
    if model is None:
        return
    subject, wanted = f"method.init {pipeline.method.init}", pipeline.method.denoiser
    if model.section != wanted:
        requirement, remedy = f"must be a model of method.denoiser, {_shown(wanted)}", "leave method.denoiser out"
        raise ModelError(explain(subject, requirement, _shown(model.section), remedy))
    if model.input_scale != input_scale:
        requirement, found = f"must be a model of the window {_ends(input_scale)}", _ends(model.input_scale)
        remedy = f"set data.window to {found.removesuffix(' HU')}" if model.is_of_ct else "start from a model of CT"
        raise ModelError(explain(subject, requirement, found, remedy))


def load_initial_weights(pipeline: Pipeline, denoiser: nn.Module) -> None:
    """Fill the denoiser with the model's weights, in place; nothing where the pipeline starts from none.

    Raises:
        ModelError: The model cannot be read.
    """
    model = initial_model(pipeline)
    if model is not None:
        denoiser.load_state_dict(model.denoiser.state_dict())


def initial_weights_digest(pipeline: Pipeline) -> str | None:
    """Return the digest of the model that the denoiser starts from; None where there is none.

    Raises:
        ModelError: The model cannot be read.
    """
    model = initial_model(pipeline)
    return None if model is None else model.digest


def _shown(section: DenoiserSection) -> str:
    arguments = ", ".join(f"{key}={value}" for key, value in section.arguments.items())
    return f"{section.name}({arguments}) {section.output}"


def _ends(scale: Window | NaturalImageScale) -> str:
    return f"[{scale.lower_hu:g}, {scale.upper_hu:g}] HU" if isinstance(scale, Window) else "natural images"
