"""The built-in output formats: each an `OutputFormat`, offered by ``filterkit_output_formats``."""
