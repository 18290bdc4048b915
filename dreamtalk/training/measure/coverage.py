"""Which sounds and which pairs of sounds a corpus holds."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..corpus import align
from ..corpus.phones import PHONES, VOWELS
from ..corpus.recordings import Recording

ENOUGH = 5
"""Times that a diphone must occur to count as well covered."""


@dataclass(frozen=True)
class Coverage:
    """Counts over a corpus.

    Attributes:
        recordings, hours: how much there is.
        voices: recordings of each voice, engine and name.
        seconds: of each phone.
        diphones: occurrences of each pair of neighbours, silence included.
    """

    recordings: int
    hours: float
    voices: Counter[str]
    seconds: dict[str, float]
    diphones: Counter[tuple[str, str]]

    def missing(self, times: int = 1) -> list[tuple[str, str]]:
        """Pairs of different phones that occur less often than ``times``."""
        return [(a, b) for a in PHONES for b in PHONES if a != b and self.diphones[(a, b)] < times]

    def table(self) -> str:
        """What there is, and what is missing."""
        engines = Counter(v.split("/")[0] for v in self.voices.elements())
        kinds = {
            "all pairs": (set(PHONES), set(PHONES)),
            "consonant-vowel": (set(PHONES[19:]), VOWELS),
            "vowel-consonant": (VOWELS, set(PHONES[19:])),
            "consonant-consonant": (set(PHONES[19:]), set(PHONES[19:])),
            "vowel-vowel": (VOWELS, VOWELS),
            "with silence": ({"sil"}, set(PHONES[1:])),
        }
        lines = [
            f"{self.recordings} recordings, {self.hours:.2f} hours, {len(self.voices)} voices: "
            + ", ".join(f"{n} {e}" for e, n in engines.most_common()),
            f"diphones: covered once, {ENOUGH} times, of all",
        ]
        for name, (left, right) in kinds.items():
            pairs = [(a, b) for a in left for b in right if a != b]
            if name == "with silence":
                pairs += [(b, a) for a, b in pairs]
            once, enough = (sum(self.diphones[p] >= k for p in pairs) for k in (1, ENOUGH))
            lines.append(f"  {name:20s} {once:5d} {enough:5d} {len(pairs):5d}")
        lines.append("minutes of each phone: ")
        lines[-1] += " ".join(f"{p} {self.seconds[p] / 60:.1f}" for p in PHONES)
        if align.installed():
            english = sorted(align.english_diphones())
            gaps = [p for p in english if not self.diphones[p]]
            lines.append(
                f"of {len(english)} diphones inside English words {len(english) - len(gaps)} are "
                f"there; missing: {' '.join('-'.join(p) for p in gaps) or 'none'}"
            )
        return "\n".join(lines)


def measure_coverage(recordings: Iterable[Recording]) -> Coverage:
    """Count phones and diphones."""
    count = 0
    hours = 0.0
    voices: Counter[str] = Counter()
    seconds = dict.fromkeys(PHONES, 0.0)
    diphones: Counter[tuple[str, str]] = Counter()
    for r in recordings:
        count += 1
        hours += r.duration / 3600
        voices[r.voice] += 1
        for s in r.segments:
            seconds[s.phone] += s.end - s.start
        names = [s.phone for s in r.segments]
        diphones.update(itertools.pairwise(names))
    return Coverage(count, hours, voices, seconds, diphones)
