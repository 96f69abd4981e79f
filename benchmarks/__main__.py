"""`python -m benchmarks`: every figure, and exit code 1 when one of them breaks a promise."""

import sys

from benchmarks import cycles, year

if __name__ == "__main__":
    sys.exit(max([year.main([]), cycles.main([])]))
