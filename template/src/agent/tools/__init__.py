"""Factor 1: natural language to tool calls. Yours: this sample deploys nothing but a file.

`NextStep` is everything the model may say. A tool is a shape (a `Step` with an `intent`, its
docstring written to the model) and a function; `control_flow.py` says what each one means.
"""

from .deploy import DeployBackend, ListGitTags
from .human import DoneForNow, RequestMoreInformation

NextStep = ListGitTags | DeployBackend | RequestMoreInformation | DoneForNow
