"""Fuzzing of the DICOM path: broken files by the thousand, and a watcher over what reads them."""
