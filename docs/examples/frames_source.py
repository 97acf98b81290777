"""Image source `frames`: the frames of an animated GIF, PNG or WebP. ``frames:wave.gif``"""

from functools import partial

import filterkit


class Frames:
    def images(self, spec):
        from PIL import Image

        try:
            with Image.open(spec) as movie:
                count = getattr(movie, "n_frames", 1)
        except (OSError, ValueError) as error:
            raise filterkit.UsageError(f"cannot read '{spec}': {error}", hint="give frames:FILE") from error
        for number in range(count):
            yield filterkit.SourceImage(f"{spec}!{number}", partial(frame, spec, number))


def frame(path, number):
    import numpy as np
    from PIL import Image

    with Image.open(path) as movie:  # several threads may read at the same time
        movie.seek(number)
        return np.asarray(movie.convert("RGB"))


@filterkit.hookimpl
def filterkit_image_sources():
    return [filterkit.Contribution("frames", "Frames of an animated picture", Frames)]
