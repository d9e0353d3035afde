"""From any file to the headers of the slices that it holds, grouped into series; pixels stay where they are."""
