"""What happens to faint, small structure: inserted lesions, and structure that finished images show or lack."""
