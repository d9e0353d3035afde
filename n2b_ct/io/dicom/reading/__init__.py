"""From any file to the slices that it holds: headers, stored words, and the series that they make up."""
