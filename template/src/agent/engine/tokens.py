"""How many tokens a text has, guessed without knowing the model's tokenizer.

The guess is close for what agents read: words, names, numbers, hexadecimal ids and JSON. The
context window corrects it by what the provider counts.
"""

import re

_PIECES = re.compile(
    r"_?[A-Z]?[a-z]{1,7}|[A-Z]{1,3}|[0-9]{1,3}|\s(?=[0-9])"  # words, ids and numbers
    r"|[\x80-\u2fff]{1,3}|[\u3000-\uffff]{1,2}|[\U00010000-\U0010ffff]"  # other scripts
    r"|[!-/:-@\[-`{-~]{1,2}|(?<=[\w\s])\n[\n ]{0,15}"  # signs, and ends of lines
)


def estimate_tokens(*texts: str) -> int:
    """Guess how many tokens texts have."""
    return sum(len(_PIECES.findall(text)) + 1 for text in texts)
