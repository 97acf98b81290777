"""Provide the photo for the quickstart: the user's own, or one that comes with matplotlib."""

from __future__ import annotations

import shutil
from pathlib import Path

from filterkit.atomic_writes import replacing
from filterkit.errors import ImageError, UsageError

PHOTO = "photo"


def place_photo(folder: Path, image: Path | None, *, ours: bool) -> Path:
    """See `filterkit.workbench.place_photo`."""
    if image is None:
        from filterkit.renderers.figures import matplotlib

        matplotlib()
        from matplotlib import cbook

        image = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    if not image.is_file():
        raise ImageError(f"there is no picture {image}", hint="--image takes a photo, e.g. holiday.jpg")
    photo = folder / f"{PHOTO}{image.suffix.lower()}"
    if not photo.exists() or photo.read_bytes() != image.read_bytes():
        if photo.exists() and not ours:
            raise UsageError(
                f"{photo} was not created by quickstart and would be overwritten",
                hint="choose another folder: filterkit quickstart FOLDER",
            )
        with replacing(photo) as part:
            shutil.copyfile(image, part)
    others = [other.stat().st_mtime_ns for other in folder.glob(f"{PHOTO}.*") if other != photo]
    if max(others, default=0) > photo.stat().st_mtime_ns:
        photo.touch()  # the existing pictures were made from another photo
    return photo
