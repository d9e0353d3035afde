"""Why a file was not used: every stable code, whether it skips or fails, and what it means.

A *skip* is a file that is no CT slice; an *error* is a CT slice that cannot be trusted, or a file
that might have been one. The user guide says what a person can do about each.
"""

from __future__ import annotations

from n2b_ct.io.series import Action

SKIPS: dict[str, str] = {
    "empty": "the file has no bytes",
    "not_dicom": "the content is not DICOM, whatever the name says",
    "not_natural_image": "the name is no image's, or hidden, and the model is one of images",
    "archive": "a zip, gzip, tar or similar file: archives are not opened",
    "not_regular": "a pipe, a device or a socket",
    "linked_folder": "a link to a folder: such links are not followed",
    "not_ct_image_storage": "another SOP class: a report, a capture, a segmentation, a directory",
    "localizer": "a scout view, not a slice",
    "not_grayscale": "more than one sample per pixel, or a colour space",
    "duplicate": "the same image is there already, under another name, link or encoding",
    "label_map": "a volume file of labels: few whole numbers, or segments by its name or header",
    "not_ct": "a volume file of something else: probabilities, PET, dose, MR, vectors, by its values, name or header",
    "deflated_too_large": "the deflated content grows beyond any CT slice",
}

OTHER_VOLUMES = ("label_map", "not_ct")
"""Skips that a person should hear of: such a file was meant to be read, if not as CT."""

ERRORS: dict[str, str] = {
    "unreadable": "the file cannot be opened or parsed",
    "unrecognisable": "named like the slices beside it, but empty, overwritten or no DICOM at all",
    "header_incomplete": "the file ends inside its header, or an attribute that a CT slice must have is missing",
    "header_too_large": "the header holds more bytes or elements than any CT slice's",
    "nested_too_deep": "sequences lie inside each other deeper than any CT header needs",
    "missing_uid": "a study, series or instance UID is missing",
    "bad_value": "a value that matters is not what its attribute allows",
    "bad_rescale": "stored words cannot be turned into HU",
    "maybe_not_hu": "the values of a volume file may be off by a constant, or no CT",
    "not_ct_modality": "stored as CT, but Modality says PET, MR, a segmentation or another kind of image",
    "not_hu": "RescaleType says the values are not HU",
    "highbit": "HighBit does not belong to BitsStored",
    "bits_allocated": "a word is neither 8 nor 16 bits wide",
    "too_large": "more pixels than any CT slice has",
    "unsupported_transfer_syntax": "no decoder knows this compression",
    "decoder_missing": "the decoder of this compression is not installed",
    "pixel_missing": "a CT slice without pixels: usually a file cut short",
    "pixel_truncated": "the pixels end too early",
    "pixel_undecodable": "the compressed pixels are damaged",
    "reader_crashed": "the decoder crashed on this file",
    "reader_killed": "the system or somebody ended the reader of this file again and again",
    "time_limit": "reading took more processor time than any CT slice does, or the disk did not answer",
    "memory_limit": "reading needs more memory than any CT slice does, or denoising more than there is",
    "no_slices": "no slice was asked for",
    "bad_shape": "new HU of another size",
    "not_3d": "a volume file with more or fewer than three axes",
    "data_file_refused": "a volume's header names a data file outside its folder, a link out of it, or a list of files",
    "not_finite": "HU that are NaN or infinite",
    "own_output": "the series is n2b-ct's own output: its noise was removed already",
    "output_foreign": "the place of the output holds what n2b-ct did not make of this input",
    "header_unwritable": "the source's header holds what DICOM cannot encode",
    "duplicate_conflict": "two files claim one SOPInstanceUID and hold different pixels",
}

PROBLEMS: dict[str, str] = {
    "missing_slices": "gaps where whole slices are absent",
    "varying_spacing": "slice distances differ",
    "gantry_tilt": "slices are stacked at an angle to their normal",
    "repeated_positions": "several slices share a place and nothing tells which belong together: use no 3D context",
    "uid_shared_by_patients": "its SeriesInstanceUID is that of another patient's series too",
    "part_of_series": "its SeriesInstanceUID names several series here, which are kept apart",
    "sop_uid_repeated": "images of other series carry SOPInstanceUIDs of this one",
    "patient_id_missing": "PatientID is absent: all of one study counts as one patient",
    "patient_varies": "PatientName differs between slices of one PatientID",
    "kvp_varies": "KVP differs between slices",
    "thickness_varies": "SliceThickness differs between slices",
    "tilt_varies": "GantryDetectorTilt differs between slices of one orientation",
    "field_of_view_varies": "ReconstructionDiameter differs between slices, or their field of view moves sideways",
    "acquisition_varies": "AcquisitionNumber differs between slices: several scans, or axial ones with a number each",
    "description_varies": "SeriesDescription differs between slices; that of the first one counts",
    "setting_varies": "SeriesNumber, scanner or kernel is another one in every slice",
    "already_derived": "the source is itself a derived image",
    "own_output": "the source was derived by n2b-ct",
    "lossy_source": "the pixels went through lossy compression",
    "invalid_uid": "a UID breaks the Standard's form",
    "non_square_pixels": "PixelSpacing differs between rows and columns",
    "pixel_spacing_missing": "PixelSpacing is absent: no sizes in millimetres",
    "unknown_character_set": "SpecificCharacterSet names what DICOM does not define: texts are copied as bytes",
    "assumed_hu": "the file does not say that its values are HU; `--assume-hu` takes them for HU",
    "maybe_not_hu": "the values of a volume file do not look like HU; `--assume-hu` takes them for HU",
    "unsure_geometry": "a NIfTI header places its voxels nowhere, or twice and differently: sform counts",
    "clipped_pixels": "more than 0.01 % of the new values did not fit in BitsStored and were clipped",
    "noise_unmeasured": "too little flat soft tissue to measure noise in: the model's own strength was used",
    "noise_target_missed": "even the best strength leaves more noise in flat tissue than was asked for",
    "rays_starved": "a simulated dose leaves more than 1 % of the rays too few photons for noise of mean zero",
    "rays_biased": "the same, with the shift of the mean that `--realistic-bias` adds",
    "not_fitted": "no model could be fitted to its protocol (`--adapt`): the model was used as it is",
    "output_replaced": "the existing output was n2b-ct's, but outdated: it was written again",
    "stale_output": "output of an earlier run lies at a path that the series no longer has",
    "repaired_uids": "missing UIDs were derived from the content",
    "transfer_syntax_assumed": "the file names no transfer syntax; its native form was recognised",
}

PATTERNS: dict[str, tuple[str, str]] = {
    "series_uid_per_file": (
        "slices that lie like one series have a SeriesInstanceUID each",
        "export them again and let the anonymiser keep one UID for what had one; used as they are, every slice becomes "
        "a series of its own",
    ),
    "uid_shared_by_patients": (
        "several patients have one SeriesInstanceUID",
        "nothing: they are kept apart by PatientID, and what is derived gets UIDs of its own. Archives may join them: "
        "better anonymise again",
    ),
    "sop_uid_repeated": (
        "images of several series have one SOPInstanceUID",
        "nothing: all are used, and what is derived gets UIDs of its own. Archives keep one of them: better anonymise "
        "again",
    ),
    "study_uid_shared": (
        "one StudyInstanceUID holds several patients, dates or scanners",
        "split training data by patient or folder, never by study",
    ),
    "patient_id_missing": (
        "series have no PatientID",
        "one study counts as one patient: where a patient has several, keep them on one side of a split yourself",
    ),
    "patient_id_shared": (
        "one PatientID has several studies, and is a placeholder, has two birth dates or sexes, or is all there is",
        "if these are several patients, say so in shared_patient of the manifest and split them by folder yourself",
    ),
}
"""What the series of a folder say together: code to meaning and remedy."""


def action_of(reason: str) -> Action:
    """Say whether a reason skips the file or is an error."""
    return "skipped" if reason in SKIPS else "error"
