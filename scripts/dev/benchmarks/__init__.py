"""The measuring stick of `agg`.

    scripts/dev/bench                      measures what is not measured yet, prints the tables
    scripts/dev/bench --only 'reduce/*'    these points alone; --list shows all of them
    scripts/dev/bench --redo 'emit/*'      these points again
    scripts/dev/bench --rows 20000 --days 3 --work target/bench-tiny      small, to try it
    scripts/dev/bench --report, --bars     prints what is measured, without measuring
    scripts/dev/bench --write-docs         draws the charts and fills the generated parts of docs/*.md

What is measured is a list of *points*, the most important first. The figures of a point go to WORK/results.json as
soon as it is done, with the build and the state of the machine, so a stopped run goes on where it stopped. A point
that was measured with another build is measured again. Days come from `agg generate`; peers are pinned
(`requirements.txt`) and live in a virtual environment in WORK.

Before anything is measured, all programs reduce and emit a small week, and their outputs must be equal byte for byte;
the outputs of the measured emissions are compared too. `agg` and a peer run in turn, A B A B, on a warm page cache,
each as a process of its own. A peer that fails (out of memory, over its time) is a row like any other.

Where what stands:

- `measure.py`    one process: time, processor time, peak memory, bytes written
- `machine.py`    processor, memory, versions, how busy the machine is
- `workspace.py`  the folder WORK: program, environment, logs, stores, tables; made on demand, dropped when unused
- `programs.py`   the command lines of `agg` and of each peer
- `peers/`        what the peers run, in their own environment
- `points.py`     the plan; `pairs.py`, `curves.py`, `cases.py` measure its points; `agree.py` compares outputs
- `results.py`    results.json, and the medians and ratios drawn from it
- `bars.py`       each promise, its figure, met or missed
- `report.py`     Markdown tables; `scaling.py` the plan for larger services; `charts.py` SVG; `documents.py` docs/*.md
- `command.py`    the command line; `tests.py` what is tested of all this
"""
