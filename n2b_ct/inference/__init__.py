"""The model file, and denoising of slices and images with it."""
