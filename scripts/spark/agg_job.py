"""What `spark-submit` is given: the command line of the package beside it, or of the zip in `--py-files`."""

import sys

from agg_spark.cli import main

sys.exit(main())
