"""The generated parts of docs/*.md: the text between two markers comes from results.json alone."""

import re
import subprocess
from collections.abc import Callable

from benchmarks import bars, report, scaling
from benchmarks.results import Results
from benchmarks.workspace import HERE, ROOT, Unusable, Workspace

Block = Callable[[Results], str]
BLOCKS: dict[str, Block] = {
    "machine": report.machine,
    "summary": report.summary,
    "reduce": report.reduction,
    "emit": report.emission,
    "growth": report.growth,
    "skew": report.skew,
    "compressed": report.compressed,
    "others": report.others,
    "bars": bars.table,
    "slopes": scaling.measured,
    "plans": scaling.plans,
}
PAGES = ("docs/performance.md", "README.md")
MARKED = re.compile(r"(<!-- bench (?P<name>[a-z]+) -->\n)(?P<old>.*?)(<!-- bench end -->)", re.DOTALL)


def write(space: Workspace, results: Results) -> None:
    """Draws the charts and fills every page; nothing is written if a page has a marker that is unknown."""
    if len(results.builds()) > 1:
        print(f"note: {results.path} has figures of {len(results.builds())} builds")
    filled = {path: fill(path.read_text(), results) for page in PAGES if (path := ROOT / page).exists()}
    subprocess.run([space.python, "-B", HERE / "charts.py", results.path, ROOT / "docs" / "charts"], check=True)
    for path, text in filled.items():
        if path.read_text() != text:
            path.write_text(text)
            print(f"written: {path.relative_to(ROOT)}")


def fill(text: str, results: Results) -> str:
    """A page with its marked blocks replaced."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in BLOCKS:
            raise Unusable(f"no block is called {name!r}: {', '.join(BLOCKS)}")
        return f"{match[1]}{BLOCKS[name](results)}\n{match[4]}"

    return MARKED.sub(block, text)
