"""The pictures of an observation: hashed, compared with those that were observed before, and decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.catalog.observations import Image
from filterkit.errors import FilterkitError, ImageError, UsageError
from filterkit.records import SourceImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.plugins.protocols import Progress
    from filterkit.records import Preprocessing
    from filterkit.responses.response_network import ResponseNetwork
    from filterkit.runtime.feature_maps import Size

GIVE_ARRAYS = "give its inputs as arrays: npz:FILE.npz, with one input along the first axis per picture"

Unreadable = Callable[[FilterkitError], None]


class Hashed(NamedTuple):
    """A picture and the SHA-256 of its content."""

    image: SourceImage
    sha256: str


@dataclass(slots=True)
class Plan:
    """What remains to be done with the pictures of a request.

    Attributes
    ----------
    observed
        The sources of the pictures that were observed before, in their order.
    new
        The others, in the order of the request.
    copies
        Number of pictures that are byte-equal to an earlier one.
    left_out
        Number of pictures that could not be read.
    """

    observed: list[Hashed]
    new: list[Hashed] = field(default_factory=list)
    copies: int = 0
    left_out: int = 0


def check_kind(model: Mapping[str, Any], images: Sequence[SourceImage]) -> None:
    """Check whether the network takes pictures or arrays, before all of them are read.

    Raises
    ------
    ImageError
        All `images` are of the other kind.
    """
    from filterkit.catalog.model_input import takes_no_pictures

    takes_arrays = not model["preprocessing"]
    if not images or any(each.inputs == takes_arrays for each in images):
        return
    if takes_arrays:
        raise ImageError(takes_no_pictures(model), hint=GIVE_ARRAYS)
    raise ImageError(
        f"{images[0].name} is not a picture but an input of the graph",
        hint=f"give pictures, as {model['name']} takes them",
    )


def plan(
    images: Iterable[SourceImage],
    before: Sequence[Image],
    *,
    model: str,
    name: str,
    unreadable: Unreadable,
    progress: Progress,
) -> Plan:
    """Hash all pictures, and compare them with those that the observation `name` of a model has.

    Raises
    ------
    ImageError
        No picture can be read.
    UsageError
        A picture that was observed before has changed, or is missing.
    """
    from filterkit.image_sources.by_hash import content_hash
    from filterkit.image_sources.decoding import decoded_ahead

    known = {each.sha256: number for number, each in enumerate(before)}
    observed: dict[int, Hashed] = {}
    made = Plan([])
    seen: set[str] = set()
    first_error: FilterkitError | None = None
    given: dict[str, str] = {}
    for done, (image, result) in enumerate(decoded_ahead(images, lambda each: content_hash(each.read()))):
        progress("hashing pictures", done, None)
        if not isinstance(result, str):
            unreadable(result)
            first_error = first_error or result
            made.left_out += 1
        elif result in seen:
            made.copies += 1
        else:
            seen.add(result)
            if before:
                given[place_of(image)] = result
            if result in known:
                observed[known[result]] = Hashed(image, result)
            else:
                made.new.append(Hashed(image, result))
    if not seen:
        if first_error is None:
            raise UsageError("no pictures to observe", hint="filterkit observe ADDRESS IMAGES...")
        raise ImageError(f"no picture can be read: {first_error.message}", hint=first_error.hint)
    _check_all_there(before, observed, given, model, name)
    made.observed = [observed[number] for number in range(len(before))]
    return made


def _check_all_there(
    before: Sequence[Image],
    observed: Mapping[int, Hashed],
    given: Mapping[str, str],
    model: str,
    name: str,
) -> None:
    missing = [each for number, each in enumerate(before) if number not in observed]
    if not missing:
        return
    hint = f"choose another name with --name, or remove it: filterkit remove {model} --observation {name}"
    changed = [each for each in missing if given.get(each.path, each.sha256) != each.sha256]
    if changed:
        more = f", and {len(changed) - 1:,} more" if len(changed) > 1 else ""
        raise UsageError(
            f"{changed[0].path}{more} changed since it was observed as part of '{name}'", hint=hint
        )
    raise UsageError(
        f"observation '{name}' is of other pictures: {len(missing):,} of its {len(before):,} are not among "
        f"those given, e.g. {missing[0].path}",
        hint="give them too, or " + hint,
    )


def moved(before: Sequence[Image], planned: Plan) -> list[Image]:
    """The pictures that were observed before, with the paths and labels of the request.

    Where the request has no label, the earlier one is kept: a class may be given picture by picture.
    """
    return [
        each._replace(path=place_of(hashed.image), label=hashed.image.label or each.label)
        for each, hashed in zip(before, planned.observed, strict=True)
    ]


def place_of(image: SourceImage) -> str:
    """The path or name of a picture in the catalog; absolute, as exemplars are shown from any folder."""
    if image.path is None:
        from filterkit.image_sources.zip_members import archive_of

        found = archive_of(image.name)
        return image.name if found is None else f"{found[0].absolute()}{found[1]}"
    parts = image.path.absolute().parts
    return str(image.path.parent.resolve() / image.path.name if ".." in parts else image.path.absolute())


class Decoded(NamedTuple):
    """A picture that is ready to run: the arrays of the network's inputs, and its row."""

    inputs: Mapping[str, NDArray[Any]]
    row: Image


class Decoder:
    """Reads pictures in the form that a network takes.

    Parameters
    ----------
    preprocessing
        None if the network takes no pictures, but arrays.
    takes_no_pictures
        The message for pictures in that case.
    """

    def __init__(
        self,
        network: ResponseNetwork,
        preprocessing: Preprocessing | None,
        size: Size,
        declared: tuple[int | None, int | None],
        takes_no_pictures: str,
    ) -> None:
        from filterkit.runtime.pictures import report

        self._network, self._preprocessing = network, preprocessing
        self._size, self._declared = size, declared
        self._takes_no_pictures = takes_no_pictures
        self._report = report
        self._reported = False

    def decode(self, hashed: Hashed) -> Decoded:
        """Read and prepare one picture; may be called from several threads.

        Raises
        ------
        ImageError
            It is not a picture, the network does not take it, or it is no longer the one that was hashed.
        """
        from filterkit.image_sources.by_hash import content_hash
        from filterkit.image_sources.decoding import content_pixels
        from filterkit.responses.perceptual_hash import perceptual_hash

        image, sha256 = hashed
        content = image.read()
        if content_hash(content) != sha256:
            raise ImageError(f"{image.name} changed while it was observed", hint="observe again")
        if self._preprocessing is None:
            if not isinstance(content, Mapping):
                raise ImageError(self._takes_no_pictures, hint=GIVE_ARRAYS)
            return Decoded(content, Image(place_of(image), sha256, None, None, None, image.label))
        pixels = content_pixels(content, image.name, self._preprocessing, note=self._note)
        try:
            entry, prepared = self._network.prepared(pixels, self._preprocessing, self._size, self._declared)
        except ImageError as error:  # the network does not know which picture it is
            raise ImageError(f"{image.name}: {error.message}", hint=error.hint) from error
        height, width = pixels.shape[:2]
        row = Image(place_of(image), sha256, perceptual_hash(pixels), height, width, image.label)
        return Decoded({entry.name: prepared}, row)

    def _note(self, text: str) -> None:
        if not self._reported:
            self._reported = True
            self._report(text + " (further cases are not reported)")


def decoded(hashed: Iterable[Hashed], decoder: Decoder) -> Iterator[tuple[Hashed, Decoded | FilterkitError]]:
    """Decode pictures in threads, ahead of their use; those that cannot be decoded give an error."""
    from filterkit.image_sources.decoding import decoded_ahead

    yield from decoded_ahead(hashed, decoder.decode)
