"""What can happen to a run on a rented pod, at each of its steps: played for real, one cell at a time.

``python -m tests.fault_matrix docs/fault-matrix.md`` plays all cells and writes the table.
"""
