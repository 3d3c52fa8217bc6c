"""The job of `agg` on Apache Spark: the same rows, the same counts, the same bytes.

The modules have the names of the stages of `agg` and their order: `input`, `row`, `run`, `partial`,
`merge`, `topk`, `output`. They never import one another: they share the vocabulary (`model`, `error`)
and the file system (`fs`). `store` knows what a file is called and when it counts; `job` joins them all.

Rows pass through Spark's own expressions alone. No Python runs on the executors, so they need neither
this package nor a Python of any version.
"""
