"""Tell a reader precisely what is wrong with a kernel of their own.

A kernel runs on small random arrays of unequal sizes. Where an output is not what the equations
make of them, thousands of mistakes are tried, and one is named only if it reproduces the reader's
numbers; where none does, the place is told, measured too.
"""

from helpers.diagnosis.cases import checkable
from helpers.diagnosis.checking import check_function, check_kernel, judge

__all__ = ["check_function", "check_kernel", "checkable", "judge"]
