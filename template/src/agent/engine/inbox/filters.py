"""The filters of the thread list in the inbox: `/?show=mine&text=staging`."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from ..index import Which
from ..log.events import make_safe

Show = Literal["", "mine", "waiting", "running", "stalled", "finished"]

FILTERS: dict[Show, str] = {
    "": "All",
    "mine": "Waiting for me",
    "waiting": "Waiting",
    "running": "Running",
    "stalled": "Stalled",
    "finished": "Finished",
}
"""Labels of the filters."""


class Filter(BaseModel):
    show: Show = ""
    text: Annotated[str, BeforeValidator(make_safe), Field(max_length=200)] = ""

    def choose(self, names: tuple[str, ...] | None, reader: str) -> Which:
        """Return the filter for the threads that one of `names` may read."""
        if self.show == "mine":
            return Which(names, asked=reader, text=self.text.strip())
        return Which(names, self.show, text=self.text.strip())
