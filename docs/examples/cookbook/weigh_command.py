"""Commands `weigh model` and `weigh all`: how large models are. ``filterkit weigh model vgg16``"""

import typer

import filterkit


@filterkit.hookimpl
def filterkit_commands(app):
    weigh = typer.Typer(help="Show how large models are.")
    app.add_typer(weigh, name="weigh")

    @weigh.command()
    @filterkit.command
    def model(shell, name: str) -> None:
        """Show the number of parameters in the convolutions of a model."""
        with shell.workbench() as bench:
            print(sum(row["parameters"] for row in bench.layers(name)))

    @weigh.command(name="all")
    @filterkit.command
    def every(shell) -> None:
        """List models from the largest to the smallest."""
        with shell.workbench() as bench:
            models = bench.query(
                "select m.name, sum(l.parameters) as weight from model m join layer l on l.model_id = m.id"
                " group by m.id order by weight desc"
            )
            if not models:
                raise filterkit.FilterkitError("the catalog is empty", hint="filterkit add vgg16")
        shell.rows(models, ("name", "weight"))
