"""The built-in output formats, each an `OutputFormat` registered by ``filterkit_output_formats``."""
