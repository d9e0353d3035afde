"""From files to patches: manifests and splits, MONAI transforms, the slice bank, unpaired patch batches."""
