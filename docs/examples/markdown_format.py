"""Output format `markdown`. ``filterkit layers vgg16 --format markdown``"""

import filterkit


class Markdown:
    def write(self, rows, columns, stream):
        stream.write(f"| {' | '.join(columns)} |\n")
        stream.write(f"|{'---|' * len(columns)}\n")
        for row in rows:
            cells = (str(row[name]).replace("|", "\\|") for name in columns)
            stream.write(f"| {' | '.join(cells)} |\n")


@filterkit.hookimpl
def filterkit_output_formats():
    return [filterkit.Contribution("markdown", "A Markdown table", Markdown)]
