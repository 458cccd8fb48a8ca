"""Which agents this repository has, and adapters of your own. Yours: no update changes it."""

from .deploy import agent as deploy
from .engine.build import Application

application = Application(agents={"deploy": deploy})
