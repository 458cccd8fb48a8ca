"""Create an agent repository, yours from then on, and keep it current.

`cli` makes a repository and `commands` change one; `generate` and `change` say what happens,
`engine` is Copier, `origin` and `history` know where the template is and was.
"""
