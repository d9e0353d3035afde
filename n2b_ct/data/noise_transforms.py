"""The papers' noises as random MONAI transforms, for an array and for a dictionary.

They corrupt clean images while training or validation data are prepared; ``Compose`` and
``DataLoader`` seed them as they seed MONAI's own::

    Compose([
        LoadImaged("clean", ensure_channel_first=True),
        CopyItemsd("clean", names="noisy"),
        RandImageNoised("noisy", GaussianNoise(sigma=(0.0, 50.0))),
    ]).set_random_state(seed=7)

Two transforms in a row on two copies make the two realisations of Noise2Noise. The kinds of noise and
their levels are those of :mod:`n2b_ct.noises.noise`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Self, cast

import numpy as np
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import TransformBackends, convert_data_type, convert_to_dst_type

from n2b_ct.errors import DataError, explain
from n2b_ct.noises.noise import Corruption, ImageNoise

__all__ = ["RandImageNoise", "RandImageNoiseD", "RandImageNoiseDict", "RandImageNoised"]

_N_SEEDS = 2**32


class RandImageNoise(RandomizableTransform):
    """Draw noise and apply it to one image.

    Args:
        noise: The kind of noise and its level, on the image's scale.
        prob: Probability of an image to become noisy. 1 by default, unlike MONAI's 0.1: the noise is the task here, not
            an augmentation.
    """

    backend: ClassVar[list[str]] = [TransformBackends.NUMPY]

    def __init__(self, noise: ImageNoise, prob: float = 1.0) -> None:
        RandomizableTransform.__init__(self, _as_probability(prob))
        self.noise = noise
        self._corruption: Corruption | None = None

    def randomize(self, data: NdarrayOrTensor) -> None:
        """Draw whether to add noise and, if so, noise of the image's shape."""
        super().randomize(None)
        self._corruption = None
        if self._do_transform:
            rng = np.random.default_rng(self.R.randint(_N_SEEDS, dtype=np.uint64))
            channels, rows, cols = _require_channel_first(data)
            self._corruption = self.noise.draw((rows, cols, channels), rng)

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> NdarrayOrTensor:
        """Make ``[channels, rows, cols]`` noisy.

        Args:
            img: Array, tensor or MetaTensor; not modified.
            randomize: Draw first; False applies what :meth:`randomize` drew last.

        Returns:
            The same kind, float32.

        Raises:
            DataError: The image is not channel-first, or not of the shape the noise was drawn for.
        """
        if randomize:
            self.randomize(img)
        array, *_ = convert_data_type(img, np.ndarray)
        noisy = array if self._corruption is None else _corrupt(array, self._corruption)
        result, *_ = convert_to_dst_type(noisy.astype(np.float32), dst=img, dtype=np.float32)
        return cast(NdarrayOrTensor, result)


class RandImageNoised(RandomizableTransform, MapTransform):
    """Dictionary version of :class:`RandImageNoise`; as in MONAI, all keys share one noise and one shape.

    Args:
        keys: Keys of the images.
        noise: As for :class:`RandImageNoise`.
        prob: As for :class:`RandImageNoise`, for all keys together.
        allow_missing_keys: Skip keys that are absent.
    """

    backend: ClassVar[list[str]] = RandImageNoise.backend

    def __init__(
        self, keys: KeysCollection, noise: ImageNoise, prob: float = 1.0, allow_missing_keys: bool = False
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, 1.0)
        self.rand_noise = RandImageNoise(noise, prob)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> Self:
        """Seed this transform and the one inside."""
        super().set_random_state(seed, state)
        self.rand_noise.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Make the images noisy; other entries pass through.

        Raises:
            DataError: An image is not channel-first, or the images differ in shape.
        """
        noisy = dict(data)
        for n_done, key in enumerate(self.key_iterator(noisy)):
            noisy[key] = self.rand_noise(noisy[key], randomize=n_done == 0)
        return noisy


RandImageNoiseD = RandImageNoiseDict = RandImageNoised


def _corrupt(channel_first: np.ndarray, corruption: Corruption) -> np.ndarray:
    return np.moveaxis(corruption(np.moveaxis(channel_first, 0, -1)), -1, 0)


def _require_channel_first(image: NdarrayOrTensor) -> tuple[int, int, int]:
    if image.ndim != 3:
        size = "x".join(map(str, image.shape))
        raise DataError(explain("image", "must be channels x rows x cols", size, "set ensure_channel_first"))
    channels, rows, cols = image.shape
    return channels, rows, cols


def _as_probability(prob: float) -> float:
    if not 0.0 <= prob <= 1.0:
        raise DataError(explain("prob", "must be from 0 to 1", prob, "use 1 to make every image noisy"))
    return prob
