"""The papers' tables on natural pictures: rows are trained or not, test pictures denoised, scored and compared."""
