"""The papers' tables on natural images: rows are trained or not, test images denoised, scored and compared."""
