"""In: nothing. Out: every sentence that a derivation says, by key, in each language."""

from symbp.show.words.chinese import CHINESE
from symbp.show.words.english import ENGLISH

LANGUAGES = {"en": ENGLISH, "zh": CHINESE}
