"""Digital patients and the digital piglet: noise-free anatomy from a seed; the piglet also as a scan in DICOM."""
