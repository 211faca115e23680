"""Every process killed in every phase: `python -m tests.journeys.pairs`, for as many stories as that takes.

Within one story a phase may end before all programs were killed; the next story kills those that are left. Exit code 1
if a pair is left after the last story, if a story's figures differ, or if two stories end otherwise.
"""

from __future__ import annotations

import logging
import sys

from tests.journeys.digest import Digest, digest_of
from tests.journeys.make import rehearsal
from tests.journeys.test_kills import PHASES, PROGRAMS, be_patient, play

STORIES = 12
log = logging.getLogger("pairs")


def tell_once(left: set[tuple[str, str]]) -> tuple[Digest, list[str]]:
    """One story; takes what it has killed out of `left`, answers how it ended and what was wrong."""
    with rehearsal() as one:
        be_patient(one)
        for phase, title in PHASES.items():
            programs = tuple(program for program in PROGRAMS if (phase, program) in left)
            killed = play(one, phase, programs)
            left -= {(phase, program) for program, _ in killed}
            log.info("%s (%s): killed %s", phase, title, killed)
            if phase == "intake":
                one.play("逐户研判", "合作社建账")
        one.quiet()
        wrong = list(one.story.comparison.differences)
        if not one.verified()["equal"]:
            wrong.append("verify: not equal")
        return digest_of(one), wrong


def main() -> int:
    """Stories until no pair is left."""
    left = {(phase, program) for phase in PHASES for program in PROGRAMS}
    undisturbed, wrong = tell_once(set())
    for number in range(STORIES):
        if not left or wrong:
            break
        ended, wrong = tell_once(left)
        wrong += undisturbed.differences(ended)
        log.info("story %s: %s pairs left", number + 1, len(left))
    for words in wrong:
        log.error("%s", words)
    log.info("pairs left: %s", sorted(left) or "none")
    return 1 if wrong or left else 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sys.exit(main())
