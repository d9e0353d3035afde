"""From files to patches: manifests and splits, MONAI transforms, the slice dataset, unpaired patch batches."""
