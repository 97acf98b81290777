"""Model source `team`: models from a folder that a team shares. ``filterkit add team:segmenter``"""

import os
from pathlib import Path

import filterkit


class Team:
    scheme = "team"

    def fetch(self, ref, workdir, progress):
        shelf = os.environ.get("TEAM_MODELS")
        if not shelf:
            raise filterkit.SourceError("TEAM_MODELS is not set", hint="set it to the folder of models")
        models = {path.stem: path for path in sorted(Path(shelf).glob("*.onnx"))}
        if ref not in models:
            known = ", ".join(models) or "none"
            raise filterkit.SourceError(f"the team has no model '{ref}'", hint=f"available: {known}")
        progress(f"reading {ref}", 0, None)
        return filterkit.FetchedModel(
            models[ref],
            origin=f"team:{ref}",
            preprocessing=filterkit.Preprocessing("RGB", scale=1 / 255, mean=(0.5,) * 3, std=(0.5,) * 3),
            license="internal use only",
        )


@filterkit.hookimpl
def filterkit_model_sources():
    return [filterkit.Contribution("team", "A model of the team, by name", Team)]
