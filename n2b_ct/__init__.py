"""n2b-ct: Noise2Blur for low-dose CT, from DICOM folders to dose-level reports. Not a medical device."""

__version__ = "0.1.0"
