"""Output format `latex`. ``filterkit layers vgg16 --format latex:columns=layer/parameters``"""

from dataclasses import dataclass

import filterkit

SPECIAL = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {"\\": r"\textbackslash{}"}


@dataclass(frozen=True)
class Latex:
    columns: tuple[str, ...] = ()  # filterkit sets the most readable ones; empty for all

    def write(self, rows, columns, stream):
        wanted = self.columns or columns
        stream.write(f"\\begin{{tabular}}{{{'l' * len(wanted)}}}\n{line(wanted)}\\hline\n")
        for row in rows:
            stream.write(line(row.get(name) for name in wanted))
        stream.write("\\end{tabular}\n")


def line(values):
    cells = ("" if value is None else str(value) for value in values)
    return " & ".join("".join(SPECIAL.get(c, c) for c in cell) for cell in cells) + " \\\\\n"


@filterkit.hookimpl
def filterkit_output_formats():
    return [filterkit.Contribution("latex", "A LaTeX tabular", Latex)]
