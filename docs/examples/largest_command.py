"""Command `largest`: the layers with the most parameters. ``filterkit largest vgg16``"""

import filterkit


@filterkit.hookimpl
def filterkit_commands(app):
    @app.command()
    def largest(model: str, count: int = 3) -> None:
        """Show the layers with the most parameters."""
        with filterkit.open() as bench:
            layers = sorted(bench.layers(model), key=lambda row: row["parameters"], reverse=True)
            for row in layers[:count]:
                print(row["layer"], row["parameters"])
