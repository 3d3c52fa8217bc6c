"""What the peers run: the same two jobs, as an expert of the engine would write them.

    PYTHON peers/run_X.py reduce LOG TABLES             one day's counts to zstd Parquet
    PYTHON peers/run_X.py emit TABLES OUT DAY…          the tops of these days to OUT/country.txt and OUT/user.txt

These programs run in the environment of the peers, each as a process of its own. They share `job.py` alone.
"""
