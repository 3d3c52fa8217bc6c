"""`python3 -I -S launch.py FD PROGRAM ARGUMENT…`: runs a program and writes what it cost to FD, one line of JSON.

The kernel hands the peak memory of a process on to the program that it starts. This one is a bare interpreter of some
9 MiB, so that no program looks larger for the driver's sake. It imports nothing that it can do without.
"""

import os
import sys
import time

report = int(sys.argv[1])
os.set_inheritable(report, False)
start = time.monotonic()
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ), 0)
wall = time.monotonic() - start
cpu = usage.ru_utime + usage.ru_stime
code = os.waitstatus_to_exitcode(status)
line = f'{{"wall": {wall}, "cpu": {cpu}, "peak": {usage.ru_maxrss * 1024}, "written": {usage.ru_oublock * 512}}}'
os.write(report, f"{code} {line}".encode())
