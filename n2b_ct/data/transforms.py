"""MONAI transforms: the HU window and the blurred label.

Both are deterministic, so MONAI's CacheDataset keeps their results; place them before MONAI's own
random crops and flips, with the label's key among theirs::

    Compose([
        LoadImaged("image", reader=CTSeriesReader, ensure_channel_first=True),
        HUWindowd("image", window="abdomen"),
        BlurredLabeld("image", label_key="blurred"),
        RandSpatialCropd(["image", "blurred"], roi_size=(1, 128, 128), random_size=False),
    ])

The label comes before the crop because a blur looks beyond the crop's border.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import InvertibleTransform, MapTransform, Transform
from monai.utils import TransformBackends, convert_data_type, convert_to_dst_type, ensure_tuple_rep

from n2b_ct.errors import ConfigError, explain
from n2b_ct.filters import mean_blur
from n2b_ct.hu import WINDOWS, Window

__all__ = [
    "BlurredLabel",
    "BlurredLabelD",
    "BlurredLabelDict",
    "BlurredLabeld",
    "HUWindow",
    "HUWindowD",
    "HUWindowDict",
    "HUWindowd",
]

WindowLike = Window | str | Sequence[float]


class HUWindow(Transform):
    """Clip HU to a window and scale them to network units [0, 1], float32.

    Args:
        window: A Window, the name of one of :data:`n2b_ct.hu.WINDOWS`, or ``(lower_hu, upper_hu)``.

    Raises:
        ConfigError: There is no such window.
    """

    backend: ClassVar[list[str]] = [TransformBackends.NUMPY]

    def __init__(self, window: WindowLike) -> None:
        self.window = _as_window(window)

    def __call__(self, img: NdarrayOrTensor) -> NdarrayOrTensor:
        """Map HU of any shape to ``[0, 1]``."""
        return _through_numpy(self.window.normalise, img)

    def inverse(self, data: NdarrayOrTensor) -> NdarrayOrTensor:
        """Map network units to HU; what the window clipped stays clipped."""
        return _through_numpy(self.window.to_hu, data)


class HUWindowd(MapTransform, InvertibleTransform):
    """Dictionary version of :class:`HUWindow`, invertible by ``Compose.inverse``.

    Args:
        keys: Keys of the images.
        window: As for :class:`HUWindow`.
        allow_missing_keys: Skip keys that are absent.
    """

    backend: ClassVar[list[str]] = HUWindow.backend

    def __init__(self, keys: KeysCollection, window: WindowLike, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.window = HUWindow(window)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Window every image; other entries pass through."""
        windowed = dict(data)
        for key in self.key_iterator(windowed):
            windowed[key] = self.window(windowed[key])
            self.push_transform(windowed, key)
        return windowed

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Map every image back to HU."""
        restored = dict(data)
        for key in self.key_iterator(restored):
            self.pop_transform(restored, key)
            restored[key] = self.window.inverse(restored[key])
        return restored


class BlurredLabel(Transform):
    """Make the blurred label ``y_b`` of Noise2Blur (Eq. 1), slice by slice.

    Args:
        blur: Blurs the last two axes, rows and columns; one of :mod:`n2b_ct.filters`, with its arguments
            bound by ``functools.partial`` where the defaults do not do.
    """

    backend: ClassVar[list[str]] = [TransformBackends.NUMPY]

    def __init__(self, blur: Callable[[np.ndarray], np.ndarray] = mean_blur) -> None:
        self.blur = blur

    def __call__(self, img: NdarrayOrTensor) -> NdarrayOrTensor:
        """Blur ``[channel, …, rows, cols]``; same shape, float32."""
        return _through_numpy(self.blur, img)


class BlurredLabeld(MapTransform):
    """Dictionary version of :class:`BlurredLabel`: adds the label and leaves the image.

    Args:
        keys: Keys of the noisy images, whole slices.
        label_key: Key of the label; one for each of ``keys``.
        blur: As for :class:`BlurredLabel`.
        allow_missing_keys: Skip keys that are absent.
    """

    backend: ClassVar[list[str]] = BlurredLabel.backend

    def __init__(
        self,
        keys: KeysCollection,
        label_key: KeysCollection = "blurred",
        blur: Callable[[np.ndarray], np.ndarray] = mean_blur,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.label_keys = ensure_tuple_rep(label_key, len(self.keys))
        self.label = BlurredLabel(blur)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the label of every image."""
        labelled = dict(data)
        for key, label_key in self.key_iterator(labelled, self.label_keys):
            labelled[label_key] = self.label(labelled[key])
        return labelled


HUWindowD = HUWindowDict = HUWindowd
BlurredLabelD = BlurredLabelDict = BlurredLabeld


def _as_window(window: WindowLike) -> Window:
    if isinstance(window, Window):
        return window
    if isinstance(window, str):
        if window not in WINDOWS:
            raise ConfigError(explain("window", f"must be one of {', '.join(WINDOWS)}", window, "pick one"))
        return WINDOWS[window]
    try:
        lower_hu, upper_hu = window
        return Window(float(lower_hu), float(upper_hu))
    except (TypeError, ValueError) as error:
        requirement = "must be a lower HU and a higher one"
        raise ConfigError(explain("window", requirement, window, "write [-160, 240]")) from error


def _through_numpy(function: Callable[[np.ndarray], np.ndarray], image: NdarrayOrTensor) -> NdarrayOrTensor:
    """Apply a numpy function to an array, a tensor or a MetaTensor and give back the same kind, float32."""
    array, *_ = convert_data_type(image, np.ndarray)
    result, *_ = convert_to_dst_type(function(array), dst=image, dtype=np.float32)
    return cast(NdarrayOrTensor, result)
