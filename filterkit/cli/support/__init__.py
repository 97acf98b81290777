"""What commands share: options, completion, output, progress, and what is said of errors."""
