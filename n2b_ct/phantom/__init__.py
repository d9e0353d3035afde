"""The digital piglet: an animal-like phantom, scanned at known doses and written as DICOM; no torch."""
