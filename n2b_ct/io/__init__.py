"""Files in, files out: DICOM series and NIfTI volumes as HU, and HU back into the source's own representation."""
