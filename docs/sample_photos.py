"""Write ``photos/``: parts of the pictures that come with scikit-image, one folder per picture.

``python sample_photos.py``, after ``pip install scikit-image``.
"""

from pathlib import Path

NAMES = ("astronaut", "brick", "cat", "coffee", "grass", "immunohistochemistry", "rocket")
SIDE = 200


def main():
    from PIL import Image
    from skimage import data

    for name in NAMES:
        picture = Image.fromarray(getattr(data, name)())
        folder = Path("photos", name)
        folder.mkdir(parents=True, exist_ok=True)
        for top in range(0, picture.height - SIDE + 1, SIDE):
            for left in range(0, picture.width - SIDE + 1, SIDE):
                part = picture.crop((left, top, left + SIDE, top + SIDE))
                part.save(folder / f"{top}-{left}.png")


if __name__ == "__main__":
    main()
