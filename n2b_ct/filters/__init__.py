"""Filters: the blurred labels of Noise2Blur, noise-free however blurred; and denoisers without training."""

from n2b_ct.filters.blur import LabelFilter, bilateral_blur, gaussian_blur, mean_blur, median_blur

__all__ = ["LabelFilter", "bilateral_blur", "gaussian_blur", "mean_blur", "median_blur"]
