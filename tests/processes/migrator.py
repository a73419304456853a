"""One of the starters of migrators.py, in Python: see there."""

import sys

import keepwell

with keepwell.open(sys.argv[1]) as store:
    print("applied", len(store.migrations(sys.argv[2]).up().migrations))
