"""The verdict of an answer that was to say T or F: the last clear one, or none. Nothing is guessed.

A letter or word is clear where it stands as a sentence's claim: not as a name or an adjective ("T-shirt", "the true
colour"), nor in a choice ("T/F", "true or false"), a question, a condition ("T if ...", "whether it is true") or a
possibility ("it could be true"). What denies it turns it round: "not true" is false, and "F, not T" says F twice.
"""

from __future__ import annotations

import re

_CONTEXT = 200  # characters of a sentence that are read on both sides of a letter or word
_SENTENCE = re.compile(r"(?<=[.!?;])[\"'”’*)\]]*\s+|\n")
_WORD = r"(?:T|F|[Tt]rue|TRUE|[Ff]alse|FALSE|[Uu]ntrue)"
_MARK = r"[\"'“”‘’*_`$({\[<>/)}\]]"
# Not joined to other characters: neither T-shirt nor F.B.I. nor T's.
_VERDICT = re.compile(rf"(?<![\w.&+-])(?<!\w['’/_\\])(?P<said>{_WORD})(?![\w&+-])(?!['’]\w)(?!\.\w)(?!/\w)")
_CHOICE = re.compile(
    rf"(?<!\w){_WORD}{_MARK}*\s*(?:/|\||\\|\bor\b|\bnor\b|\band\b|\bvs\b\.?|\bversus\b)\s*{_MARK}*{_WORD}(?!\w)"
)
_LISTED = re.compile(rf"(?<!\w)(?P<first>{_WORD}){_MARK}*\s*,\s*{_MARK}*(?P<second>{_WORD})(?!\w)")

_COPULA = r"(?:\s+(?:it|this|that|they|the\s+\w+))?(?:\s+(?:is|are|was|be|to\s+be|as)|['’]s)?"
_DENIED = re.compile(
    r"(?:\b(?:not|never|hardly|isn['’]?t|aren['’]?t|wasn['’]?t|cannot\s+be|can['’]?t\s+be|rather\s+than|instead\s+of"
    r"|as\s+opposed\s+to|far\s+from|anything\s+but)"
    rf"|(?:\bnot|n['’]t|\bcannot|\bnever)\s+(?:think|believe|say|find|consider|call|answer|the\s+case){_COPULA}"
    rf"(?:\s+that)?{_COPULA}"
    rf"|\b(?:false|untrue|wrong|incorrect)\s+(?:to\s+say\s+)?that{_COPULA})"
    rf"(?:\s+(?:be|really|actually|at\s+all|a|an|the|letter|simply|answer|with))*[\s:,]*{_MARK}*$",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\b(?:not|n['’]t)\s+(?:\w+\s+){0,2}?(?:necessarily|entirely|completely|quite|always|exactly|fully|certain(?:ly)?"
    r"|clear(?:ly)?|sure|only|wholly|strictly)\b[^,;:]*$"
    r"|\b(?:could|might|may|can)\s+(?:not\s+)?(?:also\s+|then\s+|well\s+)?(?:be|say|hold)\s*(?:\w+\s+)?"
    rf"{_MARK}*$"
    rf"|\b(?:or|otherwise|else|either|neither|both|maybe|perhaps|possibly|probably\s+not)\b[\s,:]*{_MARK}*$"
    r"|\b(?:if|whether|unless|when|in\s+case|in\s+order\s+to)\b[^,;:]*$"
    r"|\b(?:unclear|unsure|uncertain|undecided)\b[^,;:]*$"
    r"|\b(?:because|since|although|though|whereas|unlike|while)\b[^;:]*$",
    re.IGNORECASE,
)
_NAMED = re.compile(
    rf"\b(?:the|an?|this|that|letters?|words?|model|vitamin|initials?|called|named|titled)\s+{_MARK}*$", re.IGNORECASE
)
_TELLS = re.compile(
    r"^\W*(?:the\s+)?letter\W*$|\b(?:answer|respond|reply|verdict|choose|choice|say|give|output|select)\w*\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    rf"(?:{_MARK}|</?\w+>)*\s*(?:$|[.,;:!()\[\]|=–—…]|-\s"
    r"|(?:because|since|as|given|for|based|due|that|so|and|but|here|in|on|from|with|according|considering|regarding"
    r"|about|the|this|it|they|there|we|you|i|a|an|indeed)\b"
    r"|is\s+(?:the\s+|my\s+)?(?:final\s+|correct\s+|right\s+)?(?:answer|verdict|correct|right|choice)\b)",
    re.IGNORECASE,
)
_IS_WRONG = re.compile(rf"{_MARK}*\s*(?:is|was)\s+(?:not|wrong|incorrect)\b", re.IGNORECASE)
_CONDITION = re.compile(rf"{_MARK}*[\s,(]*(?:if|when|unless|only|or|otherwise)\b", re.IGNORECASE)


def says_true(text: str) -> bool | None:
    """The last clear verdict of an `evaluate` answer: True for "T" or "true", False for "F" or "false".

    None where there is none.
    """
    for sentence in reversed(_SENTENCE.split(text)):
        verdict = _said_in(sentence)
        if verdict is not None:
            return verdict
    return None


def _said_in(sentence: str) -> bool | None:
    """The last clear verdict of one sentence."""
    if sentence.rstrip("\"'”’*)] ").endswith("?"):
        return None
    sentence = _CHOICE.sub(lambda choice: "~" * len(choice[0]), sentence)
    sentence = _LISTED.sub(_unlisted, sentence)
    verdict: bool | None = None
    for said in _VERDICT.finditer(sentence):
        before = sentence[max(0, said.start() - _CONTEXT) : said.start()]
        after = sentence[said.end() : said.end() + _CONTEXT]
        if not _is_claim(said["said"], before, after, first=verdict is None):
            continue
        denied = _DENIED.search(before) is not None
        verdict = (said["said"][0] in "Tt") != denied
    return verdict


def _is_claim(said: str, before: str, after: str, *, first: bool) -> bool:
    """Whether a letter or word between the rest of its sentence says what the model thinks."""
    if _CONDITION.match(after) or _IS_WRONG.match(after) or not _GOES_ON.match(after):
        return False
    unsure = _UNSURE.search(before)
    if unsure is not None and not (first and _is_reason(unsure[0])):
        return False
    return len(said) > 1 or not _NAMED.search(before) or _TELLS.search(before) is not None


def _is_reason(words: str) -> bool:
    """Whether these words begin a reason with a comma behind it: what follows that may be the claim."""
    return (
        re.match(r"because|since|although|though|whereas|unlike|while", words, re.IGNORECASE) is not None
        and "," in words
    )


def _unlisted(listed: re.Match[str]) -> str:
    """A list "T, F" says neither; "not T, F" says F."""
    denied = _DENIED.search(listed.string[max(0, listed.start() - _CONTEXT) : listed.start()])
    same = listed["first"][0].lower() == listed["second"][0].lower()
    return listed[0] if denied or same else "~" * len(listed[0])
