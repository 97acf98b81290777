"""What commands share: options, completion, output, progress and error messages."""
