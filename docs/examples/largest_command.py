"""Command `largest`: the layers with the most parameters. ``filterkit largest vgg16``"""

import filterkit


@filterkit.hookimpl
def filterkit_commands(app):
    @app.command()
    @filterkit.command
    def largest(shell, model: str, count: int = 3) -> None:
        """Show the layers with the most parameters."""
        with shell.workbench() as bench:
            layers = sorted(bench.layers(model), key=lambda row: row["parameters"], reverse=True)
        shell.rows(layers[:count], ("layer", "filters", "parameters"))
