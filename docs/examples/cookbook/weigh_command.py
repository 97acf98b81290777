"""Commands `weigh model` and `weigh all`: how heavy models are. ``filterkit weigh model vgg16``"""

import typer

import filterkit


@filterkit.hookimpl
def filterkit_commands(app):
    weigh = typer.Typer(help="How heavy models are.")
    app.add_typer(weigh, name="weigh")

    @weigh.command()
    @filterkit.command
    def model(shell, name: str) -> None:
        """The weight of one model, in parameters of its convolutions."""
        with shell.workbench() as bench:
            print(sum(row["parameters"] for row in bench.layers(name)))

    @weigh.command(name="all")
    @filterkit.command
    def every(shell) -> None:
        """The models from the heaviest to the lightest."""
        with shell.workbench() as bench:
            models = bench.query(
                "select m.name, sum(l.parameters) as weight from model m join layer l on l.model_id = m.id"
                " group by m.id order by weight desc"
            )
            if not models:
                raise filterkit.FilterkitError("the catalog is empty", hint="filterkit add vgg16")
        shell.rows(models, ("name", "weight"))
