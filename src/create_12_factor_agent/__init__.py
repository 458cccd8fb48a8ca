"""Create an agent repository, yours from then on.

`cli` reads flags, `catalog` knows the questions and `answers` what was answered, `source` has the
template and `target` the place, `generate` renders, `finish` runs git and uv, `report` talks.
"""
